"""Towers are read when the first picture or clip comes, and can be let go."""

from __future__ import annotations

import gc
import os
import shutil
import threading
import weakref

import mlx.core as mx
import numpy as np
import pytest

from gemma4_mlx.errors import CheckpointError, ModelNotFoundError, WeightsError
from gemma4_mlx.loading import load_model
from gemma4_mlx.model import Gemma4
from gemma4_mlx.towers import AUDIO, VISION
from gemma4_mlx.weights import parameters
from tests.parity.cases import Case, Clip, Image, Piece, Text
from tests.parity.recipe import write_checkpoint


def asked(*pieces: Piece) -> dict[str, np.ndarray]:
    return Case("e2b-like", "lazy", (Text(4), *pieces, Text(4)), 1).inputs()


PICTURE, CLIP = asked(Image(6, 6)), asked(Clip(40))
TEXT = asked()


def logits(model: Gemma4, inputs: dict[str, np.ndarray]) -> np.ndarray:
    return np.array(model(**inputs))


def tower_bytes(model: Gemma4, *paths: str) -> int:
    roots = tuple(f"{path}." for path in paths)
    return sum(array.nbytes for name, array in parameters(model).items() if name.startswith(roots))


def active_bytes() -> int:
    gc.collect()
    return mx.get_active_memory()


@pytest.fixture(scope="module")
def expected(tiny_folder):
    """Logits of a model that had every weight in memory from the beginning."""
    model = load_model(tiny_folder, dtype=mx.float32)
    mx.eval(model.parameters())
    return {"picture": logits(model, PICTURE), "clip": logits(model, CLIP)}


@pytest.mark.usefixtures("exact_memory")
def test_pain_49_each_tower_comes_with_what_it_is_for_and_goes_when_told(tiny_folder, expected):
    model = load_model(tiny_folder, dtype=mx.float32)
    vision, audio = tower_bytes(model, *VISION), tower_bytes(model, *AUDIO)
    logits(model, TEXT)
    without = active_bytes()
    for _ in range(2):
        assert model.towers.present == frozenset()
        np.testing.assert_array_equal(logits(model, PICTURE), expected["picture"])
        assert model.towers.present == frozenset(VISION)
        assert active_bytes() - without == pytest.approx(vision, rel=0.05)
        np.testing.assert_array_equal(logits(model, CLIP), expected["clip"])
        assert active_bytes() - without == pytest.approx(vision + audio, rel=0.05)
        model.release_towers()
        assert active_bytes() == without


def test_towers_stay_between_pictures(tiny_folder, monkeypatch):
    model = load_model(tiny_folder)
    logits(model, PICTURE)
    kept = list(parameters(model.vision_tower).values())
    logits(model, PICTURE)
    now = parameters(model.vision_tower).values()
    assert all(one is other for one, other in zip(kept, now, strict=True))


def test_letting_go_of_nothing_is_fine(tiny_folder):
    model = load_model(tiny_folder)
    model.release_towers()
    model.release_towers()
    assert logits(model, TEXT).shape[-1] == 288


def test_the_parameters_of_a_tower_are_right_before_it_is_needed(tiny, tiny_folder):
    model = load_model(tiny_folder, dtype=mx.float32)
    logits(tiny, PICTURE)
    first, second = (parameters(each.vision_tower) for each in (model, tiny))
    assert first.keys() == second.keys()
    assert all(mx.array_equal(first[name], second[name]) for name in first)


def test_pain_45_a_tower_is_read_on_the_thread_that_needs_it(tiny_folder, expected):
    """Loaded on one thread and first looked with on another, whose streams are others."""
    model = load_model(tiny_folder, dtype=mx.float32)
    seen: list[np.ndarray] = []

    def look() -> None:
        seen.append(logits(model, PICTURE))
        mx.clear_streams()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    np.testing.assert_array_equal(seen[0], expected["picture"])
    # And back: what the other thread read is evaluated, and belongs to nobody.
    np.testing.assert_array_equal(logits(model, PICTURE), expected["picture"])


@pytest.fixture
def folder(tiny_folder, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(tiny_folder, tmp_path / "mine")


def test_a_file_that_is_gone_by_then_is_an_error_and_text_goes_on(folder):
    model = load_model(folder, dtype=mx.float32)
    before = logits(model, TEXT)
    weights = folder / "model.safetensors"
    hidden = weights.rename(folder / "elsewhere")
    with pytest.raises(ModelNotFoundError, match=r"has no model\.safetensors"):
        logits(model, PICTURE)
    np.testing.assert_array_equal(logits(model, TEXT), before)
    hidden.rename(weights)
    assert logits(model, PICTURE).shape[-1] == 288


def test_a_file_that_is_cut_short_by_then_is_an_error(folder):
    model = load_model(folder)
    weights = folder / "model.safetensors"
    os.truncate(weights, weights.stat().st_size - 100)
    with pytest.raises(CheckpointError, match="its header says"):
        logits(model, PICTURE)


def test_a_file_of_another_model_by_then_is_an_error(folder, tmp_path):
    model = load_model(folder)
    other = write_checkpoint(tmp_path / "26b-like", "26b-like")
    shutil.copy(other / "model.safetensors", folder)
    with pytest.raises(WeightsError, match="tensors do not fit the model"):
        logits(model, PICTURE)


def test_a_model_is_freed_without_the_garbage_collector(tiny_folder):
    model = load_model(tiny_folder)
    logits(model, PICTURE)
    gc.disable()
    try:
        alive = weakref.ref(model)
        del model
        assert alive() is None
    finally:
        gc.enable()
