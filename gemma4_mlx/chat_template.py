"""The checkpoint's own chat template: a conversation in, the prompt's text out.

Reference: transformers `utils/chat_template_utils.py`.
Differs: the template sees the caller's text in disguise when the result is to be encoded, so
that nobody can write control tokens by typing them (see `disguise`). Videos are spelled out as
frames before the text is encoded, as the reference does, for their time stamps are part of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from gemma4_mlx.disguise import ControlStrings, Disguise, map_strings
from gemma4_mlx.errors import TokenizerError
from gemma4_mlx.json_file import read_json_object
from gemma4_mlx.messages import (
    AudioPart,
    ImagePart,
    Message,
    Part,
    TextPart,
    VideoPart,
    parse_messages,
)
from gemma4_mlx.template_code import compile_template

Conversation = Sequence[Message | Mapping[str, Any]]
Tools = Sequence[Mapping[str, Any]]

_FRAME_TOKENS = ("boi", "video", "eoi")
_CHANNEL_MARKERS = ("<|channel>", "<channel|>")
_SPEAKS_AS_MODEL = ("assistant", "model")


@dataclass(frozen=True, slots=True)
class RenderOptions:
    """What a template can be asked for.

    Attributes:
        add_generation_prompt: end with the opening of the model's turn.
        thinking: ask the model to think first (`enable_thinking` in the template).
        preserve_thinking: keep the thoughts of earlier tool-calling turns.
        tools: function declarations in JSON schema form.
    """

    add_generation_prompt: bool = True
    thinking: bool = False
    preserve_thinking: bool = False
    tools: Tools | None = None


class ChatTemplate:
    """A compiled chat template.

    Attributes:
        source: the Jinja text.
        origin: the file it was read from.
    """

    def __init__(self, source: str, special_tokens: Mapping[str, str], *, origin: str) -> None:
        """Compile `source`; `special_tokens` are its `bos_token` and so on.

        Raises:
            TokenizerError: `source` is not a Jinja template; the message names `origin`.
        """
        self.source = source
        self.origin = origin
        self._special_tokens = dict(special_tokens)
        try:
            self._template = compile_template(source)
        except TemplateError as error:
            raise TokenizerError(
                f"{origin} is not a valid Jinja template: {error}", "download it again"
            ) from None

    @classmethod
    def from_folder(
        cls, folder: Path, tokenizer_config: Mapping[str, Any], special_tokens: Mapping[str, str]
    ) -> ChatTemplate | None:
        """The template of a checkpoint, or None if it has none, as base checkpoints do.

        Looked for in chat_template.jinja, then in chat_template.json, then in
        tokenizer_config.json.

        Raises:
            TokenizerError: there is one, but it cannot be read.
        """
        found = _find_source(folder, tokenizer_config)
        if found is None:
            return None
        source, origin = found
        return cls(source, special_tokens, origin=origin)

    def render(self, messages: Conversation, options: RenderOptions) -> str:
        """The prompt as the reference would render it.

        Raises:
            MessageError: a message that is not in the chat form.
            TokenizerError: the template refuses the conversation or fails on it.
        """
        return self._render(_chat_form(messages), options.tools, options)

    def render_pieces(
        self, messages: Conversation, options: RenderOptions, control: ControlStrings
    ) -> list[str]:
        """The same prompt, cut inside every control string the template did not write.

        Encoding the pieces one after the other gives control tokens only where the template
        wants them. Without control strings in the conversation there is one piece.

        Raises:
            MessageError, TokenizerError: as `render`.
        """
        chat = _chat_form(messages)
        disguise = Disguise(control, [chat, options.tools or []])
        chat = [_disguise_message(message, disguise) for message in chat]
        tools = map_strings(options.tools, disguise.on)
        rendered = self._render(chat, tools, options)
        return disguise.off(self._with_frames(rendered, _frame_times(messages)))

    def _with_frames(self, rendered: str, times_s: Sequence[Sequence[float]]) -> str:
        """The placeholder of each video as that of each of its frames, with the time before it."""
        begin, token, end = (self._special_tokens[f"{name}_token"] for name in _FRAME_TOKENS)
        pieces = rendered.split(token)
        if not times_s or len(pieces) != len(times_s) + 1:
            return rendered  # whoever makes room for soft tokens tells what is wrong
        videos = [
            " ".join(f"{time_stamp(time)} {begin}{token}{end}" for time in times)
            for times in times_s
        ]
        return "".join(chain(*zip(pieces, [*videos, ""], strict=True)))

    def _render(
        self, chat: list[dict[str, Any]], tools: Tools | None, options: RenderOptions
    ) -> str:
        try:
            return self._template.render(
                messages=chat,
                tools=list(tools) if tools else None,
                add_generation_prompt=options.add_generation_prompt,
                enable_thinking=options.thinking,
                preserve_thinking=options.preserve_thinking,
                **self._special_tokens,
            )
        except Exception as error:  # a template is a program: it can fail in any way
            raise TokenizerError(
                f"{self.origin} cannot render this conversation: {error}",
                "check the order of the roles and the form of tool calls",
            ) from error


def _find_source(folder: Path, tokenizer_config: Mapping[str, Any]) -> tuple[str, str] | None:
    path = folder / "chat_template.jinja"
    if path.is_file():
        try:
            return path.read_text(encoding="utf-8"), str(path)
        except (OSError, UnicodeDecodeError) as error:
            raise TokenizerError(f"{path} cannot be read: {error}", "download it again") from None
    path = folder / "chat_template.json"
    if path.is_file():
        return _named_template(
            read_json_object(path, TokenizerError).get("chat_template"), path
        ), str(path)
    if tokenizer_config.get("chat_template") is not None:
        path = folder / "tokenizer_config.json"
        return _named_template(tokenizer_config["chat_template"], path), str(path)
    return None


def _named_template(value: Any, path: Path) -> str:
    """A template given as text, or the one named "default" of a list of templates."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        for entry in value:
            if isinstance(entry, Mapping) and entry.get("name") == "default":
                return _named_template(entry.get("template"), path)
    raise TokenizerError(f"{path}: chat_template must be text, not {type(value).__name__}")


