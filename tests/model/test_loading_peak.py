"""What loading takes on its way: the weights, and hardly more."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest

from gemma4_mlx.loading import load_model
from gemma4_mlx.weights import parameters
from tests.parity import recipe
from tests.parity.configs import CONFIGS

ALLOWANCE = 0.05
E2B_LIKE = {
    "hidden_size": 512,
    "hidden_size_per_layer_input": 128,
    "intermediate_size": 2048,
    "vocab_size": 12000,
    "vocab_size_per_layer_input": 12000,
}
EXPERTS = {"hidden_size": 512, "num_experts": 16, "moe_intermediate_size": 256}
DTYPES = [mx.float32, mx.bfloat16]


def write(folder: Path, checkpoint: str, text: dict[str, Any]) -> Path:
    """A checkpoint of some size by the published names, in bf16; its values do not matter."""
    config = CONFIGS[checkpoint]
    larger = {**config, "text_config": {**config["text_config"], **text}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(CONFIGS, checkpoint, larger)
        shapes = dict(recipe.shapes(checkpoint))
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(larger))
    tensors = {name: mx.ones(shape, mx.bfloat16) for name, shape in shapes.items()}
    mx.save_safetensors(str(folder / "model.safetensors"), tensors)
    return folder


@pytest.fixture(scope="module")
def e2b_like(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("peak") / "e2b-like", "e2b-like", E2B_LIKE)


def load_bytes(folder: Path, dtype: mx.Dtype, **options: Any) -> tuple[int, int, int]:
    """Of the decoder's parameters, of what is held after loading, and of what was on the way."""
    gc.collect()
    mx.clear_cache()
    mx.reset_peak_memory()
    before = mx.get_active_memory()
    model = load_model(folder, dtype=dtype, **options)
    held, peak = mx.get_active_memory() - before, mx.get_peak_memory() - before
    assert mx.get_cache_memory() < 0.01 * held
    decoder = parameters(model.language_model).values()
    return sum(array.nbytes for array in decoder), held, peak


@pytest.mark.parametrize("table", ["resident", "mapped"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_pain_62_loading_takes_the_weights_and_hardly_more(e2b_like, dtype, table):
    """Cast or not, a weight is never in memory twice beside all others."""
    weights, held, peak = load_bytes(e2b_like, dtype, per_layer_table=table)
    assert weights > 70e6
    assert held == pytest.approx(weights, rel=0.01)
    assert weights <= peak < weights * (1 + ALLOWANCE)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_pain_62_stacked_experts_are_split_without_keeping_the_whole(tmp_path, dtype):
    folder = write(tmp_path / "26b-like", "26b-like", EXPERTS)
    weights, held, peak = load_bytes(folder, dtype)
    fused = mx.load(str(folder / "model.safetensors"))
    largest = max(array.nbytes for array in fused.values())
    assert held == pytest.approx(weights, rel=0.01)
    assert peak < weights * (1 + ALLOWANCE) + largest


RESIDENT_SET = """
import sys
import mlx.core as mx
from gemma4_mlx.loading import load_model

def resident_bytes(key):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(key))

before = resident_bytes("VmRSS")
model = load_model(sys.argv[1], dtype=mx.float32)
print(mx.get_active_memory(), resident_bytes("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_pain_62_the_process_takes_no_more_than_that(e2b_like):
    """The system's own count, in a process that does nothing else."""
    command = [sys.executable, "-c", RESIDENT_SET, str(e2b_like)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    weights, resident = map(int, done.stdout.split())
    assert weights > 200e6
    assert resident < weights * (1 + ALLOWANCE)
