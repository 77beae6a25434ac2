"""Experts against a loop over positions; what is sorted gives what is not."""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest

from gemma4_mlx.config import ExpertSpec
from gemma4_mlx.text.experts import SORTED_FROM, Experts, Router

SPEC = ExpertSpec(count=8, active=3, intermediate_size=12)
HIDDEN = 16
MOST_IN_ORDER = (SORTED_FROM - 1) // SPEC.active


class RouterConfig:
    hidden_size = HIDDEN
    rms_norm_eps = 1e-6


@pytest.fixture
def experts() -> Experts:
    mx.random.seed(0)
    return Experts(HIDDEN, SPEC)


def by_loop(experts: Experts, x: np.ndarray, shares: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    glu = experts.switch_glu
    gate, up, down = (np.array(p.weight) for p in (glu.gate_proj, glu.up_proj, glu.down_proj))
    result = np.zeros_like(x)
    for place in range(len(x)):
        for share, expert in zip(shares[place], chosen[place], strict=True):
            gated = np.array(nn.gelu_approx(mx.array(gate[expert] @ x[place])))
            result[place] += share * (down[expert] @ (gated * (up[expert] @ x[place])))
    return result


@pytest.mark.parametrize("length", [1, 2, MOST_IN_ORDER, MOST_IN_ORDER + 1, 100])
def test_each_position_is_read_by_its_experts(experts, length):
    random = np.random.default_rng(length)
    x = random.normal(size=(length, HIDDEN)).astype(np.float32)
    shares = random.uniform(size=(length, SPEC.active)).astype(np.float32)
    chosen = random.permuted(np.tile(np.arange(8), (length, 1)), axis=-1)[:, :3]
    made = experts(mx.array(x), mx.array(shares), mx.array(chosen.astype(np.uint32)))
    np.testing.assert_allclose(np.array(made), by_loop(experts, x, shares, chosen), atol=2e-4)


def test_sorted_and_unsorted_agree(experts):
    random = np.random.default_rng(1)
    rows = mx.array(random.normal(size=(40, HIDDEN)).astype(np.float32))
    chosen = mx.array(random.integers(0, 8, size=(40, 3)).astype(np.uint32))
    np.testing.assert_allclose(
        np.array(experts._sorted(rows, chosen)),
        np.array(experts._in_order(rows, chosen)),
        atol=1e-5,
    )


@pytest.mark.parametrize(("bits", "mode"), [(4, "affine"), (8, "affine"), (4, "mxfp4")])
@pytest.mark.parametrize("length", [2, 40])
def test_packed_experts_equal_their_dequantized_weights(bits, mode, length):
    mx.random.seed(3)
    spec = ExpertSpec(count=4, active=2, intermediate_size=32)
    plain, packed = Experts(64, spec), Experts(64, spec)
    nn.quantize(packed, group_size=32, bits=bits, mode=mode)
    for name in ("gate_proj", "up_proj", "down_proj"):
        module = packed.switch_glu[name]
        weight = mx.dequantize(
            module.weight,
            module.scales,
            module.get("biases"),
            group_size=32,
            bits=bits,
            mode=mode,
        )
        plain.switch_glu[name].weight = weight.astype(mx.float32)
    x = mx.random.normal((length, 64))
    shares = mx.random.uniform(shape=(length, 2))
    chosen = mx.random.randint(0, 4, (length, 2)).astype(mx.uint32)
    expected, made = plain(x, shares, chosen), packed(x, shares, chosen)
    np.testing.assert_allclose(np.array(made), np.array(expected), atol=1e-4)


def test_the_router_shares_out_by_a_softmax_over_the_chosen():
    mx.random.seed(2)
    router = Router(RouterConfig(), SPEC)
    router.per_expert_scale = mx.random.uniform(shape=(8,))
    router.scale = mx.random.uniform(shape=(HIDDEN,))
    x = mx.random.normal((5, HIDDEN)).astype(mx.bfloat16)
    shares, chosen = router(x)
    assert shares.dtype == mx.float32
    wide = np.array(x.astype(mx.float32))
    normed = wide / np.sqrt((wide**2).mean(-1, keepdims=True) + 1e-6)
    scores = (normed * np.array(router.scale) * HIDDEN**-0.5) @ np.array(router.proj.weight).T
    every = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    for place in range(5):
        best = np.argsort(-every[place])[:3]
        expected = every[place][best] / every[place][best].sum()
        expected = dict(zip(best, expected * np.array(router.per_expert_scale)[best], strict=True))
        made = dict(zip(np.array(chosen)[place], np.array(shares)[place], strict=True))
        assert made.keys() == expected.keys()
        for expert, share in made.items():
            assert share == pytest.approx(expected[expert], abs=1e-5)
