"""A picture, clip or video in the composer: what it is and what it will cost.

Both are known before anything is sent, without the model, from the file's header alone.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.events import MediaReceipt
from gemma4_mlx.messages import IMAGE_TOKEN_BUDGETS, AudioPart, ImageTokens, VideoPart
from gemma4_mlx.processing.attached_file import LARGEST_BYTES
from tui import figures
from tui.attachments.paths import Kind, media_kind
from tui.text.printable import printable_line

if TYPE_CHECKING:  # numpy, Pillow and soundfile are imported when a file is, not before
    from gemma4_mlx.processing import ImageCost

READABLE_SCALE = 0.67
"""Where a page is shrunk below this share of its size, small text is lost."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with the next question.

    Attributes:
        kind: "image", "audio" or "video".
        path: the file.
        image_tokens: budget of a picture; None (always so for others) for the checkpoint's own.
        width, height: of the picture, in pixels as it is looked at; 0 until `read`.
        seconds: of the clip or video; 0 until `read`.
        audio_tokens: what the clip, or the sound of the video, costs; None until `read`.
        parts: how many receipts there will be: a long clip is heard in pieces, and the sound of
            a video comes behind its frames.
        has_text: whether the picture looks like a page or a screenshot; False until `check`.
        frames: of the video, as many as the model sees; 0 until `read`.
        frame_tokens: what these cost, together.
        sound_parts: in how many pieces the model hears the sound of the video.
        is_heard: whether the model hears; if not, the sound of a video is left out.
    """

    kind: Kind
    path: Path
    image_tokens: ImageTokens | None = None
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    audio_tokens: int | None = None
    parts: int = 1
    has_text: bool = False
    frames: int = 0
    frame_tokens: int = 0
    sound_parts: int = 0
    is_heard: bool = True

    @classmethod
    def of(cls, path: Path) -> Attachment:
        """A file of the kind that its suffix tells; a picture if it tells nothing."""
        return cls(media_kind(path) or "image", path)

    @property
    def name(self) -> str:
        """The file's name, fit for the screen."""
        return printable_line(self.path.name or str(self.path))

    def read(self) -> Attachment:
        """Learn size and cost from the file's header.

        Raises:
            AttachmentError: it cannot be read.
        """
        self._check_file()
        if self.kind == "image":
            from gemma4_mlx.processing.image_file import read_image_size

            width, height = read_image_size(self.path, name=self.name)
            return replace(self, width=width, height=height)
        if self.kind == "video":
            return self._read_video()
        from gemma4_mlx.processing import clip_cost

        clip = clip_cost(AudioPart(self.path, name=self.name))
        return replace(self, seconds=clip.seconds, audio_tokens=clip.tokens, parts=clip.parts)

    def check(self) -> Attachment:
        """Decode it, so that damage is known before it is sent, and learn what pixels can tell.

        Raises:
            AttachmentError: the model could not be given this file.
        """
        if self.kind == "image":
            from gemma4_mlx.processing.image_file import open_image
            from tui.attachments.small_text import looks_like_text

            image = open_image(self.path, name=self.name)
            return replace(self, has_text=looks_like_text(image))
        if self.kind == "video":
            return self  # `read` has decoded its first frame; all would take long
        from gemma4_mlx.processing.audio import prepare_audio
        from gemma4_mlx.processing.long_audio import clips_of
        from gemma4_mlx.processing.settings import AudioSettings

        for clip in clips_of(AudioPart(self.path, name=self.name)):
            prepare_audio(clip, AudioSettings())
        return self

    @property
    def budget(self) -> int | None:
        """The budget of a picture as a number, which auto comes to as well; None if not known."""
        cost = self._image_cost()
        return cost.image_tokens if cost else None

    def with_budget(self, image_tokens: ImageTokens | None) -> Attachment:
        """The same picture at another budget; a clip has none."""
        return replace(self, image_tokens=image_tokens) if self.kind == "image" else self

    def with_hearing(self, is_heard: bool) -> Attachment:
        """For a model that hears, or does not: the sound of a video is left out then."""
        if self.kind != "video":
            return self
        return replace(self, is_heard=is_heard, parts=1 + self.sound_parts * is_heard)

    def tokens(self) -> int | None:
        """What it will cost; None if that is not known yet."""
        if self.kind == "audio":
            return self.audio_tokens
        if self.kind == "video":
            sound = (self.audio_tokens or 0) * self.is_heard
            return self.frame_tokens + sound if self.frames else None
        cost = self._image_cost()
        return cost.tokens if cost else None

    def seen(self) -> str:
        """The size at which the model will see the picture, or how much of what is played."""
        if self.kind == "audio":
            return figures.length(self.seconds, self.parts) if self.seconds else ""
        if self.kind == "video":
            frames = f"{self.frames} frame{'' if self.frames == 1 else 's'}"
            return f"{figures.clock(self.seconds)}, {frames}" if self.frames else ""
        cost = self._image_cost()
        return f"sees {figures.pixels(cost.seen_width, cost.seen_height)}" if cost else ""

    def loss(self) -> str:
        """What would be lost at this budget, and which one would do; nothing if all is well."""
        cost = self._image_cost()
        if cost is None or not self.has_text or cost.image_tokens == IMAGE_TOKEN_BUDGETS[-1]:
            return ""
        if cost.seen_width >= READABLE_SCALE * self.width:
            return ""
        return f"small text? try {self._readable_budget()}"

    def waste(self) -> str:
        """Which smaller budget would do as well; nothing if none would."""
        cost = self._image_cost()
        if cost is None:
            return ""
        enough = self._cost_at("auto").image_tokens
        return f"enlarged; {enough} would do" if enough < cost.image_tokens else ""

    def advice(self) -> str:
        """What is lost or wasted at this budget; nothing if it is fine."""
        return self.loss() or self.waste()

    def is_meant_by(self, receipt: MediaReceipt) -> bool:
        """Whether a receipt can be this one's: the sound of a video has one of its own."""
        kinds = ("video", "audio") if self.kind == "video" else (self.kind,)
        return receipt.kind in kinds and printable_line(receipt.name) == self.name

    def summary(self) -> str:
        """Expected cost and size in a line."""
        tokens = self.tokens()
        cost = "" if tokens is None else figures.tokens(tokens)
        return " · ".join(filter(None, (cost, self.seen())))

    def part(self) -> dict[str, Any]:
        """As a content part in the chat form."""
        part: dict[str, Any] = {"type": self.kind, "path": str(self.path)}
        if self.image_tokens is not None:
            part["image_tokens"] = self.image_tokens
        return part

    def _read_video(self) -> Attachment:
        from gemma4_mlx.processing import clip_cost, video_cost

        cost = video_cost(VideoPart(self.path, name=self.name))
        clip = clip_cost(AudioPart(self.path, name=self.name)) if cost.has_sound else None
        read = replace(
            self,
            width=cost.width,
            height=cost.height,
            seconds=cost.seconds,
            frames=cost.frames,
            frame_tokens=cost.tokens,
            audio_tokens=clip.tokens if clip else 0,
            sound_parts=clip.parts if clip and clip.tokens else 0,
        )
        return read.with_hearing(self.is_heard)

    def _image_cost(self) -> ImageCost | None:
        if self.kind != "image" or self.image_tokens is None or not self.width:
            return None
        return self._cost_at(self.image_tokens)

    def _cost_at(self, budget: ImageTokens) -> ImageCost:
        from gemma4_mlx.processing import image_cost

        return image_cost(self.width, self.height, budget)

    def _readable_budget(self) -> int:
        for budget in IMAGE_TOKEN_BUDGETS:
            if self._cost_at(budget).seen_width >= READABLE_SCALE * self.width:
                return budget
        return IMAGE_TOKEN_BUDGETS[-1]

    def _check_file(self) -> None:
        """Only ordinary files of a sane size are opened: a pipe would never end."""
        try:
            status = self.path.stat()
        except (OSError, ValueError):
            return  # whoever opens it says what is wrong
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise AttachmentError(f"{self.name} is not a file that can be read", "attach a file")
        if status.st_size > LARGEST_BYTES[self.kind]:
            raise AttachmentError(
                f"{self.name} has {figures.size(status.st_size)}; at most "
                f"{figures.size(LARGEST_BYTES[self.kind])} are opened",
                "attach a smaller copy",
            )
