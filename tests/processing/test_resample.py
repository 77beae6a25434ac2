"""The resampler against signals that are known at every rate."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma4_mlx.processing.resample import resample, resampled_length
from tests.processing.patterns import chirp

RATES = [8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 96000]
INNER = slice(1600, -1600)


def decibels(ratio: float) -> float:
    return 20 * np.log10(max(ratio, 1e-12))


def tone(hz: float, rate: int) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(rate) / rate)


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


@pytest.mark.parametrize("rate", RATES)
def test_chirp_equals_the_analytic_chirp(rate: int) -> None:
    heard = resample(chirp(rate), rate, 16000)
    assert heard.dtype == np.float32
    assert heard.shape == (16000,)
    assert np.abs(heard - chirp(16000)).max() < 1e-4


@pytest.mark.parametrize("rate", [22050, 24000, 32000, 44100, 48000, 96000])
def test_what_the_new_rate_cannot_hold_is_80_db_down(rate: int) -> None:
    for hz in np.linspace(8000, rate / 2 - 50, 12):
        heard = resample(tone(hz, rate), rate, 16000)[INNER]
        assert decibels(rms(heard) / rms(tone(hz, rate))) < -80, hz


@pytest.mark.parametrize("hz", [4000, 4500, 6000, 7900])
def test_no_mirror_image_above_the_old_band(hz: int) -> None:
    """What lies above 4 kHz after coming from 8 kHz is 80 dB down."""
    heard = resample(tone(8000 - hz, 8000) if hz > 4500 else tone(3500, 8000), 8000, 16000)[INNER]
    spectrum = np.abs(np.fft.rfft(heard * np.blackman(len(heard))))
    band = np.fft.rfftfreq(len(heard), 1 / 16000) > 4000
    assert decibels(spectrum[band].max() / spectrum.max()) < -80


@pytest.mark.parametrize("rate", RATES)
def test_pass_band_is_flat(rate: int) -> None:
    top = 0.9 * min(rate, 16000) / 2
    for hz in np.linspace(50, top, 12):
        heard = resample(tone(hz, rate), rate, 16000)[INNER]
        wanted = np.sin(2 * np.pi * hz * np.arange(16000) / 16000)[INNER]
        assert abs(decibels(rms(heard) / rms(wanted))) < 0.02, hz
        assert decibels(rms(heard - wanted) / rms(wanted)) < -55, hz


@given(st.integers(0, 200_000), st.sampled_from([*RATES, 44056, 192000]))
def test_length_is_rounded(length: int, rate: int) -> None:
    assert abs(resampled_length(length, rate, 16000) - length * 16000 / rate) <= 0.5


@settings(max_examples=30)
@given(st.integers(1, 700), st.sampled_from([8000, 11025, 44100, 48000, 44056, 44101]))
def test_any_length_and_rate_works(length: int, rate: int) -> None:
    heard = resample(np.ones(length), rate, 16000)
    assert heard.shape == (resampled_length(length, rate, 16000),)
    assert np.isfinite(heard).all()


def test_constant_stays_constant() -> None:
    heard = resample(np.full(44100, 0.25), 44100, 16000)[INNER]
    np.testing.assert_allclose(heard, 0.25, atol=1e-6)


def test_equal_rates_change_nothing() -> None:
    samples = chirp(16000).astype(np.float32)
    assert resample(samples, 16000, 16000) is samples
