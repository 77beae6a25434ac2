"""What the chat was started with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gemma4_mlx.messages import ImageTokens


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """The options of `gemma4 chat`; None means the checkpoint's own default.

    Attributes:
        model: "pocket", a folder or a hub id.
        attachments: files that are in the composer at the start.
        system: the system prompt.
        image_tokens: budget of newly attached pictures.
        thinking: whether the model may think at the start.
        max_tokens, temperature, top_p, top_k, seed: as in `TurnRequest`.
    """

    model: str = "pocket"
    attachments: tuple[Path, ...] = ()
    system: str = ""
    image_tokens: ImageTokens | None = None
    thinking: bool = False
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
