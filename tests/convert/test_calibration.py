"""What the modules of a model are given, against the same computed by hand."""

from __future__ import annotations

from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest

from convert.calibration import MOST_WINDOWS, WINDOW, mean_squared_inputs, text_windows
from convert.rounding import pack_rows
from gemma4_mlx.config import PackedFormat
from gemma4_mlx.inputs import ModelInputs
from gemma4_mlx.loading import load_model
from gemma4_mlx.model import Gemma4
from gemma4_mlx.recipes import packable_shapes
from gemma4_mlx.tokenizer import Tokenizer
from tests.parity.recipe import write_checkpoint

DATA = Path(__file__).parent.parent / "data"
LAYER = "language_model.model.layers.0"


def prompts(*lengths: int) -> list[ModelInputs]:
    rng = np.random.default_rng(1)
    ids = [rng.integers(3, 250, (1, length)).astype(np.int32) for length in lengths]
    return [ModelInputs(one, np.zeros_like(one)) for one in ids]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Gemma4]:
    root = tmp_path_factory.mktemp("calibration")
    return {
        name: load_model(write_checkpoint(root / name, name), dtype=mx.float32)
        for name in ("e2b-like", "26b-like")
    }


def floored(squares: np.ndarray) -> np.ndarray:
    return np.maximum(squares, 0.01 * squares.mean())


def test_the_first_layer_and_the_head_by_hand(models):
    model, given = models["e2b-like"], prompts(7, 12)
    found = mean_squared_inputs(model, given)
    decoder, rows, hidden = model.language_model.model, [], []
    for inputs in given:
        prompt = model.embed(inputs.input_ids)
        small = decoder.per_layer_inputs(prompt.token_ids, prompt.embeddings)
        rows.append(np.array(decoder.layers[0].input_layernorm(prompt.embeddings))[0])
        hidden.append(np.array(decoder(prompt.embeddings, small))[0])
    first, last = (floored((np.concatenate(part) ** 2).mean(axis=0)) for part in (rows, hidden))
    for name in ("q_proj", "k_proj", "v_proj"):
        np.testing.assert_allclose(found[f"{LAYER}.self_attn.{name}"], first, rtol=1e-5)
    np.testing.assert_allclose(found["language_model.model.embed_tokens"], last, rtol=1e-5)


@pytest.mark.parametrize("length", [5, 40])
def test_experts_count_what_any_of_them_was_given(models, length):
    # Short prompts are read in order, long ones sorted by expert: the sums are the same.
    model, (inputs,) = models["26b-like"], prompts(length)
    found = mean_squared_inputs(model, [inputs])
    seen = {}
    layer = model.layers[0]
    experts, chosen = layer.experts.switch_glu, layer.router

    class Spy(nn.Module):
        def __call__(self, x: mx.array) -> tuple[mx.array, mx.array]:
            seen["rows"] = np.array(layer.pre_feedforward_layernorm_2(x))
            shares, indices = chosen(x)
            seen["indices"] = np.array(indices)
            return shares, indices

    layer.router = Spy()
    model(inputs.input_ids)
    layer.router = chosen
    rows = mx.array(seen["rows"])
    expected = floored((seen["rows"] ** 2).mean(axis=0))
    path = f"{LAYER}.experts.switch_glu"
    np.testing.assert_allclose(found[f"{path}.gate_proj"], expected, rtol=1e-4)
    middle = []
    for row, active in zip(rows, seen["indices"], strict=True):
        for expert in active.tolist():
            gate, up = (
                getattr(experts, name).weight[expert] @ row for name in ("gate_proj", "up_proj")
            )
            middle.append(np.array(_gelu(gate) * up))
    expected = floored((np.stack(middle) ** 2).mean(axis=0))
    np.testing.assert_allclose(found[f"{path}.down_proj"], expected, rtol=1e-3)


def _gelu(x: mx.array) -> mx.array:
    return 0.5 * x * (1 + mx.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


@pytest.mark.parametrize("name", ["e2b-like", "26b-like"])
def test_every_text_weight_that_multiplies_is_heard(models, name):
    model = models[name]
    found = mean_squared_inputs(model, prompts(6))
    shapes = packable_shapes(model.config)
    silent = {"embed_vision.embedding_projection", "embed_audio.embedding_projection"}
    silent.add("language_model.model.embed_tokens_per_layer")
    assert found.keys() == shapes.keys() - silent
    assert {path: squares.shape for path, squares in found.items()} == {
        path: (shapes[path][-1],) for path in found
    }
    assert all(squares.min() > 0 for squares in found.values())


def test_the_model_is_left_as_it_was_even_by_an_error(models):
    model, (inputs,) = models["e2b-like"], prompts(9)
    before = [id(module) for module in model.modules()]
    logits = np.array(model(inputs.input_ids))
    first = mean_squared_inputs(model, [inputs])
    again = mean_squared_inputs(model, [inputs])
    assert all(mx.array_equal(first[path], again[path]) for path in first)

    def broken():
        yield inputs
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mean_squared_inputs(model, broken())
    assert [id(module) for module in model.modules()] == before
    np.testing.assert_array_equal(np.array(model(inputs.input_ids)), logits)


def test_a_column_that_saw_nothing_counts_a_hundredth_of_the_mean(models):
    model, weight = models["e2b-like"], models["e2b-like"].layers[0].input_layernorm.weight
    model.layers[0].input_layernorm.weight = mx.where(mx.arange(weight.size) == 3, 0, weight)
    found = np.array(mean_squared_inputs(model, prompts(6))[f"{LAYER}.self_attn.q_proj"])
    model.layers[0].input_layernorm.weight = weight
    others = np.delete(found, 3)
    assert found[3] == pytest.approx(0.01 * others.sum() / found.size, rel=1e-4)


def test_what_a_module_puts_out_is_kept_better(models):
    model = models["e2b-like"]
    path = f"{LAYER}.mlp.down_proj"
    importance = mean_squared_inputs(model, prompts(60))[path]
    weight, chosen = model.layers[0].mlp.down_proj.weight, PackedFormat(32, 3)

    def output_error(given: mx.array | None) -> float:
        weights, scales, biases = pack_rows(weight, chosen, given)
        made = mx.dequantize(weights, scales, biases, group_size=32, bits=3)
        return float((mx.square(made - weight) * importance).sum())

    assert output_error(importance) < output_error(None)


def test_a_text_is_cut_into_windows():
    tokenizer = Tokenizer.from_folder(DATA)
    windows = text_windows(tokenizer, "one two three " * 400)
    ids = [window.input_ids for window in windows]
    assert {one[0, 0] for one in ids} == {tokenizer.control.bos_token_id}
    assert [one.shape[1] for one in ids[:-1]] == [WINDOW] * (len(ids) - 1)
    assert tokenizer.decode(np.concatenate([one[0, 1:] for one in ids])) == "one two three " * 400
    assert len(text_windows(tokenizer, "word " * 60000)) == MOST_WINDOWS
    assert text_windows(tokenizer, "") == []
