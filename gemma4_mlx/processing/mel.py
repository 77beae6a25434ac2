"""Log-mel frames of a clip.

Reference: transformers `models/gemma4/feature_extraction_gemma4.py`
(`Gemma4AudioFeatureExtractor`), `audio_utils.py` (`mel_filter_bank`).
Differs: each clip is padded to whole blocks of its own, not to the longest of the turn; the
frames that count are the same.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from gemma4_mlx.processing.settings import AudioSettings

SAMPLE_BLOCK = 128
"""Clips are filled up with silence to a multiple of this many samples."""


def mel_frames(samples: int, settings: AudioSettings | None = None) -> int:
    """How many frames see only real samples; 0 for a clip that is too short.

    Half a frame of silence stands before the clip, and a frame needs one sample more than it
    uses.
    """
    settings = settings or AudioSettings()
    spare = samples + settings.frame_length // 2 - (settings.frame_length + 1)
    return max(0, spare // settings.hop_length + 1)


def log_mel(samples: np.ndarray, settings: AudioSettings) -> tuple[np.ndarray, np.ndarray]:
    """Frames of one clip.

    Args:
        samples: float32 [samples] at `settings.sampling_rate`.
        settings: the checkpoint's.

    Returns:
        Log-mel float32 [T, F] and mask bool [T]. Frames that reach into the padding are false
        in the mask, and zero.
    """
    lead = settings.frame_length // 2
    tail = -len(samples) % SAMPLE_BLOCK
    padded = np.pad(samples.astype(np.float32, copy=False), (lead, tail))
    window_view = np.lib.stride_tricks.sliding_window_view(padded, settings.frame_length + 1)
    frames = window_view[:: settings.hop_length, :-1] * _hann(settings.frame_length)
    # In single precision, as the reference: next to a loud tone, rounding shows in quiet bins.
    magnitudes = np.abs(np.fft.rfft(frames, n=settings.fft_length, axis=-1))
    mel = np.log(magnitudes @ mel_filters(settings) + settings.mel_floor).astype(np.float32)
    mask = np.arange(len(mel)) < mel_frames(len(samples), settings)
    return mel * mask[:, None], mask


@lru_cache(maxsize=4)
def mel_filters(settings: AudioSettings) -> np.ndarray:
    """Triangles of equal width on the HTK mel scale, float64 [fft_length // 2 + 1, F]."""
    lowest, highest = _mel(settings.min_frequency), _mel(settings.max_frequency)
    corners = _hertz(np.linspace(lowest, highest, settings.feature_size + 2))
    bins = np.linspace(0, settings.sampling_rate // 2, settings.fft_length // 2 + 1)
    slopes = corners[None, :] - bins[:, None]
    widths = np.diff(corners)
    rising = -slopes[:, :-2] / widths[:-1]
    falling = slopes[:, 2:] / widths[1:]
    return np.maximum(0, np.minimum(rising, falling))


@lru_cache(maxsize=4)
def _hann(length: int) -> np.ndarray:
    """Periodic Hann window, float32 [length]."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)


def _mel(hertz: float) -> float:
    return float(2595.0 * np.log10(1.0 + hertz / 700.0))


def _hertz(mel: np.ndarray) -> np.ndarray:
    return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
