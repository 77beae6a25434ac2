"""`gemma4 ask` on a tiny 26B-like checkpoint, packed to 4 bits with routers in 8."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import pytest

from gemma4_mlx.config import ModelConfig
from gemma4_mlx.loading import find_checkpoint
from gemma4_mlx.model import Gemma4
from gemma4_mlx.weights import parameters
from tests.parity.configs import CONFIGS

EXAMPLES = Path(__file__).parents[2] / "examples"
PICTURE = EXAMPLES / "yellow-star-green-triangle.jpg"
ROUTER = {"group_size": 64, "bits": 8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights behind the bundled model's tokenizer, template and processor."""
    pocket, made = find_checkpoint("pocket"), tmp_path_factory.mktemp("packed") / "26b-like"
    shutil.copytree(pocket, made, ignore=shutil.ignore_patterns("*.safetensors", "config.json"))
    config = copy.deepcopy(CONFIGS["26b-like"])
    for name, value in json.loads((pocket / "config.json").read_text()).items():
        if name.endswith(("_token_id", "_token_index")):
            config[name] = value
    config["text_config"] |= {"vocab_size": 1024, "vocab_size_per_layer_input": 1024}
    mx.random.seed(0)
    model = Gemma4(ModelConfig.from_dict(config), {})
    routers: dict[str, dict[str, int]] = {}

    def chosen(path: str, module: nn.Module) -> bool | dict[str, int]:
        if not path.startswith("language_model.") or not hasattr(module, "to_quantized"):
            return False
        if not path.endswith("router.proj"):
            return {"group_size": 32, "bits": 4, "mode": "affine"}  # type: ignore[dict-item]
        routers[path] = ROUTER
        return ROUTER

    nn.quantize(model, class_predicate=chosen)
    block = {"group_size": 32, "bits": 4, "mode": "affine", **routers}
    config |= {"quantization": block, "quantization_config": block}
    (made / "config.json").write_text(json.dumps(config))
    mx.save_safetensors(str(made / "model.safetensors"), parameters(model), {"format": "mlx"})
    return made


def ask(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gemma4_mlx.cli", "ask", "-m", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_it_answers_about_a_picture(folder):
    done = ask(folder, "-a", str(PICTURE), "--json", "--max-tokens", "9", "What is this?")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert 1 <= told["usage"]["completion_tokens"] <= 9
    assert [(medium["kind"], medium["image_tokens"]) for medium in told["media"]] == [("image", 70)]
    again = ask(folder, "-a", str(PICTURE), "--json", "--max-tokens", "9", "What is this?")
    assert json.loads(again.stdout)["text"] == told["text"]


def test_it_has_no_ears_and_says_who_has(folder):
    done = ask(folder, "-a", str(EXAMPLES / "the-word-seven.wav"), "What is said?")
    assert done.returncode == 5
    assert "E2B" in done.stderr
    assert "E4B" in done.stderr
    assert done.stdout == ""
