"""mlx-lm and mlx-vlm on the same tiny checkpoints, where they are installed: `make oracle`.

Text must agree. Where pictures see themselves (26B-A4B, 31B), mlx-vlm 0.7 lets them do so on full
layers and past the window, too; there its distance from the reference is printed beside ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

import gemma4_mlx as g4
from tests.parity import golden, ours
from tests.parity.cases import Case, cases
from tests.parity.configs import CONFIGS
from tests.parity.recipe import write_checkpoint

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]

AGREEMENT = 1e-3


def case_of(checkpoint: str, name: str) -> Case:
    return next(c for c in cases() if (c.checkpoint, c.name) == (checkpoint, name))


@pytest.fixture(scope="module", params=CONFIGS)
def checkpoint(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def folder(checkpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_checkpoint(tmp_path_factory.mktemp("oracle") / checkpoint, checkpoint)
    # mlx-lm takes the size of the vocabulary from the top level.
    config = json.loads((folder / "config.json").read_text())
    config["vocab_size"] = config["text_config"]["vocab_size"]
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return g4.load_model(folder, dtype=mx.float32)


def load_with(package: str, folder: Path) -> Callable[..., np.ndarray]:
    """The other library's model, as a function from inputs to logits [L, V]."""
    utils = pytest.importorskip(f"{package}.utils")
    loaded = utils.load_model(folder)
    other = loaded[0] if isinstance(loaded, tuple) else loaded

    def logits(**inputs: np.ndarray) -> np.ndarray:
        output = other(**{name: mx.array(array) for name, array in inputs.items()})
        return np.array(getattr(output, "logits", output).astype(mx.float32))[0]

    return logits


@pytest.mark.parametrize("package", ["mlx_lm", "mlx_vlm"])
def test_text_agrees(package: str, checkpoint: str, folder: Path, model: Any):
    inputs = case_of(checkpoint, "text").inputs()
    ids = inputs["input_ids"]
    theirs = load_with(package, folder)
    asked = {"inputs": ids} if package == "mlx_lm" else {"input_ids": ids}
    error = golden.error(ours.logits(model, {"input_ids": ids}), theirs(**asked))
    assert error.largest < AGREEMENT, str(error)


def test_two_pictures_beside_mlx_vlm(
    checkpoint: str, folder: Path, model: Any, record_property: Callable[[str, object], None]
):
    case = case_of(checkpoint, "two_images")
    expected, inputs = golden.load(case)["logits"], case.inputs()
    mine = golden.error(golden.sample("logits", ours.logits(model, inputs)), expected)
    theirs = golden.error(golden.sample("logits", load_with("mlx_vlm", folder)(**inputs)), expected)
    record_property("ours", str(mine))
    record_property("mlx-vlm", str(theirs))
    print(f"{case}: ours {mine}; mlx-vlm {theirs}")  # noqa: T201 - shown by `make oracle`
    assert mine.passes
    if not CONFIGS[checkpoint]["text_config"]["use_bidirectional_attention"]:
        assert theirs.largest < AGREEMENT
