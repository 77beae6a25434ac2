"""What is told of each attachment: what the model was given of it."""

from __future__ import annotations

from gemma4_mlx.events import MediaReceipt
from gemma4_mlx.messages import AudioPart, MediaPart, VideoPart
from gemma4_mlx.processing.audio import PreparedAudio
from gemma4_mlx.processing.image import PreparedImage
from gemma4_mlx.processing.video import PreparedVideo

Prepared = PreparedImage | PreparedAudio | PreparedVideo


def receipt_of(part: MediaPart, prepared: Prepared, *, hears: bool) -> MediaReceipt:
    """The receipt of one attachment.

    Args:
        part: what was attached.
        prepared: what was made of it.
        hears: whether the model does; if not, the sound of a video was left out.
    """
    match prepared:
        case PreparedImage():
            return _of_image(part.name, prepared)
        case PreparedVideo():
            assert isinstance(part, VideoPart)
            leaves_out = part.sound and prepared.cost.has_sound and not hears
            return _of_video(part.name, prepared, "sound" if leaves_out else "")
    assert isinstance(part, AudioPart)
    return MediaReceipt(
        kind="audio",
        name=part.name,
        tokens=prepared.tokens,
        rows=prepared.tokens,
        seconds=prepared.duration_s,
        start_s=part.start_s,
        sha256=prepared.sha256,
    )


def _of_image(name: str, image: PreparedImage) -> MediaReceipt:
    cost = image.cost
    return MediaReceipt(
        kind="image",
        name=name,
        tokens=cost.tokens,
        rows=cost.tokens,
        width=image.width,
        height=image.height,
        seen_width=cost.seen_width,
        seen_height=cost.seen_height,
        image_tokens=cost.image_tokens,
        sha256=image.sha256,
    )


def _of_video(name: str, video: PreparedVideo, left_out: str) -> MediaReceipt:
    cost = video.cost
    return MediaReceipt(
        kind="video",
        name=name,
        tokens=cost.tokens,
        rows=cost.tokens,
        width=cost.width,
        height=cost.height,
        seen_width=cost.seen_width,
        seen_height=cost.seen_height,
        image_tokens=video.image_tokens,
        seconds=cost.seconds,
        frames=cost.frames,
        left_out=left_out,
        sha256=video.sha256,
    )
