"""Recordings that are longer than the model can hear at once, cut where it is quiet.

Reference: none; the reference drops what is behind the first 30 s.
Differs: nothing is dropped. Each part is a clip of its own, with its time written before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gemma4_mlx.limits import MIB
from gemma4_mlx.messages import AudioPart, Message, Part, TextPart
from gemma4_mlx.processing.audio_file import (
    MAX_DURATION_S,
    Excerpt,
    Recording,
    read_audio,
    read_audio_length,
)
from gemma4_mlx.processing.kept import Kept

Span = tuple[int, int]
"""First sample, and the one behind the last."""

_CUTS: Kept[list[Span]] = Kept(MIB, nbytes=lambda spans: 200 * len(spans))

_QUIET_S = 0.2
"""How long a pause should at least be, to be cut in its middle."""
_SHORTEST_S = 0.5
"""No part is shorter than this."""
_CHOICE_S = 5.0
"""Where less than this is left to choose each cut from, one part more is made."""


def split_long_clips(messages: Sequence[Message]) -> list[Message]:
    """The conversation with every long recording as short clips with time stamps.

    Args:
        messages: parsed; those without a long recording stay what they are.

    Raises:
        AttachmentError: a recording cannot be read or is too long even to be split.
    """
    return [
        replace(message, parts=tuple(_short_parts(message.parts)))
        if any(isinstance(part, AudioPart) and is_long(part) for part in message.parts)
        else message
        for message in messages
    ]


def is_long(part: AudioPart) -> bool:
    """Whether the model cannot hear it at once, from the file's header alone.

    Raises:
        AttachmentError: it cannot be read, is too long to be split, or must not be split.
    """
    length, rate = read_audio_length(part)
    return length > MAX_DURATION_S * rate


def clips_of(part: AudioPart) -> list[AudioPart]:
    """A clip itself; a long recording as clips of at most 30 s each, together all of it.

    Raises:
        AttachmentError: it cannot be read, is too long to be split, or must not be split.
    """
    if not is_long(part):
        return [part]
    if not isinstance(part.source, str | Path):
        samples, rate = read_audio(part)
        return [
            AudioPart(samples[start:stop], rate, part.name, split=False, start_s=start / rate)
            for start, stop in plan_cuts(samples, rate)
        ]
    rate, recording = read_audio_length(part)[1], Recording(part)
    cuts = _CUTS.get(recording.state, lambda: plan_cuts(recording.samples, rate))
    return [
        AudioPart(
            Excerpt(recording, start, stop, rate),
            rate,
            part.name,
            split=False,
            start_s=start / rate,
        )
        for start, stop in cuts
    ]


def plan_cuts(samples: np.ndarray, rate: int) -> list[Span]:
    """Cut samples into as few spans of at most 30 s as leave a choice of where to cut.

    Each cut is in the quietest fifth of a second of the stretch where it may be.

    Args:
        samples: float32 [samples], mono.
        rate: in Hz.

    Returns:
        Spans that cover all samples, in order.
    """
    limit, shortest = MAX_DURATION_S * rate, round(_SHORTEST_S * rate)
    spans: list[Span] = []
    start = 0
    while len(samples) - start > limit:
        parts = part_count(len(samples) - start, rate)
        # Each cut has its share of the room, so that those to come have theirs.
        room = (parts * limit - (len(samples) - start)) // (parts - 1)
        earliest = max(start + shortest, start + limit - room)
        latest = min(start + limit, len(samples) - shortest)
        stop = _quietest(samples, earliest, latest, rate)
        spans.append((start, stop))
        start = stop
    return [*spans, (start, len(samples))]


def part_count(length: int, rate: int) -> int:
    """How many parts so many samples need at least, with room to choose each cut from."""
    limit, choice = MAX_DURATION_S * rate, round(_CHOICE_S * rate)
    count = -(-length // limit)
    while count * limit - length < (count - 1) * choice:
        count += 1
    return count


def time_stamp(seconds: float) -> str:
    """Minutes and seconds, such as 1:05."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _short_parts(parts: Sequence[Part]) -> Iterator[Part]:
    for part in parts:
        if not isinstance(part, AudioPart) or not is_long(part):
            yield part
            continue
        for clip in clips_of(part):
            # In brackets: templates trim the spaces around a text.
            yield TextPart(f"[{time_stamp(clip.start_s)}]")
            yield clip


def _quietest(samples: np.ndarray, earliest: int, latest: int, rate: int) -> int:
    """Middle of the quietest window between two samples; the latest of those as quiet."""
    window = max(1, min(round(_QUIET_S * rate), latest - earliest))
    power = np.cumsum(np.square(samples[earliest:latest], dtype=np.float64))
    energy = power[window - 1 :] - np.concatenate([[0.0], power[:-window]])
    # Rounding of the sums must not decide between two silences.
    floor = energy.min() + 1e-9 * max(float(power[-1]), 1e-12)
    return earliest + int(np.flatnonzero(energy <= floor)[-1]) + window // 2
