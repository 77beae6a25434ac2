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

_BLOCK = 4096
"""Output samples computed at a time, to bound memory."""


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
    filters = _filters(up, down)
    reach = filters.shape[1] // 2
    length = resampled_length(len(samples), rate, new_rate)
    padded = np.zeros(reach + (length * down) // up + reach + 2, np.float32)
    kept = samples[: len(padded) - reach]
    padded[reach : reach + len(kept)] = kept
    windows = np.lib.stride_tricks.sliding_window_view(padded, filters.shape[1])
    output = np.empty(length, np.float32)
    for phase in range(min(up, length)):
        first = phase * down // up
        starts = windows[first::down][: len(range(phase, length, up))]
        output[phase::up] = _filtered(starts, filters[phase])
    return output


def _filtered(windows: np.ndarray, taps: np.ndarray) -> np.ndarray:
    blocks = [windows[i : i + _BLOCK] @ taps for i in range(0, len(windows), _BLOCK)]
    return np.concatenate(blocks)


@lru_cache(maxsize=8)
def _filters(up: int, down: int) -> np.ndarray:
    """One filter per phase, float32 [up, taps].

    Output sample n lies at `n * down / up` input samples. Its filter has phase n modulo `up`,
    begins `reach` samples before the input sample at or before that time, and sums to 1.
    """
    ratio = min(1.0, up / down)
    reach = math.ceil(_HALF_WIDTH / ratio) + 1
    fractions = (np.arange(up) * down % up) / up
    distance = np.arange(-reach, reach + 1)[None, :] - fractions[:, None]
    position = distance * ratio / _HALF_WIDTH
    window = np.i0(_KAISER_BETA * np.sqrt(np.clip(1 - position**2, 0, None)))
    taps = np.sinc(distance * ratio * _CUTOFF) * np.where(np.abs(position) <= 1, window, 0)
    return (taps / taps.sum(axis=1, keepdims=True)).astype(np.float32)
