"""A name that is too long for its place: the middle is left out, as its end says what it is."""

from __future__ import annotations

from textual.content import Content

ELLIPSIS = "…"


def shortened(text: str, width: int) -> str:
    """The text in at most `width` columns: both ends, with an ellipsis for what is between."""
    if _columns(text) <= width:
        return text
    at_end = max(0, width - 1) // 2
    end = text[len(text) - at_end :]
    while _columns(end) > at_end:
        end = end[1:]
    end = end.lstrip()
    start = Content(text).truncate(max(0, width - 1 - _columns(end))).plain.rstrip()
    return f"{start}{ELLIPSIS}{end}" if width > 0 else ""


def _columns(text: str) -> int:
    return Content(text).cell_length
