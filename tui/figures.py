"""Figures as people read them: bytes, tokens, sizes, rates."""

from __future__ import annotations

from collections.abc import Sequence

from gemma4_mlx.byte_sizes import size as size
from gemma4_mlx.events import Finished, LoadProgress, MediaReceipt, PromptProgress

IMAGE_SIGN = "▣"
AUDIO_SIGN = "♪"
_SIGNS = {"image": IMAGE_SIGN, "audio": AUDIO_SIGN, "video": "▤"}


def sign(kind: str) -> str:
    """The sign before the name of an attachment."""
    return _SIGNS.get(kind, IMAGE_SIGN)


def tokens(count: int) -> str:
    """A number of tokens, as in 1 token, 266 tokens."""
    return f"{count} token{'' if count == 1 else 's'}"


def seconds(duration_s: float) -> str:
    """A duration, as in 0.7 s or 1:05."""
    if duration_s < 60:
        return f"{duration_s:.2f} s" if duration_s < 1 else f"{duration_s:.1f} s"
    return clock(duration_s)


def waited(duration_s: float) -> str:
    """How long it has been, in whole seconds, as in 7 s or 1:05."""
    return f"{duration_s:.0f} s" if duration_s < 59.5 else clock(duration_s)


def clock(duration_s: float) -> str:
    """Minutes and whole seconds, as in 0:07."""
    return f"{int(duration_s) // 60}:{int(duration_s) % 60:02d}"


def length(duration_s: float, parts: int) -> str:
    """How long a clip is, and in how many parts the model hears it, as in 1:35, 4 parts."""
    if parts == 1:
        return seconds(duration_s)
    return f"{clock(duration_s)}, {parts} parts"


def pixels(width: int, height: int) -> str:
    """A picture's size, as in 640×480."""
    return f"{width}×{height}"


def loading(progress: LoadProgress) -> str:
    """How far loading has come."""
    if not progress.total_bytes:
        return "loading"
    done, total = size(progress.done_bytes), size(progress.total_bytes)
    unit = total[total.index(" ") :]
    return f"loading {done.removesuffix(unit)} of {total}"


def reading(progress: PromptProgress) -> str:
    """How far reading the prompt has come, or what is attached to it."""
    if progress.is_encoding:
        which = (
            f", {progress.encoded + 1} of {progress.to_encode}" if progress.to_encode > 1 else ""
        )
        return f"looking at what is attached{which}"
    return f"reading the prompt, {progress.done} of {tokens(progress.total)}"


def receipt(parts: Sequence[MediaReceipt], *, expected: int | None) -> str:
    """What one attachment cost, and what the model saw or heard of it; a surprise is named.

    Args:
        parts: its receipts; a long clip has one for each of its parts.
        expected: what it should have cost.
    """
    media, total = parts[0], sum(part.tokens for part in parts)
    cost = tokens(total)
    if expected not in (None, total):
        cost += f" (expected {expected})"
    if media.kind == "audio":
        return f"{cost} · {length(sum(part.seconds for part in parts), len(parts))}"
    given = pixels(media.width, media.height)
    seen = pixels(media.seen_width, media.seen_height)
    if media.kind == "video":
        lost = f" · without its {media.left_out}" if media.left_out else ""
        return f"{cost} · {clock(media.seconds)} seen in {media.frames} frames of {seen}{lost}"
    return f"{cost} · {given} seen as {seen} · budget {media.image_tokens}"


def stats(finished: Finished) -> str:
    """One line under an answer: what went in and out, and how fast."""
    usage, timings = finished.usage, finished.timings
    parts = [f"{usage.prompt_tokens} in", f"{usage.completion_tokens} out"]
    if usage.reused_tokens:
        parts[0] += f" ({usage.reused_tokens} reused)"
    if timings.decode_tokens_per_s:
        parts.append(f"{timings.decode_tokens_per_s:.0f} tok/s")
    if timings.first_token_s:
        parts.append(f"first token {seconds(timings.first_token_s)}")
    return " · ".join(parts)


def short(count: int) -> str:
    """A number in few characters, as in 812, 1.4k, 32k."""
    if count < 1000:
        return str(count)
    return f"{count / 1000:.1f}k" if count < 9950 else f"{count / 1000:.0f}k"
