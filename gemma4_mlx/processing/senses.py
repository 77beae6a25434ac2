"""Pictures, clips and videos, as one checkpoint sees and hears them.

Loaded with the first attachment, because Pillow, soundfile and all that works on media come with
it: a conversation of text alone starts without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gemma4_mlx.chat_template import Conversation
from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.events import MediaReceipt
from gemma4_mlx.messages import (
    AudioPart,
    ImagePart,
    ImageTokens,
    MediaPart,
    Message,
    VideoPart,
    parse_messages,
)
from gemma4_mlx.processing.audio import PreparedAudio, clip_cost, prepare_audio, stack_audio
from gemma4_mlx.processing.image import PreparedImage, prepare_image, stack_images
from gemma4_mlx.processing.image_file import read_image_size
from gemma4_mlx.processing.image_size import image_cost
from gemma4_mlx.processing.long_audio import split_long_clips
from gemma4_mlx.processing.receipts import Prepared, receipt_of
from gemma4_mlx.processing.settings import AudioSettings, ImageSettings, VideoSettings
from gemma4_mlx.processing.video import (
    PreparedVideo,
    prepare_video,
    stack_videos,
    video_cost,
    with_times_and_sound,
)


@dataclass(frozen=True, slots=True)
class Senses:
    """How a checkpoint wants what is attached; the attributes are those of `Processor`."""

    images: ImageSettings | None
    audio: AudioSettings | None
    videos: VideoSettings | None

    def spelled_out(self, messages: Conversation) -> Conversation:
        """The conversation as the model gets it.

        Videos know their frames' times and have their sound behind them; recordings are in parts
        that the model can hear.

        Raises:
            AttachmentError: one that cannot be read, or that the model cannot take.
        """
        parsed = parse_messages(messages)
        for message in parsed:
            for part in message.parts:
                if isinstance(part, MediaPart):
                    self._require_tower(part)
        spelled_out: Sequence[Message] = parsed
        if self.videos is not None:
            spelled_out = with_times_and_sound(spelled_out, self.videos, self.audio)
        if self.audio is not None:
            spelled_out = split_long_clips(spelled_out)
        # Where nothing has changed, as given: templates tell a text from a list with one text.
        return [
            given if message is before else message
            for given, before, message in zip(messages, parsed, spelled_out, strict=True)
        ]

    def prepare(
        self, attachments: Sequence[MediaPart], image_tokens: ImageTokens | None
    ) -> tuple[dict[str, np.ndarray], tuple[MediaReceipt, ...]]:
        """The arrays of all attachments, by the names of `ModelInputs`, and a receipt of each.

        Raises:
            AttachmentError: one that cannot be used.
        """
        prepared = [self._prepare(part, image_tokens) for part in attachments]
        hears = self.audio is not None
        pairs = zip(attachments, prepared, strict=True)
        return self._arrays(prepared), tuple(receipt_of(*each, hears=hears) for each in pairs)

    def cost(self, part: MediaPart, image_tokens: ImageTokens | None) -> int:
        """Soft tokens that one attachment will take: see `Processor.cost`."""
        self._require_tower(part)
        if isinstance(part, ImagePart):
            width, height = read_image_size(part.source, name=part.name)
            return image_cost(width, height, self._budget(part, image_tokens), self.images).tokens
        if isinstance(part, VideoPart):
            return video_cost(part, self.videos).tokens
        return clip_cost(part, self.audio).tokens

    def _prepare(self, part: MediaPart, image_tokens: ImageTokens | None) -> Prepared:
        if isinstance(part, ImagePart):
            assert self.images is not None
            return prepare_image(part, self._budget(part, image_tokens), self.images)
        if isinstance(part, VideoPart):
            assert self.videos is not None
            return prepare_video(part, self.videos)
        assert self.audio is not None
        return prepare_audio(part, self.audio)

    def _arrays(self, prepared: Sequence[Prepared]) -> dict[str, np.ndarray]:
        arrays: dict[str, np.ndarray] = {}
        images = [item for item in prepared if isinstance(item, PreparedImage)]
        clips = [item for item in prepared if isinstance(item, PreparedAudio)]
        videos = [item for item in prepared if isinstance(item, PreparedVideo)]
        if images:
            arrays["pixel_values"], arrays["image_position_ids"] = stack_images(images)
        if clips:
            arrays["input_features"], arrays["input_features_mask"] = stack_audio(clips)
        if videos and self.videos:
            frames = stack_videos(videos, self.videos)
            arrays["pixel_values_videos"], arrays["video_position_ids"] = frames
        return arrays

    def _require_tower(self, part: MediaPart) -> None:
        if isinstance(part, AudioPart) and self.audio is None:
            raise AttachmentError(
                f"{part.name}: this model does not hear; it has no audio tower",
                "of the Gemma 4 family, E2B and E4B hear",
            )
        if not isinstance(part, AudioPart) and self.images is None:
            raise AttachmentError(
                f"{part.name}: this model does not see; it has no vision tower",
                "use a Gemma 4 checkpoint with its vision tower",
            )

    def _budget(self, part: ImagePart, image_tokens: ImageTokens | None) -> ImageTokens:
        assert self.images is not None
        return part.image_tokens or image_tokens or self.images.max_soft_tokens
