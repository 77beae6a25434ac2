"""What is computed in which dtype: bf16 stays bf16, and five things are float32 in any case."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_flatten

from gemma4_mlx import layers
from gemma4_mlx.loading import load_model
from gemma4_mlx.text import decoder
from gemma4_mlx.text.experts import Router
from gemma4_mlx.vision import tower
from tests.parity.cases import Case, Clip, Image, Text
from tests.parity.recipe import write_checkpoint


@pytest.fixture(scope="module", params=["e2b-like", "26b-like"])
def checkpoint(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def folder(checkpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("dtypes") / checkpoint, checkpoint)


def prompt(checkpoint: str) -> dict[str, np.ndarray]:
    clip = (Clip(41),) if checkpoint.startswith("e") else ()
    pieces = (Text(5), Image(6, 6), Text(3), *clip, Text(20))
    return Case(checkpoint, "dtypes", pieces, salt=0).inputs()


@pytest.mark.parametrize("dtype", [mx.float32, mx.bfloat16])
def test_pain_41_no_module_leaves_the_dtype_of_the_weights(checkpoint, folder, dtype):
    model = load_model(folder, dtype=dtype)
    assert {p.dtype for _, p in tree_flatten(model.parameters())} == {dtype}
    seen: dict[str, mx.Dtype] = {}
    names = {id(module): name for name, module in model.named_modules()}
    classes = {type(module) for module in model.modules() if type(module) is not Router}

    def traced(cls: type):
        original = cls.__call__

        def call(self, *args, **kwargs):
            output = original(self, *args, **kwargs)
            rows = output[0] if isinstance(output, tuple) else output
            if isinstance(rows, mx.array) and id(self) in names:
                seen[names[id(self)]] = rows.dtype
            return output

        return mock.patch.object(cls, "__call__", call)

    patches = [traced(cls) for cls in classes if "__call__" in vars(cls)]
    for patch in patches:
        patch.start()
    try:
        logits = model(**prompt(checkpoint))
    finally:
        for patch in patches:
            patch.stop()
    assert logits.dtype == mx.float32
    assert seen.pop("") == mx.float32
    # The router's projection is part of the router, which is float32 throughout.
    others = {n: d for n, d in seen.items() if d != dtype and not n.endswith("router.proj")}
    assert not others
    assert len(seen) > 50


def test_pain_41_soft_cap_router_and_pooler_are_float32(checkpoint, folder):
    model = load_model(folder, dtype=mx.bfloat16)
    dtypes: dict[str, list[mx.Dtype]] = {"cap": [], "pool": [], "router": []}

    def spy(kind: str, function):
        def call(*args, **kwargs):
            output = function(*args, **kwargs)
            made = output[0] if isinstance(output, tuple) else output
            dtypes[kind].append(made.dtype)
            return output

        return call

    with (
        mock.patch.object(decoder, "soft_cap", spy("cap", layers.soft_cap)),
        mock.patch.object(tower, "pool_by_position", spy("pool", tower.pool_by_position)),
        mock.patch.object(Router, "__call__", spy("router", Router.__call__)),
    ):
        mx.eval(model(**prompt(checkpoint)))
    assert set(dtypes["cap"]) == set(dtypes["pool"]) == {mx.float32}
    assert set(dtypes["router"]) == ({mx.float32} if checkpoint == "26b-like" else set())


def test_bf16_is_close_to_float32(checkpoint, folder):
    inputs = prompt(checkpoint)
    exact = np.array(load_model(folder, dtype=mx.float32)(**inputs))
    rough = np.array(load_model(folder, dtype=mx.bfloat16)(**inputs))
    agreement = np.corrcoef(exact.ravel(), rough.ravel())[0, 1]
    assert agreement > 0.95  # a near tie between two experts may fall the other way


def test_pain_41_a_near_tie_survives_the_soft_cap():
    logits = mx.array([20.0, 20.03], dtype=mx.float32)
    capped = layers.soft_cap(logits.astype(mx.bfloat16), mx.array(30.0))
    assert capped.dtype == mx.float32
    exact = layers.soft_cap(logits, mx.array(30.0))
    assert int(mx.argmax(exact)) == 1


def test_a_gated_activation_is_rounded_once():
    random = np.random.default_rng(5)
    gate, up = (mx.array(random.normal(size=5000) * 3).astype(mx.bfloat16) for _ in range(2))
    x, y = (np.array(part.astype(mx.float32), dtype=np.float64) for part in (gate, up))
    exact = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) * y
    ours = np.array(layers.gated_gelu(gate, up).astype(mx.float32))
    np.testing.assert_allclose(ours, exact, rtol=2**-8, atol=1e-6)
