"""Texts that repeat themselves for a purpose, loops of all kinds, and how the guard takes them.

`python -m tests.repetition` prints after how many tokens each is stopped.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from itertools import count, cycle, islice
from random import Random

from gemma4_mlx.loading import find_checkpoint
from gemma4_mlx.loop_guard import LoopGuard
from gemma4_mlx.stream_decoder import StreamDecoder
from gemma4_mlx.tokenizer import Tokenizer

_PIECE = re.compile(
    r"\n{1,30}| {2,30}|\d| ?[A-Za-z]{1,8}| ?[^\W\d_A-Za-z]{1,2}|([^\w\s])\1{0,15}|.", re.DOTALL
)


class WordPieces:
    """Cuts text about as finely as Gemma's vocabulary of 262,144 does.

    Words are one token or two, runs of spaces, newlines and signs are one, digits are alone. The
    pocket checkpoint's 1,024 tokens are shorter: texts have up to three times as many of those.
    """

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._bytes: list[bytes] = []

    def encode(self, text: str) -> list[int]:
        return [self._id(found[0]) for found in _PIECE.finditer(text)]

    def stream_decoder(self) -> StreamDecoder:
        return StreamDecoder(self._bytes.__getitem__)

    def _id(self, piece: str) -> int:
        if piece not in self._ids:
            self._ids[piece] = len(self._bytes)
            self._bytes.append(piece.encode())
        return self._ids[piece]


def stopped_after(tokenizer, tokens: list[int]) -> int | None:
    """Tokens until the guard says stop; None if it never does."""
    guard = LoopGuard(tokenizer.stream_decoder())
    return next((n for n, token in enumerate(tokens, 1) if guard.push(token)), None)


def _rows(cell: Callable[[int, int], object], height: int, width: int, between: str = " ") -> str:
    return "".join(
        between.join(str(cell(y, x)) for x in range(width)) + "\n" for y in range(height)
    )


def _lists(cell: Callable[[int, int], object], side: int) -> str:
    rows = [", ".join(str(cell(y, x)) for x in range(side)) for y in range(side)]
    return "[" + ",\n ".join(f"[{row}]" for row in rows) + "]\n"


def _markdown(cell: Callable[[int, int], object], height: int, width: int) -> str:
    head = "|" + " c |" * width + "\n|" + "---|" * width + "\n"
    return head + "".join(
        "| " + " | ".join(str(cell(y, x)) for x in range(width)) + " |\n" for y in range(height)
    )


def _latex(cell: Callable[[int, int], object], side: int) -> str:
    rows = [" & ".join(str(cell(y, x)) for x in range(side)) for y in range(side)]
    return "\\begin{bmatrix}\n" + " \\\\\n".join(rows) + "\n\\end{bmatrix}\n"


def _zero(y: int, x: int) -> int:
    return 0


def _identity(y: int, x: int) -> int:
    return int(x == y)


def _noise(signs: str, seed: int) -> Callable[[int, int], str]:
    rng = Random(seed)
    return lambda y, x: rng.choice(signs)


def _house() -> str:
    made = "malt|rat|cat|dog|cow with the crumpled horn|maiden all forlorn|man|priest|cock|farmer"
    did = "lay in|ate|killed|worried|tossed|milked|kissed|married|woke|kept"
    verses, tail = [], "the house that Jack built.\n\n"
    for who, what in zip(made.split("|"), did.split("|"), strict=True):
        tail = f"the {who}\nThat {what} {tail}"
        verses.append("This is " + tail)
    return "".join(verses)


ROW = "Row, row, row your boat,\nGently down the stream.\nMerrily, merrily, merrily!\n\n"
BOTTLES = (
    "{0} bottles of milk on the wall, {0} bottles of milk.\n"
    "Take one down, pass it around, {1} bottles of milk on the wall.\n\n"
)
INSERT = "INSERT INTO users (id, name) VALUES ({0}, 'user{0}');\n"

MATRICES = {
    f"{name}, {side} x {side}": text
    for side in (3, 8, 16, 24, 32)
    for name, text in {
        "zeros": _rows(_zero, side, side),
        "zeros, no spaces": _rows(_zero, side, side, ""),
        "zeros in lists": _lists(_zero, side),
        "zeros in Markdown": _markdown(_zero, side, side),
        "zeros in LaTeX": _latex(_zero, side),
        "zeros in CSV": _rows(_zero, side, side, ","),
        "ones with points": _lists(lambda y, x: "1.0", min(side, 24)),
        "identity": _rows(_identity, side, side),
        "identity in lists": _lists(_identity, side),
        "identity in LaTeX": _latex(_identity, side),
        "noise of 0 and 1": _rows(_noise("01", side), side, side),
        "a checkerboard": _rows(lambda y, x: (x + y) % 2, side, side),
    }.items()
}

HONEST = {
    # Tables and data.
    "a table": "| name | n |\n|---|---|\n" + "".join(f"| row {i} | {i * 7} |\n" for i in range(60)),
    "a wide rule": "|" + "---|" * 40 + "\n| a | b |",
    "equal rows": "| yes | no | 0 | 0 |\n" * 60,
    "a rota": _markdown(lambda y, x: ("early", "late")[x % 2], 26, 7),
    "times tables": "".join(f"{a} x {b} = {a * b}\n" for a in range(1, 13) for b in range(1, 13)),
    "a times table": _markdown(lambda y, x: (x + 1) * (y + 1), 20, 20),
    "squares": "".join(f"| {n} | {n * n} | {n**3} |\n" for n in range(500)),
    "CSV with equal columns": "date,ok,n\n"
    + "".join(f"2024-{m:02}-{d:02},true,0\n" for m in range(1, 13) for d in range(1, 29)),
    "CSV of equal rows": "yes,no,no,0,0\n" * 100,
    "JSON of equal objects": "[" + '{"name": "", "value": 0, "tags": []},\n' * 100 + "]",
    "JSON with numbers": "".join(f'{{"id": {n}, "name": "item {n}"}},\n' for n in range(200)),
    "a hex dump of zeros": "".join(f"{i * 16:08x} " + " 00" * 16 + "\n" for i in range(50)),
    "a hex dump without places": ("00 " * 15 + "00\n") * 64,
    "rows of numbers": _rows(lambda y, x: (7 * y + 3 * x) % 100, 500, 5, ","),
    # Counting.
    "a list": "".join(f"- item {i}\n" for i in range(200)),
    "a numbered list": "".join(f"{n}. Item {n}\n" for n in range(300)),
    "a nested list": "".join(f"- part {a}\n" + "  - yes\n  - no\n" * 3 for a in range(40)),
    "counting": ", ".join(map(str, range(1000))),
    "counting in lines": "".join(f"{n}\n" for n in range(500)),
    "dates": "".join(f"- {m}/{d}/2024\n" for m in range(1, 13) for d in range(1, 31)),
    "powers of two": "".join(f"2^{n} = 1{'0' * n}\n" for n in range(48)),
    "a large power of two": "1" + "0" * 1024,
    "a googol": "10^100 = 1" + "0" * 100 + "\n",
    "zeros": "[" + "0, " * 500 + "0]",
    # Code.
    "fields": "".join(f"    self.field_{i} = field_{i}\n" for i in range(150)),
    "methods": "".join(f"    def get_{n}(self):\n        return self.f_{n}\n" for n in range(140)),
    "a switch": "".join(f"    case {n}:\n        return {n % 5};\n" for n in range(150)),
    "rows of a database": "".join(INSERT.format(n) for n in range(200)),
    "equal rows of a database": "INSERT INTO t VALUES (NULL, 0, '');\n" * 30,
    "a table in HTML": ("<tr>" + "<td>0</td>" * 10 + "</tr>\n") * 24,
    "a list in HTML": "<ul>\n" + "  <li>item</li>\n" * 80 + "</ul>\n",
    "nops": "    nop\n" * 100,
    "unit tests": "".join(
        f"def test_add_{n}():\n    assert add({n}, {n + 1}) == {2 * n + 1}\n\n\n"
        for n in range(100)
    ),
    "prints": 'print("hello")\n' * 50,
    "an empty game": "grid = [\n" + '    "..........",\n' * 60 + "]\n",
    # Drawings.
    "a box": "+" + "-" * 60 + "+\n" + ("|" + " " * 60 + "|\n") * 12 + "+" + "-" * 60 + "+\n",
    "a large box": "#" * 60 + "\n" + ("#" + " " * 58 + "#\n") * 28 + "#" * 60 + "\n",
    "a tree": "".join(" " * (24 - i) + "*" * (2 * i + 1) + "\n" for i in range(24)),
    "a chessboard": ("# . # . # . # .\n. # . # . # . #\n" * 4 + "\n") * 6,
    "a position": "r n b q k b n r\n" + "p p p p p p p p\n" + ". . . . . . . .\n" * 4,
    "progress": "".join(f"[{'#' * n}{'.' * (50 - n)}] {2 * n}%\n" for n in range(51)),
    "waves": "/\\/\\/\\/\\" * 20 + "\n" + "~ ~ ~ ~ " * 20 + "\n" + "._.-^-" * 30 + "\n",
    "a banner": ("#   # ##### #   #\n" * 2 + "##### ####  #    \n") * 8,
    "bricks": ("|___|___|___|___|\n|_|___|___|___|_|\n" * 10),
    "a dashed line": "-" * 200 + "\nText\n" + "=" * 200 + "\n" + "* " * 80 + "\n",
    "hearts": "❤️" * 60 + "🎉" * 60 + "\n" + "👩‍👩‍👧‍👦" * 20 + "🇫🇷" * 20,
    "a field of emoji": ("🟦" * 10 + "🟨" * 10 + "\n") * 12,
    "a grid of letters": "X O X O X O X O X O X O X O X O\n" * 16 + ("X" * 24 + "\n") * 12,
    "a maze": _rows(_noise("# ", 5), 40, 40, ""),
    # Words.
    "laughter": "ha" * 100 + "! " + "ha " * 60,
    "a long vowel": "N" + "o" * 200 + "!",
    "hello 50 times": "hello " * 50,
    "hello in lines": "hello\n" * 100,
    "hello in a list": "".join(f"{n}. hello\n" for n in range(1, 101)),
    "lines on the board": "I will not talk in class.\n" * 50,
    "a refrain": ROW * 6,
    "verses and refrain": "".join(f"Verse {n}: a {w} sings.\n{ROW}" for n, w in enumerate(
        ["fox", "wolf", "bird", "cat", "whale"], 1)),
    "anaphora": "".join(
        f"I have a dream that one day {what}.\n"
        for what in ["the hills will sing", "a child will laugh", "we will be free"] * 2
    ),
    "a song": "".join(BOTTLES.format(number, number - 1) for number in range(60, 0, -1)),
    "a rhyme that grows": _house(),
    "spelled out": "A, B, C. " * 25,
    "lorem ipsum": "Lorem ipsum dolor sit amet, consectetur adipiscing elit. " * 8,
    "a chant": "Om mani padme hum. " * 40,
    "Chinese": "我爱你,就像爱生命。\n" * 12 + "好" * 60,
    "Japanese": "ドキドキ" * 15 + "\n" + "がんばれ、がんばれ!\n" * 12,
    "Arabic": "سبحان الله\n" * 33 + "الحمد لله\n" * 33,
    "Hindi": "राम राम " * 30,
    # Notation.
    "DNA": _rows(_noise("ACGT", 2), 20, 60, ""),
    "DNA with repeats": "CAG" * 80 + "\n" + "TTAGGG" * 60,
    "a protein": _rows(_noise("ACDEFGHIKLMNPQRSTVWY", 3), 20, 60, ""),
    "music": "X:1\nM:4/4\nK:C\n" + "|: CDEF GABc | c2B2 A2G2 :|\n" * 16,
    "drums": "|x-o-x-o-|x-o-x-o-|x-o-x-o-|x-o-xxoo|\n" * 16,
    "Morse": "... --- ... " * 30,
    "noise of two signs": _rows(_noise("01", 4), 64, 64, ""),
}  # fmt: skip


def _forever(*parts: str) -> Iterator[str]:
    return cycle(parts)


def _each(verse: Callable[[int], str]) -> Iterator[str]:
    return map(verse, count(1))


PARAGRAPH = (
    "Wait, let me look at this again. The user wants the shortest way, and the shortest way is the "
    "one that passes the station first. But the station is closed on Sundays, and the question "
    "does not say which day it is. If it is a Sunday, the way over the bridge is shorter. If it is "
    "any other day, the way past the station is shorter. I cannot know which day it is. "
)
WORDS = [
    *("red", "blue", "green", "old", "new", "small", "large"),
    *("quiet", "loud", "early", "late", "kind", "strange", "simple"),
]

LOOPS: dict[str, Callable[[], Iterator[str]]] = {
    "a sign": lambda: _forever("-"),
    "a digit": lambda: _forever("0"),
    "a letter": lambda: _forever("a"),
    "newlines": lambda: _forever("\n"),
    "spaces": lambda: _forever(" "),
    "blank lines": lambda: _forever("  \n", "\n"),
    "an emoji": lambda: _forever("🎉"),
    "a word": lambda: _forever("very "),
    "a phrase": lambda: _forever("and so on and "),
    "a sentence": lambda: _forever("I am not sure about that, so let me think again. "),
    "two sentences": lambda: _forever("Yes, it is right. ", "No, wait, it is wrong. "),
    "a paragraph": lambda: _forever(PARAGRAPH + "\n\n"),
    "a long paragraph": lambda: _forever(PARAGRAPH, PARAGRAPH.swapcase(), PARAGRAPH.upper()),
    "sums": lambda: _forever("The answer is 4. Wait, no. Let me check: 2 + 2 = 4. So it is 4.\n"),
    "a thought": lambda: _forever("Hmm.\n\n"),
    "Chinese": lambda: _forever("等等,让我再想一想。"),
    "Arabic": lambda: _forever("دعني أفكر مرة أخرى. "),
    "Hindi": lambda: _forever("मुझे फिर से सोचने दो। "),
    "rows of a table": lambda: _forever("| yes | no | maybe |\n"),
    "a cell": lambda: _forever("| 0 "),
    "a line of code": lambda: _forever("    x = x + 1;\n"),
    "a block of code": lambda: _forever("    if x is None:\n        return None\n    x = f(x)\n"),
    "a brace": lambda: _forever("}"),
    "brackets": lambda: _forever("["),
    "objects": lambda: _forever('{"id": 0, "name": "a", "tags": []}, '),
    "escapes": lambda: _forever("\\\\n"),
    "tags": lambda: _forever("<div><span>"),
    "attempts": lambda: _each(lambda n: f"Attempt {n}: let me try that once more.\n"),
    "steps": lambda: _each(lambda n: f"{n}. Check the result again.\n"),
    "two numbers": lambda: _each(lambda n: f"So {n} is not it, and {n * n} is not it either. "),
    "numbered rows": lambda: _each(lambda n: f"| {n} | yes | {n * n} |\n"),
    "numbered code": lambda: _each(lambda n: f"    x_{n} = f(x_{n - 1})\n"),
    "numbers": lambda: _each(lambda n: f"{n}, "),
    "a changing word": lambda: _each(
        lambda n: f"Perhaps it is the {WORDS[n * n % 14]} one; let me check that it fits. "
    ),
    "two changing words": lambda: _each(
        lambda n: f"The {WORDS[n % 14]} one is not the {WORDS[n // 14 % 14]} one, or is it? "
    ),
    "a changing name": lambda: _each(lambda n: PARAGRAPH + f"Ask {WORDS[n % 13]}{n:b}.\n".title()),
    "growing": lambda: _each(lambda n: "It is" + " very" * n + " good. "),
    "growing lists": lambda: _each(
        lambda n: "So I have " + ", ".join(WORDS[i % 14] for i in range(n)) + ".\n"
    ),
}


def loop(name: str, tokenizer, tokens: int) -> list[int]:
    """So many tokens of a loop."""
    made: list[int] = []
    parts = LOOPS[name]()
    while len(made) < tokens:
        made += tokenizer.encode("".join(islice(parts, 500)))
    return made[:tokens]


def _table() -> Iterator[str]:
    tokenizers = (Tokenizer.from_folder(find_checkpoint("pocket")), WordPieces())
    yield f"{'for a purpose':<34} {'pocket':>7} {'stopped':>7} {'pieces':>7} {'stopped':>7}"
    texts, stopped = {**MATRICES, **HONEST}, 0
    for name, text in texts.items():
        rows = [(each, each.encode(text)) for each in tokenizers]
        ends = [stopped_after(*row) for row in rows]
        stopped += sum(end is not None for end in ends)
        figures = [
            f"{len(row):>7} {end or '-':>7}" for (_, row), end in zip(rows, ends, strict=True)
        ]
        yield " ".join([f"{name:<34}", *figures])
    yield f"stopped: {stopped} of {2 * len(texts)}\n\n{'loops':<42} {'pocket':>7} {'pieces':>15}"
    for name in LOOPS:
        ends = [stopped_after(each, loop(name, each, 60_000)) or "never" for each in tokenizers]
        yield f"{name:<42} {ends[0]:>7} {ends[1]:>15}"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in _table())
