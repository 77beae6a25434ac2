"""Frames of a video are read as pictures are, each by itself."""

from __future__ import annotations

from functools import cache

import mlx.core as mx
import numpy as np
import pytest

from gemma4_mlx.errors import PlaceholderMismatchError, UsageError
from gemma4_mlx.generate import generate_tokens
from gemma4_mlx.inputs import ModelInputs
from gemma4_mlx.loading import load_model
from gemma4_mlx.memory import Choice
from tests.parity.configs import CONFIGS
from tests.parity.recipe import write_checkpoint

TOKENS = 3
"""Soft tokens of each frame."""


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    folder = tmp_path_factory.mktemp("video")
    return cache(lambda name: load_model(write_checkpoint(folder / name, name), dtype=mx.float32))


def ids(config, *soft_tokens):
    """A prompt in which runs of these stand between their marks."""
    begin, end = config["boi_token_id"], config["eoi_token_id"]
    runs = [token for soft in soft_tokens for token in (50, begin, *[soft] * TOKENS, end)]
    return np.array([[2, *runs, 60, 61]], np.int32)


def patches(*seeds):
    pixels = [np.random.default_rng(seed).random((9 * TOKENS, 768)) for seed in seeds]
    grid = [(column, row) for row in range(3) for column in range(3 * TOKENS)]
    return np.array(pixels, np.float32), np.array([grid] * len(seeds), np.int32)


@pytest.mark.parametrize("name", ["e2b-like", "26b-like"])
def test_a_frame_is_read_as_the_same_picture_is(load, name):
    model, config = load(name), CONFIGS[name]
    image, video = config["image_token_id"], config["video_token_id"]
    pixels, positions = patches(1, 2, 3)
    still = model(ids(config, image, image, image), pixels, positions)
    moving = model(
        ids(config, video, video, video),
        pixel_values_videos=pixels,
        video_position_ids=positions,
        mm_token_type_ids=np.isin(ids(config, video, video, video), [video]) * 2,
    )
    np.testing.assert_array_equal(np.array(moving), np.array(still))
    mixed = model(
        ids(config, video, image, video),
        pixels[1:2],
        positions[1:2],
        pixel_values_videos=pixels[[0, 2]],
        video_position_ids=positions[[0, 2]],
    )
    np.testing.assert_array_equal(np.array(mixed), np.array(still))


@pytest.mark.parametrize("name", ["e2b-like", "26b-like"])
def test_a_prompt_is_never_cut_inside_a_frame(load, name):
    model, config = load(name), CONFIGS[name]
    video = config["video_token_id"]
    pixels, positions = patches(1, 2, 3)
    prompt = ids(config, video, video, video)
    whole = model(prompt, pixel_values_videos=pixels, video_position_ids=positions)
    inputs = ModelInputs(
        prompt, np.zeros_like(prompt), pixel_values_videos=pixels, video_position_ids=positions
    )
    seen = []

    def sampler(logits):
        seen.append(np.array(logits))
        return logits.argmax(axis=-1)

    choice = Choice(chunk=4)
    list(generate_tokens(model, inputs, sampler=sampler, stop_ids=(), max_tokens=1, choice=choice))
    np.testing.assert_allclose(seen[0], np.array(whole)[:, -1], atol=1e-4)


def test_pain_02_frames_and_slots_pair_up(load):
    model, config = load("e2b-like"), CONFIGS["e2b-like"]
    video = config["video_token_id"]
    pixels, positions = patches(1, 2)
    for prompt in (ids(config, video), ids(config, video, video, video)):
        with pytest.raises(PlaceholderMismatchError, match="video"):
            model(prompt, pixel_values_videos=pixels, video_position_ids=positions)
    with pytest.raises(UsageError, match="2 exactly where input_ids is the video id"):
        model(
            ids(config, video, video),
            pixel_values_videos=pixels,
            video_position_ids=positions,
            mm_token_type_ids=np.zeros_like(ids(config, video, video)),
        )
