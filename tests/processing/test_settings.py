"""processor_config.json: what is read, what is refused, what falls back."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from gemma4_mlx.config import ModelConfig
from gemma4_mlx.errors import ConfigError
from gemma4_mlx.processing.settings import (
    AudioSettings,
    ImageSettings,
    audio_settings,
    image_settings,
)
from tests.tiny_checkpoint import edit_json


def images_of(folder: Path) -> ImageSettings:
    return image_settings(folder, ModelConfig.from_folder(folder))


def audio_of(folder: Path) -> AudioSettings:
    return audio_settings(folder, ModelConfig.from_folder(folder))


def edit_section(folder: Path, name: str, **changes: Any) -> None:
    path = folder / "processor_config.json"
    section = json.loads(path.read_text())[name]
    edit_json(path, **{name: {**section, **changes}})


def test_published_file(checkpoint: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert images_of(checkpoint) == ImageSettings(280, 16, 3)
    assert audio_of(checkpoint) == AudioSettings()
    assert not caplog.records


def test_values_are_read(checkpoint: Path) -> None:
    edit_section(checkpoint, "image_processor", max_soft_tokens=560)
    edit_section(checkpoint, "feature_extractor", mel_floor=0.01, max_frequency=7600)
    assert images_of(checkpoint).max_soft_tokens == 560
    assert audio_of(checkpoint) == AudioSettings(mel_floor=0.01, max_frequency=7600)


def test_lengths_in_milliseconds(checkpoint: Path) -> None:
    path = checkpoint / "processor_config.json"
    section = json.loads(path.read_text())["feature_extractor"]
    del section["frame_length"], section["hop_length"]
    edit_json(path, feature_extractor={**section, "frame_length_ms": 20.0, "hop_length_ms": 10.0})
    assert audio_of(checkpoint) == AudioSettings()


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("image_processor", "resample", 2),
        ("image_processor", "do_resize", False),
        ("image_processor", "rescale_factor", 0.5),
        ("image_processor", "max_soft_tokens", 300),
        ("image_processor", "max_soft_tokens", "280"),
        ("image_processor", "patch_size", 14),
        ("image_processor", "pooling_kernel_size", 2),
        ("feature_extractor", "dither", 0.1),
        ("feature_extractor", "preemphasis", 0.97),
        ("feature_extractor", "per_bin_mean", [0.0] * 128),
        ("feature_extractor", "fft_length", 512.5),
        ("feature_extractor", "sampling_rate", 0),
        ("feature_extractor", "mel_floor", "small"),
    ],
)
def test_pain_10_a_value_that_changes_the_numbers_is_named(
    checkpoint: Path, section: str, key: str, value: Any
) -> None:
    edit_section(checkpoint, section, **{key: value})
    read = images_of if section == "image_processor" else audio_of
    with pytest.raises(ConfigError, match=f"processor_config.json: {section}.{key} is"):
        read(checkpoint)


def test_mean_and_deviation_count_only_when_used(checkpoint: Path) -> None:
    edit_section(checkpoint, "image_processor", image_mean=[0.5, 0.5, 0.5])
    assert images_of(checkpoint) == ImageSettings()
    edit_section(checkpoint, "image_processor", do_normalize=True)
    with pytest.raises(ConfigError, match="image_mean"):
        images_of(checkpoint)


def test_unknown_keys_are_reported_and_do_not_break(
    checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    edit_section(checkpoint, "image_processor", sharpness=3)
    edit_section(checkpoint, "feature_extractor", echo=True)
    with caplog.at_level(logging.WARNING):
        assert images_of(checkpoint) == ImageSettings()
        assert audio_of(checkpoint) == AudioSettings()
    assert [word in caplog.text for word in ("sharpness", "echo")] == [True, True]


def test_pain_10_audio_without_its_section_takes_the_published_values(
    checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    edit_json(checkpoint / "processor_config.json", feature_extractor=None)
    assert audio_of(checkpoint) == AudioSettings()
    assert "feature_extractor" in caplog.text


def test_pain_01_pictures_without_their_section_take_what_config_json_fixes(
    checkpoint: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (checkpoint / "processor_config.json").unlink()
    config = checkpoint / "config.json"
    vision = json.loads(config.read_text())["vision_config"]
    edit_json(config, vision_config={**vision, "default_output_length": 140})
    assert images_of(checkpoint) == ImageSettings(140, 16, 3)
    assert "image_processor" in caplog.text
    del vision["default_output_length"]
    edit_json(config, vision_config=vision, vision_soft_tokens_per_image=None)
    with pytest.raises(ConfigError, match="how many soft tokens") as error:
        images_of(checkpoint)
    assert error.value.hint


def test_older_flat_file_is_read(checkpoint: Path) -> None:
    path = checkpoint / "processor_config.json"
    sections = json.loads(path.read_text())
    path.unlink()
    flat = {**sections["image_processor"], **sections["feature_extractor"], "max_soft_tokens": 70}
    (checkpoint / "preprocessor_config.json").write_text(json.dumps(flat))
    assert images_of(checkpoint).max_soft_tokens == 70
    assert audio_of(checkpoint) == AudioSettings()


@pytest.mark.parametrize("content", ["{", "[]", '{"image_processor": []}', "\xff"])
def test_pain_01_broken_file_raises(checkpoint: Path, content: str) -> None:
    (checkpoint / "processor_config.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"processor_config\.json"):
        images_of(checkpoint)
