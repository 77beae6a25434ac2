"""What a checkpoint says about its pictures, clips and videos: processor_config.json.

Reference: transformers `processing_gemma4.py`, `image_processing_gemma4.py`,
`video_processing_gemma4.py`, `feature_extraction_gemma4.py` (constructor arguments).
Differs: a value that would change the numbers in a way this project does not implement is an
error that names it; keys that mean nothing here are logged. A missing section falls back to
the published values only where the architecture leaves no other choice.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from gemma4_mlx.config import ModelConfig, VisionConfig
from gemma4_mlx.errors import ConfigError
from gemma4_mlx.json_file import read_json_object
from gemma4_mlx.messages import IMAGE_TOKEN_BUDGETS, PUBLISHED_IMAGE_TOKENS

_LOG = logging.getLogger(__name__)

_Pictures = TypeVar("_Pictures", bound="ImageSettings")


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """How pictures are cut.

    Attributes:
        max_soft_tokens: the budget of a picture that asks for none.
        patch_size: side of a patch, in pixels.
        pooling_kernel_size: patches along each side of a soft token.
    """

    max_soft_tokens: int = PUBLISHED_IMAGE_TOKENS
    patch_size: int = 16
    pooling_kernel_size: int = 3

    @property
    def cell(self) -> int:
        """Side of the square that becomes one soft token, in pixels."""
        return self.patch_size * self.pooling_kernel_size


@dataclass(frozen=True, slots=True)
class VideoSettings(ImageSettings):
    """How videos are sampled, and how their frames are cut.

    Attributes:
        max_soft_tokens: the budget of each frame.
        num_frames: how many the model sees at most.
    """

    max_soft_tokens: int = 70
    num_frames: int = 32


@dataclass(frozen=True, slots=True)
class AudioSettings:
    """How clips become log-mel frames.

    Attributes:
        feature_size: mel bins, F.
        sampling_rate: in Hz.
        frame_length, hop_length, fft_length: in samples.
        min_frequency, max_frequency: of the mel filters, in Hz.
        mel_floor: added before the logarithm.
    """

    feature_size: int = 128
    sampling_rate: int = 16000
    frame_length: int = 320
    hop_length: int = 160
    fft_length: int = 512
    min_frequency: float = 0.0
    max_frequency: float = 8000.0
    mel_floor: float = 0.001


# Keys that change the numbers, with the only values that this project computes with.
_FIXED_IMAGE_VALUES: Mapping[str, Any] = {
    "do_convert_rgb": True,
    "do_resize": True,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "resample": 3,
}
_FIXED_VIDEO_VALUES: Mapping[str, Any] = {"do_sample_frames": True, "fps": None}
_FIXED_IF_NORMALIZED: Mapping[str, Any] = {
    "image_mean": [0.0, 0.0, 0.0],
    "image_std": [1.0, 1.0, 1.0],
}
_FIXED_AUDIO_VALUES: Mapping[str, Any] = {
    "dither": 0.0,
    "fft_overdrive": False,
    "input_scale_factor": 1.0,
    "padding_side": "right",
    "padding_value": 0.0,
    "per_bin_mean": None,
    "per_bin_stddev": None,
    "preemphasis": 0.0,
}
# Keys that are known and change nothing here.
_IDLE_KEYS = {
    *("image_processor_type", "feature_extractor_type", "processor_class", "image_seq_length"),
    *("video_processor_type", "return_metadata"),
    *("do_normalize", "preemphasis_htk_flavor", "return_attention_mask", "return_tensors"),
    *("data_format", "input_data_format", "device", "size", "default_to_square", "crop_size"),
    *("do_center_crop", "do_pad", "pad_size", "disable_grouping"),
}


def image_settings(folder: Path, config: ModelConfig) -> ImageSettings:
    """Read how a checkpoint that sees wants its pictures.

    Without the section, patches are as the vision tower needs them and the budget is the one
    that config.json names.

    Raises:
        ConfigError: the section is broken, asks for something else than Gemma 4 does, does not
            fit the vision tower, or no file names the budget.
    """
    vision = config.vision_config
    if vision is None:
        raise ConfigError("this checkpoint has no vision tower")
    section, origin = _section(folder, "image_processor", marker="max_soft_tokens")
    if section is None:
        return _settings_of_tower(folder, config, vision)
    return _picture_settings(ImageSettings(), section, origin, vision)


def video_settings(folder: Path, config: ModelConfig) -> VideoSettings:
    """Read how a checkpoint that sees wants its videos.

    Without the section they are the published ones, in patches as the vision tower needs them.

    Raises:
        ConfigError: the section is broken, asks for something else than Gemma 4 does or does not
            fit the vision tower.
    """
    vision = config.vision_config
    if vision is None:
        raise ConfigError("this checkpoint has no vision tower")
    section, origin = _section(folder, "video_processor", marker="num_frames")
    if section is None:
        return VideoSettings(
            patch_size=vision.patch_size, pooling_kernel_size=vision.pooling_kernel_size
        )
    _check_fixed(section, _FIXED_VIDEO_VALUES, origin)
    return _picture_settings(VideoSettings(), section, origin, vision)


def audio_settings(folder: Path, config: ModelConfig) -> AudioSettings:
    """Read how a checkpoint that hears wants its clips.

    Every Gemma 4 that hears was trained on the same frames, so without the section they are
    the published ones.

    Raises:
        ConfigError: the section is broken or asks for something else than Gemma 4 does.
    """
    if config.audio_config is None:
        raise ConfigError("this checkpoint has no audio tower")
    section, origin = _section(folder, "feature_extractor", marker="feature_size")
    if section is None:
        _LOG.warning("%s: no feature_extractor section; taking the published values", folder)
        return AudioSettings()
    _check_fixed(section, _FIXED_AUDIO_VALUES, origin)
    section = _in_samples(section, origin)
    defaults = AudioSettings()
    names = AudioSettings.__dataclass_fields__
    _log_unknown(section, {*names, *_FIXED_AUDIO_VALUES}, origin)
    return AudioSettings(
        **{name: _number(section, name, getattr(defaults, name), origin) for name in names}
    )


def _section(folder: Path, name: str, *, marker: str) -> tuple[dict[str, Any] | None, str]:
    """A section of processor_config.json, or all of an older, flat preprocessor_config.json."""
    path = folder / "processor_config.json"
    if path.is_file():
        section = read_json_object(path, ConfigError).get(name)
        if section is not None:
            if not isinstance(section, dict):
                raise ConfigError(f"{path}: {name} must be an object, not {type(section).__name__}")
            return section, f"{path}: {name}"
    path = folder / "preprocessor_config.json"
    if path.is_file():
        flat = read_json_object(path, ConfigError)
        if marker in flat:
            return flat, str(path)
    return None, ""


def _picture_settings(
    published: _Pictures, section: Mapping[str, Any], origin: str, vision: VisionConfig
) -> _Pictures:
    """Settings of pictures or frames, from their section."""
    _check_fixed(section, _FIXED_IMAGE_VALUES, origin)
    if section.get("do_normalize"):
        _check_fixed(section, _FIXED_IF_NORMALIZED, origin)
    numbers = asdict(published)
    fixed = {*_FIXED_IMAGE_VALUES, *_FIXED_IF_NORMALIZED, *_FIXED_VIDEO_VALUES}
    _log_unknown(section, {*numbers, *fixed}, origin)
    given = {key: _number(section, key, default, origin) for key, default in numbers.items()}
    settings = replace(published, **given)
    _check_budget(settings.max_soft_tokens, f"{origin}.max_soft_tokens")
    for name in ("patch_size", "pooling_kernel_size"):
        ours, tower = getattr(settings, name), getattr(vision, name)
        if ours != tower:
            raise ConfigError(f"{origin}.{name} is {ours}, but vision_config.{name} is {tower}")
    return settings


def _settings_of_tower(folder: Path, config: ModelConfig, vision: VisionConfig) -> ImageSettings:
    raw_vision = config.raw.get("vision_config") or {}
    budget = raw_vision.get("default_output_length", config.raw.get("vision_soft_tokens_per_image"))
    if budget is None:
        raise ConfigError(
            f"{folder} does not say how many soft tokens a picture gets: no image_processor "
            "section in processor_config.json, no vision_config.default_output_length in "
            "config.json",
            "copy processor_config.json from the original checkpoint",
        )
    _check_budget(budget, "vision_config.default_output_length")
    _LOG.warning("%s: no image_processor section; taking the values of config.json", folder)
    return ImageSettings(budget, vision.patch_size, vision.pooling_kernel_size)


def _check_budget(budget: Any, name: str) -> None:
    if budget not in IMAGE_TOKEN_BUDGETS:
        choices = ", ".join(map(str, IMAGE_TOKEN_BUDGETS))
        raise ConfigError(f"{name} is {budget!r}: expected one of {choices}")


def _check_fixed(section: Mapping[str, Any], fixed: Mapping[str, Any], origin: str) -> None:
    for key, expected in fixed.items():
        value = section.get(key, expected)
        if value != expected:
            raise ConfigError(
                f"{origin}.{key} is {value!r}: this version computes with {expected!r} only",
                "published Gemma 4 checkpoints have that value; was the file edited?",
            )


def _log_unknown(section: Mapping[str, Any], known: set[str], origin: str) -> None:
    unknown = sorted(set(section) - known - _IDLE_KEYS)
    if unknown:
        _LOG.warning("%s: not known to this version, so not used: %s", origin, ", ".join(unknown))


def _in_samples(section: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """The section with lengths in samples, where it gives milliseconds."""
    section = dict(section)
    for name in ("frame_length", "hop_length"):
        duration_ms = section.pop(f"{name}_ms", None)
        if duration_ms is not None:
            rate = _number(section, "sampling_rate", 16000, origin)
            section.setdefault(name, round(rate * duration_ms / 1000))
    return section


def _number(section: Mapping[str, Any], name: str, default: Any, origin: str) -> Any:
    """A positive number of the default's kind (`min_frequency` may be 0)."""
    value = section.get(name, default)
    kinds = (int, float) if isinstance(default, float) else (int,)
    lowest = 0 if name == "min_frequency" else 1e-12
    if isinstance(value, bool) or not isinstance(value, kinds) or value < lowest:
        kind = "a number" if isinstance(default, float) else "a whole number"
        raise ConfigError(f"{origin}.{name} is {value!r}: expected {kind} above 0")
    return value
