"""Log-mel frames against the reference's feature extractor."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gemma4_mlx.messages import AudioPart
from gemma4_mlx.processing import audio_cost, audio_soft_tokens
from gemma4_mlx.processing.audio import prepare_audio
from gemma4_mlx.processing.mel import log_mel, mel_frames
from gemma4_mlx.processing.settings import AudioSettings
from tests.processing.patterns import GOLDENS, chirp, clips
from tests.tiny_checkpoint import DATA

SETTINGS = AudioSettings()


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDENS / "log_mel.npz") as file:
        return dict(file)


@pytest.mark.parametrize("name", list(clips()))
def test_pain_10_log_mel_equals_the_reference(name: str, golden: dict[str, np.ndarray]) -> None:
    features, mask = log_mel(clips()[name], SETTINGS)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(mask, golden[f"{name}/mask"])
    np.testing.assert_allclose(features[::5], golden[name], atol=1e-4)
    assert (features[~mask] == 0).all()


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8000, 16000, 24000, 44100, 48000])
def test_pain_10_any_rate_gives_the_features_of_16_khz(
    rate: int, channels: int, golden: dict[str, np.ndarray]
) -> None:
    mono = chirp(rate)
    shares = np.linspace(0.5, 1.5, channels) if channels > 1 else np.ones(1)
    part = AudioPart(mono[:, None] * shares, rate)
    clip = prepare_audio(part, SETTINGS)
    np.testing.assert_array_equal(clip.mask, golden["chirp/mask"])
    # Off by most in bins that hold nothing: there, 0.2 is 105 dB below the chirp.
    difference = np.abs(clip.input_features[::5] - golden["chirp"])
    assert difference.max() < 0.2
    assert difference.mean() < 1e-3
    assert clip.tokens == 25
    assert clip.duration_s == 1.0


@pytest.mark.parametrize(("dtype", "scale"), [("int16", 2**15), ("int32", 2**31)])
def test_pain_10_integer_samples_are_scaled(dtype: str, scale: int) -> None:
    samples = (chirp(16000) * scale).astype(dtype)
    clip = prepare_audio(AudioPart(samples, 16000), SETTINGS)
    same = prepare_audio(AudioPart(samples / scale, 16000), SETTINGS)
    np.testing.assert_allclose(clip.input_features, same.input_features, atol=1e-5)


def test_pain_11_frames_and_soft_tokens_equal_the_reference() -> None:
    for length, frames, real, tokens in json.loads((GOLDENS / "audio_tokens.json").read_text()):
        _, mask = log_mel(np.zeros(length, np.float32), SETTINGS)
        assert (len(mask), int(mask.sum())) == (frames, real), length
        assert mel_frames(length) == real
        assert audio_soft_tokens(real) == audio_cost(length, 16000) == tokens, length


def test_pain_11_published_examples_hold() -> None:
    for example in json.loads((DATA / "media_examples.json").read_text())["audio"]:
        length = min(example["samples"], 480_000)
        assert mel_frames(length) == example["valid_frames"]
        assert audio_cost(length, 16000) == example["soft_tokens"]


def test_pain_11_soft_tokens_are_right_for_every_length() -> None:
    """Framing, padding, convolution lengths and mask subsampling, spelled out independently."""
    lengths = np.arange(400, 480_001)
    in_all = (lengths + -lengths % 128 + 160 - 321) // 160 + 1
    real = (lengths + 160 - 321) // 160 + 1
    by_conv = real
    for _ in range(2):
        by_conv = (by_conv + 2 - 3) // 2 + 1
    ours = {frames: audio_soft_tokens(frames) for frames in range(int(in_all.max()) + 1)}
    assert [ours[mel_frames(length, SETTINGS)] for length in lengths.tolist()] == by_conv.tolist()
    assert by_conv.max() == 750
    for frames, valid in set(zip(in_all.tolist(), real.tolist(), strict=True)):
        mask = np.arange(frames) < valid
        assert mask[::2][::2].sum() == ours[valid], (frames, valid)
