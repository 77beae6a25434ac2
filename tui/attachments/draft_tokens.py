"""What a draft will cost."""

from __future__ import annotations

import string
from dataclasses import dataclass
from math import ceil

CHARACTERS_PER_TOKEN = 4
"""About what English takes; only the model's own tokenizer knows better."""
PER_SIGN = 0.3
"""Tokens that a bracket, a comma or the like takes more than a letter."""
PER_BYTE = 0.3
"""Tokens that each further byte takes of a character beyond ASCII."""

SAMPLES = 8
SAMPLE = 2000
"""So many pieces of so many characters are looked at of a long text."""


def text_tokens(text: str) -> int:
    """About how many tokens a text has: digits stand alone, and other scripts take more."""
    text = text.strip()
    if len(text) <= SAMPLES * SAMPLE:
        return ceil(_tokens(text))
    step = len(text) // SAMPLES
    seen = "".join(text[start : start + SAMPLE] for start in range(0, step * SAMPLES, step))
    return ceil(_tokens(seen) * len(text) / len(seen))


def _tokens(text: str) -> float:
    digits = sum(map(text.count, string.digits))
    signs = sum(map(text.count, string.punctuation))
    beyond = len(text.encode("utf-8", "replace")) - len(text)
    letters = (len(text) - digits) / CHARACTERS_PER_TOKEN
    return letters + digits + PER_SIGN * signs + PER_BYTE * beyond


@dataclass(frozen=True, slots=True)
class DraftTokens:
    """Tokens of a draft.

    Attributes:
        attached: of pictures and clips, exact.
        text: of the words, estimated.
        is_known: whether the cost of each attachment is known yet.
    """

    attached: int = 0
    text: int = 0
    is_known: bool = True

    @property
    def total(self) -> int:
        """All of it, about."""
        return self.attached + self.text

    @classmethod
    def of(cls, text: str, *, attached: int, is_known: bool, rate: float = 1.0) -> DraftTokens:
        """Of words and what is attached to them.

        Args:
            text: the words.
            attached: tokens of what is attached.
            is_known: whether these are all.
            rate: how many tokens the model's tokenizer makes of one that is estimated.
        """
        return cls(attached, ceil(text_tokens(text) * rate), is_known)
