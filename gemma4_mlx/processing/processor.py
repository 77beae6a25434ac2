"""Messages and files in, `ModelInputs` out.

Reference: transformers `models/gemma4/processing_gemma4.py` (`Gemma4Processor`).
Differs: one prompt at a time; a budget per picture; every attachment gets a receipt or an
error, never silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gemma4_mlx.chat_template import Conversation, Tools
from gemma4_mlx.config import ModelConfig
from gemma4_mlx.errors import TokenizerError, UsageError
from gemma4_mlx.events import MediaReceipt
from gemma4_mlx.inputs import ModelInputs
from gemma4_mlx.messages import (
    IMAGE_TOKEN_BUDGETS,
    ImageTokens,
    MediaPart,
    VideoPart,
    parse_messages,
)
from gemma4_mlx.processing.placeholders import expand_placeholders, kind_of, slots_of, token_types
from gemma4_mlx.processing.settings import (
    AudioSettings,
    ImageSettings,
    VideoSettings,
    audio_settings,
    image_settings,
    video_settings,
)
from gemma4_mlx.tokenizer import Tokenizer

if TYPE_CHECKING:
    from gemma4_mlx.processing.senses import Senses


@dataclass(frozen=True)
class Processor:
    """Prepares a conversation for one checkpoint.

    Attributes:
        tokenizer: the checkpoint's.
        images: how it wants pictures; None if it does not see.
        audio: how it wants clips; None if it does not hear.
        videos: how it wants videos; None if it does not see.
    """

    tokenizer: Tokenizer
    images: ImageSettings | None
    audio: AudioSettings | None
    videos: VideoSettings | None = None

    @classmethod
    def from_folder(cls, folder: str | Path) -> Processor:
        """Read a checkpoint's tokenizer, template, config.json and processor_config.json.

        Raises:
            ModelNotFoundError: no such folder.
            ConfigError, TokenizerError: a file is missing or broken; nothing is guessed, so a
                model that sees or hears never turns into one that does not.
        """
        folder = Path(folder)
        config = ModelConfig.from_folder(folder)
        tokenizer = Tokenizer.from_folder(folder)
        _check_media_ids(tokenizer, config, folder)
        sees, hears = config.vision_config is not None, config.audio_config is not None
        return cls(
            tokenizer=tokenizer,
            images=image_settings(folder, config) if sees else None,
            audio=audio_settings(folder, config) if hears else None,
            videos=video_settings(folder, config) if sees else None,
        )

    @property
    def sees(self) -> bool:
        """Whether the model takes pictures."""
        return self.images is not None

    @property
    def hears(self) -> bool:
        """Whether the model takes clips."""
        return self.audio is not None

    @property
    def image_tokens(self) -> int:
        """The checkpoint's own budget for a picture; 0 if it does not see."""
        return self.images.max_soft_tokens if self.images else 0

    def __call__(
        self,
        messages: Conversation,
        image_tokens: ImageTokens | None = None,
        thinking: bool = False,
        tools: Tools | None = None,
    ) -> ModelInputs:
        """Prepare a whole conversation for the model's next turn.

        Args:
            messages: in the chat form.
            image_tokens: budget of pictures that name none themselves: 70, 140, 280, 560,
                1120, "auto", or None for the checkpoint's own.
            thinking: ask the model to think first.
            tools: function declarations in JSON schema form.

        Raises:
            MessageError: a message that is not in the chat form.
            AttachmentError: a picture, clip or video that cannot be used, or that this model
                cannot take.
            TokenizerError: no chat template, or one that refuses the conversation.
            UsageError: `image_tokens` is not a budget.
        """
        _check_budget(image_tokens)
        messages, attachments = self._spelled_out(messages)
        arrays, receipts = self._prepare(attachments, image_tokens)
        ids = self.tokenizer.encode_chat(messages, thinking=thinking, tools=tools)
        slots = [
            slot
            for receipt in receipts
            for slot in slots_of(receipt.kind, receipt.name, receipt.tokens, receipt.frames)
        ]
        ids = expand_placeholders(ids, slots, self.tokenizer.control)
        return ModelInputs(
            input_ids=np.asarray([ids], np.int32),
            mm_token_type_ids=token_types(ids, self.tokenizer.control)[None],
            media=receipts,
            **arrays,
        )

    def count(
        self,
        messages: Conversation,
        image_tokens: ImageTokens | None = None,
        thinking: bool = False,
        tools: Tools | None = None,
    ) -> int:
        """How many positions the prompt will take; attachments are not decoded.

        Raises:
            As `__call__`, except for damage that only decoding shows.
        """
        _check_budget(image_tokens)
        messages, attachments = self._spelled_out(messages)
        ids = self.tokenizer.encode_chat(messages, thinking=thinking, tools=tools)
        slots = [
            slot
            for part in attachments
            for slot in slots_of(
                kind_of(part),
                part.name,
                self.cost(part, image_tokens),
                len(part.times_s) if isinstance(part, VideoPart) else 0,
            )
        ]
        return len(expand_placeholders(ids, slots, self.tokenizer.control))

    def cost(self, part: MediaPart, image_tokens: ImageTokens | None = None) -> int:
        """Soft tokens that one attachment will take.

        All parts of a long recording together; all frames of a video, without its sound.

        Raises:
            AttachmentError: it cannot be read, or this model cannot take it.
        """
        return self._senses().cost(part, image_tokens)

    def _spelled_out(self, messages: Conversation) -> tuple[Conversation, list[MediaPart]]:
        """The conversation as the model gets it, and what is attached to it then."""
        attachments = _attachments(messages)
        if attachments:
            messages = self._senses().spelled_out(messages)
            attachments = _attachments(messages)
        return messages, attachments

    def _prepare(
        self, attachments: Sequence[MediaPart], image_tokens: ImageTokens | None
    ) -> tuple[Mapping[str, np.ndarray], tuple[MediaReceipt, ...]]:
        if not attachments:
            return {}, ()
        return self._senses().prepare(attachments, image_tokens)

    def _senses(self) -> Senses:
        # Not at the top: see the module.
        from gemma4_mlx.processing.senses import Senses

        return Senses(self.images, self.audio, self.videos)


def _check_media_ids(tokenizer: Tokenizer, config: ModelConfig, folder: Path) -> None:
    """The model looks for soft tokens under the ids that the tokenizer gives them."""
    for name in ("image_token_id", "audio_token_id", "video_token_id"):
        ours, theirs = getattr(tokenizer.control, name), getattr(config, name)
        if ours is not None and ours != theirs:
            raise TokenizerError(
                f"{folder}: config.json says {name} {theirs}, tokenizer.json says {ours}",
                "config.json and tokenizer.json are of different checkpoints",
            )


def _check_budget(image_tokens: ImageTokens | None) -> None:
    if image_tokens not in (None, "auto", *IMAGE_TOKEN_BUDGETS):
        choices = ", ".join(map(str, IMAGE_TOKEN_BUDGETS))
        raise UsageError(f"image_tokens {image_tokens!r}: expected {choices} or 'auto'")


def _attachments(messages: Conversation) -> list[MediaPart]:
    """All pictures, clips and videos, in the order of the conversation."""
    parts = (part for message in parse_messages(messages) for part in message.parts)
    return [part for part in parts if isinstance(part, MediaPart)]
