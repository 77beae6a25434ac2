"""One turn to answer, as it is handed to an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from gemma4_mlx.messages import ImageTokens


@dataclass(frozen=True, slots=True)
class TurnRequest:
    """One turn to answer. None means the checkpoint's own default.

    Attributes:
        messages: the whole conversation in the chat form, media as paths.
        image_tokens: budget of the images that name none.
        thinking: whether the model may think before it answers.
        max_tokens: the most tokens to write.
        temperature, top_p, top_k: sampling.
        seed: makes sampling repeatable.
        state_path: file that keeps what was read of this conversation from one engine process to
            the next. The engine writes it while it is idle, and reads it when it is asked about
            a conversation that it does not hold. None keeps nothing.
    """

    messages: Sequence[Mapping[str, Any]]
    image_tokens: ImageTokens | None = None
    thinking: bool = False
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    state_path: str | None = None

    def options(self) -> dict[str, Any]:
        """What was chosen, as keywords of `gemma4_mlx.Session.answer`."""
        chosen = {each.name: getattr(self, each.name) for each in fields(self)}
        del chosen["messages"], chosen["state_path"]
        return {name: value for name, value in chosen.items() if value is not None}
