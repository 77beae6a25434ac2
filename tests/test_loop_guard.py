"""Loops end, and what merely looks like one does not."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma4_mlx.loading import find_checkpoint
from gemma4_mlx.loop_guard import LONGEST_STRETCH, LoopGuard
from gemma4_mlx.tokenizer import Tokenizer

POCKET = Tokenizer.from_folder(find_checkpoint("pocket"))
"""Of short tokens, so that there are more of them than of a real one's."""


def stops_after(tokens: list[int]) -> int | None:
    """Tokens until the guard says stop; None if it never does."""
    guard = LoopGuard(POCKET.stream_decoder)
    return next((n for n, token in enumerate(tokens, 1) if guard.push(token)), None)


@given(
    stretch=st.lists(st.integers(0, 400), min_size=1, max_size=LONGEST_STRETCH),
    before=st.lists(st.integers(0, 400), max_size=40),
)
def test_pain_36_every_loop_ends_within_a_bounded_number_of_tokens(stretch, before):
    found = stops_after(before + stretch * (2000 // len(stretch) + 1))
    assert found is not None
    assert found <= len(before) + len(stretch) + max(256, 6 * len(stretch))


LEFT_ALONE = {
    "a table": "| name | n |\n|---|---|\n" + "".join(f"| row {i} | {i * 7} |\n" for i in range(60)),
    "a wide rule": "|" + "---|" * 40 + "\n| a | b |",
    "equal rows": "| yes | no | 0 | 0 |\n" * 9,
    "a list": "".join(f"- item {i}\n" for i in range(80)),
    "counting": ", ".join(str(i) for i in range(300)),
    "code": "".join(f"    self.field_{i} = field_{i}\n" for i in range(40)),
    "zeros": "[" + "0, " * 60 + "0]",
    "a matrix": "[[1, 0, 0],\n [0, 1, 0],\n [0, 0, 1]]\n" * 4,
    "a box": "+" + "-" * 60 + "+\n" + ("|" + " " * 60 + "|\n") * 3 + "+" + "-" * 60 + "+\n",
    "a tree": "".join(" " * (20 - i) + "*" * (2 * i + 1) + "\n" for i in range(20)),
    "a refrain": "Row, row, row your boat,\nGently down the stream.\nMerrily, merrily!\n" * 5,
    "laughter": "ha" * 60,
    "hex": "".join(f"{i * 16:08x}  00 00 00 00 00 00 00 00\n" for i in range(12)),
}


@pytest.mark.parametrize("text", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_pain_36_what_merely_looks_alike_is_left_alone(text):
    assert stops_after(POCKET.encode(text)) is None


LOOPS = {
    "a word": "very " * 600,
    "a sentence": "I am not sure about that, so let me think again. " * 60,
    "a paragraph": ("The answer is 4. Wait, no. Let me check: 2 + 2 = 4. So it is 4.\n" * 40),
    "a rule without end": "-" * 4000,
    "a thought": "Hmm.\n\n" * 300,
}


@pytest.mark.parametrize("text", LOOPS.values(), ids=LOOPS)
def test_pain_36_loops_of_words_end(text):
    assert stops_after(POCKET.encode(text)) is not None


COUNTING_ALONG = {
    "attempts": "Attempt {0}: let me try that once more.\n",
    "numbers that grow": "So {0} is not it, and {1} is not it; let me look at the next one. ",
    "a sentence": "Wait, number {0} may be wrong, so I should check it again, and all before it.\n",
}


@pytest.mark.parametrize("verse", COUNTING_ALONG.values(), ids=COUNTING_ALONG)
def test_pain_36_loops_that_count_end_too(verse):
    """After 128 verses and what closes the loop, and not at the change from 99 to 100."""
    verses = [verse.format(number, number * number) for number in range(90, 240)]
    found = stops_after(POCKET.encode("".join(verses)))
    assert found is not None
    assert len(POCKET.encode("".join(verses[:100]))) < found
    assert found < len(POCKET.encode("".join(verses[:140])))


BOTTLES = "{0} bottles of milk on the wall, {0} bottles of milk. Take one down, pass it around.\n"

COUNTED = {
    "a song": "".join(BOTTLES.format(number) for number in range(99, 0, -1)),
    "squares": "".join(f"| {n} | {n * n} | {n**3} |\n" for n in range(150)),
    "rows of a database": "".join(
        f"INSERT INTO users (id, name) VALUES ({n}, 'user{n}');\n" for n in range(150)
    ),
    "a list": "".join(f"{n}. Item {n}\n" for n in range(300)),
    "methods": "".join(f"    def get_{n}(self):\n        return self.f_{n}\n" for n in range(140)),
}


@pytest.mark.parametrize("text", COUNTED.values(), ids=COUNTED)
def test_pain_36_what_counts_for_a_purpose_is_left_alone(text):
    assert stops_after(POCKET.encode(text)) is None


def test_noise_is_no_loop():
    rng = random.Random(3)
    assert stops_after([rng.randrange(3) for _ in range(8_000)]) is None