def _chat_form(messages: Conversation) -> list[dict[str, Any]]:
    """The conversation as templates read it: plain dictionaries, media without their data."""
    parsed = parse_messages([_with_bare_media(raw) for raw in messages])
    return [_message_form(raw, message) for raw, message in zip(messages, parsed, strict=True)]


def _with_bare_media(raw: Message | Mapping[str, Any]) -> Message | Mapping[str, Any]:
    """The message with `{"type": "image"}` made whole: a template needs no file behind it."""
    if not isinstance(raw, Mapping) or not isinstance(raw.get("content"), list):
        return raw
    bare = {"image": ImagePart(None), "audio": AudioPart(None), "video": VideoPart(None)}
    content = [
        bare.get(part["type"], part)
        if isinstance(part, Mapping) and set(part) == {"type"}
        else part
        for part in raw["content"]
    ]
    return {**raw, "content": content}


def _message_form(raw: Message | Mapping[str, Any], message: Message) -> dict[str, Any]:
    """One message. Templates tell a text from a list with one text, so that difference stays."""
    content: Any = [_part_form(part) for part in message.parts]
    if isinstance(raw, Mapping):
        given = raw.get("content")
        if given is None or isinstance(given, str):
            content = given
    elif all(isinstance(part, TextPart) for part in message.parts) and len(message.parts) < 2:
        content = message.text
    return {"role": message.role, "content": content, **message.extras}


def _part_form(part: Part) -> dict[str, str]:
    match part:
        case TextPart(text=text):
            return {"type": "text", "text": text}
        case ImagePart():
            return {"type": "image"}
        case AudioPart():
            return {"type": "audio"}
        case VideoPart():
            return {"type": "video"}


def time_stamp(seconds: float) -> str:
    """Minutes and seconds as they stand before a frame, such as 01:05."""
    return f"{int(seconds // 60):02d}:{int(seconds % 60):02d}"


def _frame_times(messages: Conversation) -> list[tuple[float, ...]]:
    """When the frames of each video are shown that the processor has looked at."""
    parts = (part for one in messages if isinstance(one, Message) for part in one.parts)
    return [part.times_s for part in parts if isinstance(part, VideoPart)]


def _disguise_message(message: Mapping[str, Any], disguise: Disguise) -> dict[str, Any]:
    """The message disguised, but with the thoughts that templates cut out of old answers."""
    keep = _CHANNEL_MARKERS if message["role"] in _SPEAKS_AS_MODEL else ()
    hidden = {
        key: map_strings(value, disguise.on)
        for key, value in message.items()
        if key not in ("role", "content")
    }
    content = map_strings(message["content"], lambda text: disguise.on(text, keep=keep))
    return {"role": message["role"], "content": content, **hidden}
