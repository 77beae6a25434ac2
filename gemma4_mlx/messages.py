"""A conversation: who says what, in text, pictures, sound and video.

Messages take the chat form of transformers, as plain dictionaries::

    {"role": "user", "content": [
        {"type": "image", "path": "photo.jpg", "image_tokens": 560},
        {"type": "audio", "path": "question.wav"},
        {"type": "video", "path": "trip.mp4"},
        {"type": "text", "text": "What is this?"}]}

`Message.parse` turns them into the values below and refuses everything it does not know, so
that a misspelt key is never silently ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlparse

from gemma4_mlx.errors import MessageError

ROLES: tuple[str, ...] = ("system", "developer", "user", "assistant", "model", "tool")

IMAGE_TOKEN_BUDGETS: tuple[int, ...] = (70, 140, 280, 560, 1120)
"""The numbers of soft tokens an image may cost at most."""

PUBLISHED_IMAGE_TOKENS = 280
"""The one of them that the published checkpoints give an image which names none."""

ImageTokens = int | Literal["auto"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerChoices:
    """What can be chosen for an answer; None means the checkpoint's own default.

    Attributes:
        image_tokens: budget of the pictures that name none.
        thinking: whether the model may think before it answers.
        max_tokens: the most tokens to write.
        temperature, top_p, top_k: sampling.
        seed: makes sampling repeatable.
    """

    image_tokens: ImageTokens | None = None
    thinking: bool = False
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class TextPart:
    """Words."""

    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A picture: a file, or a PIL image already in memory.

    Attributes:
        source: a path, or a `PIL.Image.Image`.
        image_tokens: the most soft tokens it may cost: one of `IMAGE_TOKEN_BUDGETS`, "auto"
            (the smallest budget that does not shrink it) or None (the caller's default).
        name: what receipts and errors call it.
    """

    source: Any
    image_tokens: ImageTokens | None = None
    name: str = "image"


@dataclass(frozen=True, slots=True)
class AudioPart:
    """A clip: a file, or samples already in memory.

    Attributes:
        source: a path, or a float array `[samples]` or `[samples, channels]` in -1..1.
        sampling_rate: of the samples, in Hz; None for a path.
        name: what receipts and errors call it.
        split: whether one that is longer than the model can hear at once may be cut into parts.
        start_s: where it begins in the recording that it is a part of, in seconds.
    """

    source: Any
    sampling_rate: int | None = None
    name: str = "audio"
    split: bool = True
    start_s: float = 0.0


@dataclass(frozen=True, slots=True)
class VideoPart:
    """A video: a file, or frames already in memory.

    Attributes:
        source: a path, or a uint8 array `[frames, rows, columns, 3]`.
        frame_rate: of the array, in Hz; None for a path.
        name: what receipts and errors call it.
        sound: whether the file's sound goes along, where it has some and the model hears.
        times_s: when the frames are taken that the model sees, in seconds from the beginning;
            empty until the processor has looked at it.
    """

    source: Any
    frame_rate: float | None = None
    name: str = "video"
    sound: bool = True
    times_s: tuple[float, ...] = ()


MediaPart = ImagePart | AudioPart | VideoPart
"""What is attached to a message."""

Part = TextPart | MediaPart


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: who speaks.
        parts: what is said, in the speaker's order.
        extras: further fields of the chat form that the template reads (`tool_calls`,
            `tool_responses`, `reasoning`, `name`, `tool_call_id`), as given.
    """

    role: str
    parts: tuple[Part, ...]
    extras: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, raw: Message | Mapping[str, Any]) -> Message:
        """Read one message in the chat form.

        Raises:
            MessageError: an unknown role, part type or key.
        """
        if isinstance(raw, Message):
            return raw
        if not isinstance(raw, Mapping):
            raise MessageError(f"a message must be a dictionary, not {type(raw).__name__}")
        role = raw.get("role")
        if role not in ROLES:
            raise MessageError(f"message role {role!r}: expected one of {', '.join(ROLES)}")
        unknown = set(raw) - {"role", "content"} - _EXTRAS
        if unknown:
            raise MessageError(f"message has unknown fields: {', '.join(sorted(unknown))}")
        extras = {key: raw[key] for key in raw if key in _EXTRAS}
        return cls(role, _parse_content(raw.get("content")), extras)

    @property
    def text(self) -> str:
        """All text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))


_EXTRAS = {"tool_calls", "tool_responses", "reasoning", "reasoning_content", "name", "tool_call_id"}


def parse_messages(raw: Sequence[Message | Mapping[str, Any]]) -> tuple[Message, ...]:
    """Read a whole conversation; errors name the message by its index.

    Raises:
        MessageError: the first message that is not in the chat form, or that there is none.
    """
    if not isinstance(raw, Sequence):  # what can be read only once would be empty the next time
        raise MessageError(f"messages must be a list, not {type(raw).__name__}")
    messages = []
    for index, item in enumerate(raw):
        try:
            messages.append(Message.parse(item))
        except MessageError as error:
            raise MessageError(f"message {index}: {error.message}", error.hint) from None
    if not messages:
        raise MessageError("messages is empty: expected at least one", "say something as the user")
    return tuple(messages)


