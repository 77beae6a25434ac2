"""Ogg files as their pages: whether the last is whole, and whether they are of one recording.

That its last page is marked as the end is no condition: phones leave the mark out.

Reference: RFC 3533.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.processing.attached_file import to_wav

_MAGIC = b"OggS"
_HEADER_BYTES = 27
_BEGINS = 2  # the mark of a stream's first page


class _Page(NamedTuple):
    """Its flags, and the byte behind its last."""

    flags: int
    end: int


def check_pages(content: bytes, name: str) -> None:
    """See that the last page is whole, and that all are of one recording.

    Args:
        content: of an Ogg file.
        name: what errors call it.

    Raises:
        AttachmentError: it was cut off, or of several recordings the first alone would be heard.
    """
    has_begun = False
    for page in _pages(content):
        if page.end > len(content):
            raise AttachmentError(
                f"{name} is cut off: its last page says {page.end} bytes, and it has "
                f"{len(content)}; how much more is missing it does not say",
                "attach another copy; this one was not copied or downloaded to its end. To hear "
                f"what is there: {to_wav(name)}",
            )
        begins = bool(page.flags & _BEGINS)
        if begins and has_begun:
            raise AttachmentError(
                f"{name} holds several recordings, one after the other",
                f"make one of them, for example with {to_wav(name)}",
            )
        has_begun = has_begun or not begins  # Streams side by side begin together.


def _pages(content: bytes) -> Iterator[_Page]:
    """All pages, whatever stands between them; the last may go on behind the end."""
    at = content.find(_MAGIC)
    while at >= 0:
        head = content[at : at + _HEADER_BYTES]
        if len(head) < _HEADER_BYTES:
            yield _Page(0, at + _HEADER_BYTES)
            return
        sizes = content[at + _HEADER_BYTES : at + _HEADER_BYTES + head[26]]
        end = at + _HEADER_BYTES + head[26] + sum(sizes)
        yield _Page(head[5], end)
        at = content.find(_MAGIC, end)
