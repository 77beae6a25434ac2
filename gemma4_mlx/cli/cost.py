"""`gemma4 cost`: what pictures, clips and videos would take of the context."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from gemma4_mlx.cli.attachments import attachment, in_frames, picture_size
from gemma4_mlx.command_options import image_tokens_option
from gemma4_mlx.messages import (
    PUBLISHED_IMAGE_TOKENS,
    AudioPart,
    ImageTokens,
    MediaPart,
    VideoPart,
)
from gemma4_mlx.printable import printable_line

READ_S = 120.0
"""A longer recording is not read to find where it would be cut: each cut may cost a token more."""


@click.command(short_help="Tell what pictures, clips and videos would cost.")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@image_tokens_option
def cost(files: Sequence[Path], image_tokens: ImageTokens | None) -> None:
    """Tell how many tokens each FILE would take. No model is loaded.

    Pictures get the budget of the published checkpoints, 280, unless told otherwise; frames of
    videos get 70. The sound of a video costs only where the model hears.
    """
    for path in files:
        tokens, seen = _cost(attachment(path), image_tokens or PUBLISHED_IMAGE_TOKENS)
        click.echo(f"{tokens:>5} tokens  {printable_line(str(path))}  {seen}")


def _cost(part: MediaPart, image_tokens: ImageTokens) -> tuple[int, str]:
    """Soft tokens, and in words what the model would get."""
    from gemma4_mlx.processing import clip_cost, image_cost

    if isinstance(part, VideoPart):
        return _video_cost(part)
    if isinstance(part, AudioPart):
        clip = clip_cost(part, read_s=READ_S)
        parts = f", heard in {clip.parts} parts" if clip.parts > 1 else ""
        if clip.is_about:
            parts = f", heard in about {clip.parts} parts, each of which may take one more"
        return clip.tokens, f"{clip.seconds:.1f} s{parts}"
    width, height = picture_size(part)
    cost = image_cost(width, height, image_tokens)
    return cost.tokens, f"{width}x{height}, seen at {cost.seen_width}x{cost.seen_height}"


def _video_cost(part: VideoPart) -> tuple[int, str]:
    from gemma4_mlx.processing import clip_cost, video_cost

    cost = video_cost(part)
    words = (
        f"{cost.seconds:.1f} s, {in_frames(cost.frames, cost.seconds)}, "
        f"{cost.width}x{cost.height}, seen at {cost.seen_width}x{cost.seen_height}"
    )
    if not cost.has_sound:
        return cost.tokens, f"{words}, no sound"
    sound = clip_cost(AudioPart(part.source, name=part.name), read_s=READ_S)
    about = "about " * sound.is_about
    return cost.tokens + sound.tokens, f"{words}, {about}{sound.tokens} of them for the sound"
