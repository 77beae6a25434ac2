"""Nothing from outside steers the terminal."""

from __future__ import annotations

import pytest

from tui.text.printable import printable, printable_line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", "␛]0;title␇"),
        ("\x1b[2J", "␛[2J"),
        ("\x9b31m", "�31m"),
        ("a\r\nb\rc\u2028d\x0be", "a\nb\nc\nd\ne"),
        ("tab\tstays", "tab\tstays"),
        ("\u202egnp.exe", "�gnp.exe"),
        ("\ud800", "�"),
        ("שלום 你好 🎉 é", "שלום 你好 🎉 é"),
        ("[bold]x[/bold]", "[bold]x[/bold]"),
    ],
)
def test_what_steers_is_shown(text, shown):
    assert printable(text) == shown


def test_a_name_is_one_line():
    assert printable_line(" a\nb\tc\x1b[31m ") == "a b c␛[31m"
