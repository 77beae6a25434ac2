"""However a text arrives, and wherever it is cut, all of it is drawn, and drawn as the same."""

from __future__ import annotations

import random

import pytest

from tests.tui.test_streamed_markdown import DOCUMENT
from tui.text.markdown_pieces import (
    LINES_A_PIECE,
    LINES_OF_A_LIST,
    MarkdownPieces,
    code_blocks,
    parser,
)

NUMBERED = "\n".join(f"{number}. point **{number}**" for number in range(1, 120))
NESTED = "\n".join(f"- point {number}\n  - under it" for number in range(60))
CODE = "```python\n" + "\n\n".join(f"x = {number}" for number in range(60)) + "\n```"
TABLE = "| a | b |\n|---|---|\n" + "\n".join(f"| {number} | x |" for number in range(60))
LONG = "\n\n".join([DOCUMENT, NUMBERED, "between", NESTED, "then", CODE, "then", TABLE, "the end"])


def stream(text: str, seed: int, lines: int = LINES_A_PIECE) -> list[str]:
    """The pieces of a text that arrives in random portions."""
    portions, pieces, cutter = random.Random(seed), [""], MarkdownPieces(lines, lines // 4)
    while text:
        size = portions.choice([1, 3, 7, 20, 60, 400])
        growth = cutter.add(text[:size], last=size >= len(text))
        text = text[size:]
        pieces[-1] += growth.added[0]
        pieces += growth.added[1:]
        assert len(growth.in_list) == len(growth.added) - 1
    return pieces


def drawn(source: str) -> list[tuple[str, str]]:
    """What the parser makes of it, text by text."""
    leaves = ("inline", "fence", "code_block")
    return [(each.type, each.content) for each in parser().parse(source) if each.type in leaves]


@pytest.mark.parametrize("seed", range(8))
def test_cutting_changes_nothing(seed):
    pieces = stream(LONG, seed, lines=random.Random(seed).choice([4, 10, 40]))
    assert "".join(pieces) == LONG
    assert [leaf for piece in pieces for leaf in drawn(piece)] == drawn(LONG)


@pytest.mark.parametrize("seed", range(4))
def test_stopping_anywhere_loses_nothing(seed):
    cut = LONG[: random.Random(seed).randint(1, len(LONG))]
    assert "".join(stream(cut, seed)) == cut


@pytest.mark.parametrize("text", [NUMBERED, NESTED], ids=["numbered", "nested"])
def test_no_piece_of_a_long_list_is_long(text):
    pieces = stream(text, 0)
    assert max(piece.count("\n") for piece in pieces) <= LINES_OF_A_LIST + 4
    assert len(pieces) > 2


def test_a_fence_is_not_cut():
    assert sum("```" in piece for piece in stream(f"{CODE}\n\nafter", 1)) == 1


def test_a_list_that_does_not_count_is_not_cut():
    assert len(stream("\n".join("1. point" for _ in range(100)), 2)) == 1


def test_a_growing_table_is_held_back_until_it_ends():
    cutter = MarkdownPieces()
    assert cutter.add("Before\n\n| a | b |\n|--").table == "| a | b |\n|--"
    growth = cutter.add("-|---|\n| 1 | 2 |\n")
    assert growth.added == [""]
    assert growth.table == "| a | b |\n|---|---|\n| 1 | 2 |\n"
    growth = cutter.add("\nAfter")
    assert growth.added == ["| a | b |\n|---|---|\n| 1 | 2 |\n\nAfter"]
    assert growth.table == ""


def test_a_table_at_the_end_is_given_with_the_last_text():
    cutter = MarkdownPieces()
    cutter.add(TABLE)
    assert cutter.add("", last=True).added == [TABLE]


def test_code_is_copied_as_it_was_written():
    assert code_blocks("a\n\n```py\nx  = 1\n\n\ty\n```\n\n    indented\n") == [
        "x  = 1\n\n\ty\n",
        "indented\n",
    ]
    assert code_blocks("- item\n\n  ~~~\n  in a list\n  ~~~") == ["in a list\n"]
