"""What generation tells its listener, as plain values.

Loading a model is `LoadProgress`* and one `ModelReady`. A turn is a stream in this order:
`MediaReceipt`*, `PromptProgress`*, then `ThoughtDelta`, `TextDelta` and `ToolCall` in any mix,
and one `Finished` or `Failed` at the end. `EngineSilent` may come while something is waited for.
`EngineLost` may come at any time and is the last until the engine is started again. They hold
numbers and text only, never an array, so that they can cross a process border as JSON lines
(`to_json`, `from_json`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

FinishReason = Literal["stop", "length", "tool_call", "cancelled", "loop"]


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """Reading weights: bytes so far and in all."""

    done_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class ModelReady:
    """The model is loaded and can be asked.

    Attributes:
        name: what to call it.
        sees, hears: whether it takes pictures, clips.
        image_tokens: the checkpoint's own budget for a picture.
        context_length: positions it can hold.
        weights_bytes: of the loaded weights.
        is_demo: whether it is the bundled demonstration model.
        memory_bytes: that MLX holds once it is loaded.
        limit_bytes: that all of it may take on this machine; 0 if there is no plan.
        temperature, top_p, top_k: the checkpoint's own; temperature 0 takes the likeliest token,
            top_p 1 and top_k 0 leave nothing out.
    """

    name: str
    sees: bool
    hears: bool
    image_tokens: int
    context_length: int
    weights_bytes: int = 0
    is_demo: bool = False
    memory_bytes: int = 0
    limit_bytes: int = 0
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0


@dataclass(frozen=True, slots=True)
class MediaReceipt:
    """One attachment as the model got it.

    Attributes:
        kind: "image", "audio" or "video". The sound of a video has a receipt of its own.
        name: the file's name.
        tokens: slots in the prompt.
        rows: soft tokens the encoder makes of it. The processor computes both; the model refuses
            the prompt (`PlaceholderMismatchError`) if the encoder makes another number.
        width, height: of the picture as attached, in pixels (0 for audio).
        seen_width, seen_height: of the picture as the model saw it (0 for audio).
        image_tokens: the budget it was given, or each frame of it (0 for audio).
        seconds: of the clip or video (0 for pictures).
        start_s: where it begins in the recording that it is a part of, in seconds.
        frames: of the video, those that the model saw: one every `seconds / frames` (else 0).
        left_out: what of the file the model was not given: its "sound", because it has no tower
            for it; the "frames 2 to 9" of a moving picture, or pages; or nothing.
        sha256: of the pixels or samples as attached (of a video: of the frames as seen), so that
            no two media are confused.
        cached: whether it had been encoded before, so that the encoder need not run again.
    """

    kind: Literal["image", "audio", "video"]
    name: str
    tokens: int
    rows: int
    width: int = 0
    height: int = 0
    seen_width: int = 0
    seen_height: int = 0
    image_tokens: int = 0
    seconds: float = 0.0
    start_s: float = 0.0
    frames: int = 0
    left_out: str = ""
    sha256: str = ""
    cached: bool = False

    @property
    def factor(self) -> float:
        """By which the sides of the picture were scaled, below 1 if it was shrunk; 1 for audio."""
        seen, given = self.seen_width * self.seen_height, self.width * self.height
        return math.sqrt(seen / given) if seen and given else 1.0


@dataclass(frozen=True, slots=True)
class PromptProgress:
    """Reading the prompt: first what is attached, then its positions.

    Attributes:
        done, total: positions that are read, and all of them.
        encoded, to_encode: pictures, clips and frames of videos that are encoded, and all that
            have to be, since they were not before.
    """

    done: int
    total: int
    encoded: int = 0
    to_encode: int = 0

    @property
    def is_encoding(self) -> bool:
        """Whether something that is attached is still to be encoded."""
        return self.encoded < self.to_encode


@dataclass(frozen=True, slots=True)
class ThoughtDelta:
    """More of the model's thoughts."""

    text: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a tool to be run.

    Attributes:
        name: of the tool.
        arguments: JSON values.
        error: why the call could not be read; empty if it could. Such a call must not be run.
    """

    name: str
    arguments: Mapping[str, Any]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one turn.

    Attributes:
        prompt_tokens: of the whole conversation.
        reused_tokens: those of them that came from a cache.
        completion_tokens: that were written, the one that ended the turn among them.
        thought_tokens: those of them that were thoughts, with their markers.
    """

    prompt_tokens: int = 0
    reused_tokens: int = 0
    completion_tokens: int = 0
    thought_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Timings:
    """How long one turn took. Prefill counts only tokens that were really read."""

    load_s: float = 0.0
    first_token_s: float = 0.0
    prefill_tokens_per_s: float = 0.0
    decode_tokens_per_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Finished:
    """The turn has ended well."""

    reason: FinishReason
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)
    peak_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """The turn has ended with an error: `kind` is the error's class name."""

    kind: str
    message: str
    hint: str = ""
    exit_code: int = 1


@dataclass(frozen=True, slots=True)
class EngineLost:
    """The process that held the model is gone; every turn that was open has failed before.

    Attributes:
        message: what happened, as far as it can be known.
        hint: what to do about it.
        log_path: what the process wrote last; empty if there is no such file.
    """

    message: str
    hint: str = ""
    log_path: str = ""


@dataclass(frozen=True, slots=True)
class EngineSilent:
    """The process that holds the model does not answer: it was suspended, or hangs.

    It is told every few seconds. Stopping the turn, and a restart, end such a process.

    Attributes:
        seconds: since it was asked whether it is there; 0 once it has answered.
    """

    seconds: float


Event = (
    LoadProgress
    | ModelReady
    | MediaReceipt
    | PromptProgress
    | ThoughtDelta
    | TextDelta
    | ToolCall
    | Finished
    | Failed
    | EngineLost
    | EngineSilent
)

_TYPES: dict[str, Any] = {
    cls.__name__: cls
    for cls in (
        LoadProgress,
        ModelReady,
        MediaReceipt,
        PromptProgress,
        ThoughtDelta,
        TextDelta,
        ToolCall,
        Finished,
        Failed,
        EngineLost,
        EngineSilent,
    )
}

EVENT_NAMES: tuple[str, ...] = tuple(_TYPES)


def to_json(event: Event) -> dict[str, Any]:
    """The event as JSON values, with its class name under "event"."""
    return {"event": type(event).__name__, **asdict(event)}


def from_json(raw: Mapping[str, Any]) -> Event:
    """The inverse of `to_json`.

    Raises:
        ValueError: an unknown event.
    """
    fields = dict(raw)
    cls = _TYPES.get(fields.pop("event", ""))
    if cls is None:
        raise ValueError(f"unknown event {raw.get('event')!r}")
    if cls is Finished:
        fields["usage"] = Usage(**fields["usage"])
        fields["timings"] = Timings(**fields["timings"])
    return cls(**fields)
