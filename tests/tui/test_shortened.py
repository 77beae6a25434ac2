"""Names in less room than they need."""

from __future__ import annotations

import pytest
from textual.content import Content

from tui.text.shortened import shortened


@pytest.mark.parametrize(
    ("text", "width", "short"),
    [
        ("a.png", 5, "a.png"),
        ("Screenshot 2026-01-02.png", 12, "Screen…2.png"),
        ("Screenshot of it.png", 13, "Screen…it.png"),
        ("你好你好你好世界.png", 9, "你好….png"),
        ("Screenshot.png", 1, "…"),
        ("Screenshot.png", 0, ""),
    ],
)
def test_a_name_keeps_its_ending(text, width, short):
    assert shortened(text, width) == short


def test_no_name_is_wider_than_its_place():
    for text in ("Screenshot 2026-01-02 at 11.22.png", "世界 e\u0301té 🎉🎉.jpeg"):
        for width in range(40):
            assert Content(shortened(text, width)).cell_length <= width
