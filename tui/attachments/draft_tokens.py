"""What a draft will cost."""

from __future__ import annotations

from dataclasses import dataclass

CHARACTERS_PER_TOKEN = 4
"""About what English takes; only the model's own tokenizer knows better."""


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
    def of(cls, text: str, *, attached: int, is_known: bool) -> DraftTokens:
        """Of words and what is attached to them."""
        return cls(attached, -(-len(text.strip()) // CHARACTERS_PER_TOKEN), is_known)
