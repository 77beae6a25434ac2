"""Token ids to text, one id at a time, never in half a character."""

from __future__ import annotations

import codecs
from collections.abc import Callable


class StreamDecoder:
    """Turns ids into text as they come.

    Characters that the vocabulary lacks are spelled in bytes, one token each. Their text comes
    out with the last byte; bytes that form no character come out as U+FFFD.
    """

    def __init__(self, bytes_of: Callable[[int], bytes]) -> None:
        """`bytes_of` gives the UTF-8 bytes of one token."""
        self._bytes_of = bytes_of
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, token_id: int) -> str:
        """The text that is complete now; often that of this token, sometimes none yet."""
        return self._utf8.decode(self._bytes_of(token_id))

    def flush(self) -> str:
        """What is left at the end: U+FFFD for an unfinished character, or nothing."""
        return self._utf8.decode(b"", final=True)
