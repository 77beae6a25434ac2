"""The checkpoint's tokenizer: conversations to ids, ids to text.

Reference: transformers `models/gemma/tokenization_gemma.py`, `processing_utils.py`
(`apply_chat_template`).
Differs: what people write can never become a control token, however it is spelled; ids of
ordinary text are the same as the reference's. Ids are looked up by name, so checkpoints with
another vocabulary work.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as Backend
from tokenizers.decoders import ByteLevel

from gemma4_mlx.chat_template import ChatTemplate, Conversation, RenderOptions, Tools
from gemma4_mlx.disguise import ControlStrings
from gemma4_mlx.errors import TokenizerError
from gemma4_mlx.json_file import read_json_object
from gemma4_mlx.stream_decoder import StreamDecoder

PUBLISHED_NAMES: Mapping[str, str] = {
    "pad_token": "<pad>",
    "eos_token": "<eos>",
    "bos_token": "<bos>",
    "unk_token": "<unk>",
    "std_token": "<|tool>",
    "etd_token": "<tool|>",
    "stc_token": "<|tool_call>",
    "etc_token": "<tool_call|>",
    "str_token": "<|tool_response>",
    "etr_token": "<tool_response|>",
    "escape_token": '<|"|>',
    "think_token": "<|think|>",
    "soc_token": "<|channel>",
    "eoc_token": "<channel|>",
    "sot_token": "<|turn>",
    "eot_token": "<turn|>",
    "boi_token": "<|image>",
    "image_token": "<|image|>",
    "eoi_token": "<image|>",
    "boa_token": "<|audio>",
    "audio_token": "<|audio|>",
    "eoa_token": "<audio|>",
    "video_token": "<|video|>",
}
"""What tokenizer_config.json calls the control tokens, and how they are written."""


@dataclass(frozen=True, slots=True)
class ControlIds:
    """Ids of the control tokens, by Hugging Face's names.

    `so*` and `st*` open, `e*` closes: t a turn, c a channel (thoughts), tc a tool call, tr a
    tool's response, td a tool's declaration; `bo*` and `eo*` frame an image or a clip, whose
    soft tokens stand at `image_token_id` or `audio_token_id`. Also those that nothing asks for by
    name are among them: `Tokenizer.control_ids` needs all, because no text may become one.
    """

    pad_token_id: int
    eos_token_id: int
    bos_token_id: int
    unk_token_id: int
    std_token_id: int
    etd_token_id: int
    stc_token_id: int
    etc_token_id: int
    str_token_id: int
    etr_token_id: int
    escape_token_id: int
    think_token_id: int
    soc_token_id: int
    eoc_token_id: int
    sot_token_id: int
    eot_token_id: int
    boi_token_id: int
    image_token_id: int
    eoi_token_id: int
    boa_token_id: int
    audio_token_id: int
    eoa_token_id: int
    video_token_id: int | None = None


class Tokenizer:
    """Text to ids and back, with the checkpoint's chat template.

    Attributes:
        control: ids of the control tokens by name.
        control_ids: ids of all control tokens, named or not.
        template: the chat template; None in base checkpoints.
        folder: where it was read from.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        names: Mapping[str, str],
        template: ChatTemplate | None,
        folder: Path,
    ) -> None:
        """Put together what `from_folder` has read; `names` are as in `PUBLISHED_NAMES`."""
        self.folder = folder
        self.template = template
        self._backend = backend
        self.control = _look_up(backend, names, folder)
        added = backend.get_added_tokens_decoder()
        special = {token_id for token_id, token in added.items() if token.special}
        named = {getattr(self.control, field.name) for field in fields(self.control)} - {None}
        self.control_ids: frozenset[int] = frozenset(special | named)
        self._control_strings = ControlStrings(
            backend.id_to_token(i) or "" for i in self.control_ids
        )
        self._byte_values = _byte_values(backend)

    @classmethod
    def from_folder(cls, folder: str | Path) -> Tokenizer:
        """Read tokenizer.json, tokenizer_config.json and the chat template of a checkpoint.

        Raises:
            TokenizerError: a file is missing or broken, or a control token is missing.
        """
        folder = Path(folder)
        config_path = folder / "tokenizer_config.json"
        config = read_json_object(config_path, TokenizerError) if config_path.is_file() else {}
        names = {key: _content(config.get(key), name) for key, name in PUBLISHED_NAMES.items()}
        template = ChatTemplate.from_folder(folder, config, names)
        return cls(
            _read_backend(folder / "tokenizer.json"), names=names, template=template, folder=folder
        )

    @property
    def vocab_size(self) -> int:
        """Number of tokens, control tokens included."""
        return self._backend.get_vocab_size(with_added_tokens=True)

    def token_to_id(self, token: str) -> int | None:
        """The id of a token by its exact name, or None."""
        return self._backend.token_to_id(token)

    def render(
        self,
        messages: Conversation,
        *,
        add_generation_prompt: bool = True,
        thinking: bool = False,
        preserve_thinking: bool = False,
        tools: Tools | None = None,
    ) -> str:
        """The prompt's text, as the checkpoint's chat template writes it.

        It is for people to read: use `encode_chat` for ids.

        Raises:
            MessageError: a message that is not in the chat form.
            TokenizerError: no template, or one that refuses this conversation.
        """
        options = RenderOptions(add_generation_prompt, thinking, preserve_thinking, tools)
        return self._template().render(messages, options)

    def encode_chat(
        self,
        messages: Conversation,
        *,
        add_generation_prompt: bool = True,
        thinking: bool = False,
        preserve_thinking: bool = False,
        tools: Tools | None = None,
    ) -> list[int]:
        """The prompt's ids: one bos, and control tokens only where the template writes them.

        Images and clips are one `image_token_id` or `audio_token_id` each; so are videos, by
        `video_token_id`, or their frames, once the processor knows when those are shown.

        Raises:
            MessageError: a message that is not in the chat form.
            TokenizerError: no template, or one that refuses this conversation.
        """
        options = RenderOptions(add_generation_prompt, thinking, preserve_thinking, tools)
        pieces = self._template().render_pieces(messages, options, self._control_strings)
        return self._with_one_bos(self._encode_pieces(pieces))

    def encode(self, text: str) -> list[int]:
        """Ids of ordinary text; control strings in it are spelled out, no bos is added."""
        return self._encode_pieces(self._control_strings.cut(text))

    def decode(self, ids: Iterable[int], *, skip_control: bool = True) -> str:
        """The text of `ids`; bytes that form no character become U+FFFD."""
        decoder = self.stream_decoder(skip_control=skip_control)
        return "".join([decoder.feed(token_id) for token_id in ids]) + decoder.flush()

    def stream_decoder(self, *, skip_control: bool = True) -> StreamDecoder:
        """A decoder for ids that come one by one."""
        hidden = self.control_ids if skip_control else frozenset()
        return StreamDecoder(
            lambda token_id: b"" if token_id in hidden else self._bytes_of(token_id)
        )

    def _template(self) -> ChatTemplate:
        if self.template is None:
            raise TokenizerError(
                f"{self.folder} has no chat template: no chat_template.jinja, and none in "
                "tokenizer_config.json",
                "chat with an instruction-tuned checkpoint: its name ends in -it",
            )
        return self.template

    def _encode_pieces(self, pieces: Iterable[str]) -> list[int]:
        encode = self._backend.encode
        return [i for piece in pieces for i in encode(piece, add_special_tokens=False).ids]

    def _with_one_bos(self, ids: list[int]) -> list[int]:
        bos = self.control.bos_token_id
        if ids.count(bos) > 1:
            raise TokenizerError(
                f"{self._template().origin} writes {ids.count(bos)} bos tokens, expected one"
            )
        return ids if bos in ids[:1] else [bos, *ids]

    def _bytes_of(self, token_id: int) -> bytes:
        value = self._byte_values.get(token_id)
        if value is not None:
            return bytes([value])
        return self._backend.decode([token_id], skip_special_tokens=False).encode()


