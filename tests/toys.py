"""Small stand-ins: a tokenizer of bytes and control tokens, and a model that follows a script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gemma4_mlx.stream_decoder import StreamDecoder
from gemma4_mlx.tokenizer import PUBLISHED_NAMES, ControlIds

FIRST_BYTE = 64


class ToyTokenizer:
    """One token per control string and one per byte, behind the tokenizer's public names."""

    def __init__(self) -> None:
        self.ids = {name: index for index, name in enumerate(PUBLISHED_NAMES.values())}
        self.control = ControlIds(
            **{f"{key}_id": self.ids[name] for key, name in PUBLISHED_NAMES.items()}
        )
        self.control_ids = frozenset(self.ids.values())

    def stream_decoder(self) -> StreamDecoder:
        return StreamDecoder(self._bytes_of)

    def spell(self, *pieces: str) -> list[int]:
        """Ids of `pieces`; one that is exactly a control string is that token."""
        return [
            token
            for piece in pieces
            for token in (
                [self.ids[piece]]
                if piece in self.ids
                else [FIRST_BYTE + byte for byte in piece.encode()]
            )
        ]

    def _bytes_of(self, token: int) -> bytes:
        return b"" if token in self.control_ids else bytes([token - FIRST_BYTE])


def joined(events: Iterable, kind: type) -> str:
    """The text of all events of one kind."""
    return "".join(event.text for event in events if isinstance(event, kind))


def all_cuts(tokens: Sequence[int]) -> Iterable[Sequence[int]]:
    """Every beginning of `tokens`, the empty one and all of it included."""
    return (tokens[:end] for end in range(len(tokens) + 1))
