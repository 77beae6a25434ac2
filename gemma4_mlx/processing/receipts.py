"""What is told of each attachment: what the model was given of it."""

from __future__ import annotations

from dataclasses import replace

from gemma4_mlx.events import MediaReceipt
from gemma4_mlx.messages import AudioPart, MediaPart, VideoPart
from gemma4_mlx.processing.audio import PreparedAudio
from gemma4_mlx.processing.image import PreparedImage
from gemma4_mlx.processing.placeholders import kind_of
from gemma4_mlx.processing.video import PreparedVideo

Prepared = PreparedImage | PreparedAudio | PreparedVideo


def receipt_of(part: MediaPart, prepared: Prepared, *, hears: bool) -> MediaReceipt:
    """The receipt of one attachment.

    Args:
        part: what was attached.
        prepared: what was made of it.
        hears: whether the model does; if not, the sound of a video was left out.
    """
    if isinstance(prepared, PreparedAudio):
        assert isinstance(part, AudioPart)
        count = prepared.tokens
        known = MediaReceipt("audio", part.name, count, count, sha256=prepared.sha256)
        return replace(known, seconds=prepared.duration_s, start_s=part.start_s)
    cost = prepared.cost
    known = MediaReceipt(
        kind_of(part),
        part.name,
        cost.tokens,
        cost.tokens,
        seen_width=cost.seen_width,
        seen_height=cost.seen_height,
        sha256=prepared.sha256,
    )
    if isinstance(prepared, PreparedImage):
        budget, unseen = prepared.cost.image_tokens, prepared.unseen
        known = replace(known, width=prepared.width, height=prepared.height, left_out=unseen)
        return replace(known, image_tokens=budget)
    assert isinstance(part, VideoPart)
    leaves_out = part.sound and prepared.cost.has_sound and not hears
    return replace(
        known,
        width=prepared.cost.width,
        height=prepared.cost.height,
        image_tokens=prepared.image_tokens,
        seconds=prepared.cost.seconds,
        frames=prepared.cost.frames,
        left_out="sound" if leaves_out else "",
    )