def _read_backend(path: Path) -> Backend:
    if not path.is_file():
        raise TokenizerError(
            f"{path} does not exist", "a checkpoint needs tokenizer.json; download it again"
        )
    try:
        backend = Backend.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise TokenizerError(f"{path} cannot be read: {error}", "download it again") from None
    if isinstance(backend.decoder, ByteLevel):
        raise TokenizerError(f"{path} is a byte-level tokenizer, not one of Gemma 4's kind")
    backend.no_truncation()
    backend.no_padding()
    return backend


def _content(value: Any, default: str) -> str:
    """A token's text from tokenizer_config.json, where it is text or an object with `content`."""
    if isinstance(value, Mapping):
        value = value.get("content")
    return value if isinstance(value, str) else default


def _look_up(backend: Backend, names: Mapping[str, str], folder: Path) -> ControlIds:
    ids = {f"{key}_id": backend.token_to_id(name) for key, name in names.items()}
    optional = {"video_token_id"}
    missing = [names[key[:-3]] for key, i in ids.items() if i is None and key not in optional]
    if missing:
        raise TokenizerError(
            f"{folder / 'tokenizer.json'} lacks the control tokens {', '.join(missing)}",
            "the tokenizer is not Gemma 4's; download the checkpoint again",
        )
    return ControlIds(**ids)  # type: ignore[arg-type]


def _byte_values(backend: Backend) -> dict[int, int]:
    """Ids of the tokens that stand for one byte each, `<0x00>` to `<0xFF>`."""
    ids = {backend.token_to_id(f"<0x{value:02X}>"): value for value in range(256)}
    return {token_id: value for token_id, value in ids.items() if token_id is not None}