def _parse_content(content: Any) -> tuple[Part, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (TextPart(_whole(content)),)
    if not isinstance(content, Sequence):
        raise MessageError(f"content must be text or a list of parts, not {type(content).__name__}")
    return tuple(_parse_part(part) for part in content)


def _parse_part(raw: Any) -> Part:
    if isinstance(raw, Part):
        return raw
    if not isinstance(raw, Mapping):
        raise MessageError(f"a content part must be a dictionary, not {type(raw).__name__}")
    parsers = {
        "text": _parse_text,
        "image": _parse_image,
        "audio": _parse_audio,
        "video": _parse_video,
    }
    kind = raw.get("type")
    parser = parsers.get(kind) if isinstance(kind, str) else None
    if parser is None:
        raise MessageError(
            f"content part of type {raw.get('type')!r}: expected one of {', '.join(parsers)}"
        )
    return parser(raw)


def _parse_text(raw: Mapping[str, Any]) -> TextPart:
    _only(raw, {"text"})
    text = raw.get("text")
    if not isinstance(text, str):
        raise MessageError(f"text part: 'text' must be a string, not {type(text).__name__}")
    return TextPart(_whole(text))


def _whole(text: str) -> str:
    """Text without halves of characters, which Python makes of bytes that are no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise MessageError(
            f"a text has half a character, {text[error.start]!r} at place {error.start}",
            "give it in UTF-8",
        ) from None
    return text


def _parse_image(raw: Mapping[str, Any]) -> ImagePart:
    _only(raw, {"path", "url", "image", "image_tokens", "name"})
    source = _one_source(raw, ("image", "path", "url"))
    budget = raw.get("image_tokens")
    if budget is not None and budget != "auto" and budget not in IMAGE_TOKEN_BUDGETS:
        choices = ", ".join(map(str, IMAGE_TOKEN_BUDGETS))
        raise MessageError(f"image_tokens {budget!r}: expected {choices} or 'auto'")
    return ImagePart(source, budget, raw.get("name") or _name_of(source, "image"))


def _parse_audio(raw: Mapping[str, Any]) -> AudioPart:
    _only(raw, {"path", "url", "audio", "sampling_rate", "name", "split"})
    source = _one_source(raw, ("audio", "path", "url"))
    given = raw.get("sampling_rate")
    rate = int(given) if isinstance(given, Integral) else 0
    in_memory = not isinstance(source, Path)
    if in_memory and rate <= 0:
        raise MessageError(
            "audio samples need 'sampling_rate' in Hz, a whole number above 0",
            'write {"type": "audio", "audio": samples, "sampling_rate": 16000}',
        )
    name = raw.get("name") or _name_of(source, "audio")
    return AudioPart(source, rate if in_memory else None, name, _switch(raw, "split"))


def _parse_video(raw: Mapping[str, Any]) -> VideoPart:
    _only(raw, {"path", "url", "video", "frame_rate", "name", "sound"})
    source = _one_source(raw, ("video", "path", "url"))
    given = raw.get("frame_rate")
    rate = float(given) if isinstance(given, Real) else 0.0
    in_memory = not isinstance(source, Path)
    if in_memory and not 0 < rate < float("inf"):
        raise MessageError(
            "frames of a video need 'frame_rate' in Hz, a number above 0",
            'write {"type": "video", "video": frames, "frame_rate": 30}',
        )
    name = raw.get("name") or _name_of(source, "video")
    return VideoPart(source, rate if in_memory else None, name, _switch(raw, "sound"))


def _switch(raw: Mapping[str, Any], key: str) -> bool:
    """Something that is on unless it is turned off."""
    value = raw.get(key, True)
    if not isinstance(value, bool):
        raise MessageError(f"{raw['type']} part: {key!r} must be true or false, not {value!r}")
    return value


def _one_source(raw: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    given = [key for key in keys if raw.get(key) is not None]
    if len(given) != 1:
        found = ", ".join(given) or "none"
        raise MessageError(
            f"{raw['type']} part needs exactly one of {', '.join(keys)}; found {found}"
        )
    source = raw[given[0]]
    if given[0] in ("path", "url") and not isinstance(source, str | Path):
        raise MessageError(
            f"{raw['type']} part: '{given[0]}' must be text, not {type(source).__name__}"
        )
    if given[0] == "url":
        return _path_of_url(str(source))
    return Path(source) if isinstance(source, str | Path) else source


def _path_of_url(url: str) -> Path:
    parsed = urlparse(url)
    if parsed.scheme not in ("", "file"):
        raise MessageError(
            f"{url}: only local files can be attached", "download it and give its path"
        )
    return Path(unquote(parsed.path))


def _only(raw: Mapping[str, Any], known: set[str]) -> None:
    unknown = set(raw) - known - {"type"}
    if unknown:
        raise MessageError(f"{raw['type']} part has unknown fields: {', '.join(sorted(unknown))}")


def _name_of(source: Any, default: str) -> str:
    return source.name if isinstance(source, Path) else default
