"""Band-limited change of the sampling rate, by a polyphase windowed-sinc filter.

Output sample n is the input's band-limited signal at time n / new_rate, so nothing is delayed.
The filter passes up to 90 % of the lower Nyquist frequency and is down by more than 80 dB from
that frequency on, so nothing folds back.

Reference: J. O. Smith, "Digital Audio Resampling" (the method); no code of transformers, which
leaves resampling to the caller.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

_HALF_WIDTH = 64
"""Reach of the filter to either side, in samples of the lower of the two rates."""

_KAISER_BETA = 9.5
"""Shape of the window: 95 dB of rejection."""

_CUTOFF = 0.952
"""Middle of the falling edge, as a share of the lower Nyquist frequency; it ends below 1."""

_GROUP = 128
"""Output samples computed by one matrix product."""


def resampled_length(length: int, rate: int, new_rate: int) -> int:
    """`length * new_rate / rate`, rounded to the nearest whole number of samples."""
    return (2 * length * new_rate + rate) // (2 * rate)


def resample(samples: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """Bring samples to another rate.

    Args:
        samples: float [samples].
        rate: of `samples`, in Hz.
        new_rate: in Hz.

    Returns:
        float32 [`resampled_length(...)`]. Outside the clip the signal counts as silent.
    """
    if rate == new_rate:
        return samples.astype(np.float32, copy=False)
    common = math.gcd(rate, new_rate)
    up, down = new_rate // common, rate // common
    repeat = -(-_GROUP // up)
    length = resampled_length(len(samples), rate, new_rate)
    periods = -(-length // (up * repeat))
    reach = math.ceil(_HALF_WIDTH * max(1.0, down / up)) + 1
    padded = _padded(samples, reach, periods * repeat * down)
    output = np.empty((periods, up * repeat), np.float32)
    for first in range(0, up * repeat, _GROUP):
        group = range(first, min(first + _GROUP, up * repeat))
        start, matrix = _group_matrix(group, up, down, reach)
        windows = np.lib.stride_tricks.sliding_window_view(padded, len(matrix))
        frames = windows[start :: down * repeat][:periods]
        output[:, first : first + len(group)] = np.ascontiguousarray(frames) @ matrix
    return output.reshape(-1)[:length]


def _padded(samples: np.ndarray, reach: int, length: int) -> np.ndarray:
    """`length` samples between enough silence for the filter to reach into."""
    padded = np.zeros(length + 4 * reach, np.float32)
    kept = samples[: len(padded) - reach]
    padded[reach : reach + len(kept)] = kept
    return padded


@lru_cache(maxsize=16)  # the parts of a recording need the same
def _group_matrix(group: range, up: int, down: int, reach: int) -> tuple[int, np.ndarray]:
    """Where the inputs of some consecutive output samples start, and their filters as columns."""
    places = np.asarray(group) * down
    filters = _filters(places % up / up, min(1.0, up / down), reach)
    taps = filters.shape[1]
    starts = places // up
    matrix = np.zeros((starts[-1] - starts[0] + taps, len(group)), np.float32)
    for column, start in enumerate(starts - starts[0]):
        matrix[start : start + taps, column] = filters[column]
    return int(starts[0]), matrix


def _filters(fractions: np.ndarray, ratio: float, reach: int) -> np.ndarray:
    """Filters for output samples that lie `fractions` of an input sample after one.

    Args:
        fractions: in 0..1, float [N].
        ratio: cut-off in units of the input's Nyquist frequency.
        reach: input samples to either side.

    Returns:
        float32 [N, 2 * reach + 1]; each filter sums to 1.
    """
    distance = np.arange(-reach, reach + 1)[None, :] - fractions[:, None]
    window = np.interp(np.abs(distance) * (ratio / _HALF_WIDTH), *_kaiser_window(), right=0)
    taps = np.sinc(distance * (ratio * _CUTOFF)) * window
    return (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)


@lru_cache(maxsize=1)
def _kaiser_window() -> tuple[np.ndarray, np.ndarray]:
    """The window's falling half, as a table: places from 0 to 1, and its height there."""
    places = np.linspace(0, 1, 16385)
    return places, np.i0(_KAISER_BETA * np.sqrt(1 - places**2))
