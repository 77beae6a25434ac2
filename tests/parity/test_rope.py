"""Rotary embeddings of both layer kinds against the reference's tables, far out as well."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest

from gemma4_mlx.config import RopeSpec
from gemma4_mlx.rope import Rope
from tests.parity import golden

KINDS = {
    "sliding_attention": RopeSpec(theta=10_000.0),
    "full_attention": RopeSpec(theta=1_000_000.0, rotated_fraction=0.25),
}

TABLES = golden.load("rope")


def turned(kind: str, position: int) -> np.ndarray:
    """What becomes of a head whose first half is one and whose second is zero."""
    head_dim = TABLES[f"{kind}.cos"].shape[1]
    halves = mx.repeat(mx.array([1.0, 0.0]), head_dim // 2)
    return np.array(Rope(head_dim, KINDS[kind])(halves[None, None, None], position))[0, 0, 0]


@pytest.mark.parametrize("index", range(len(TABLES["positions"])), ids=TABLES["positions"].tolist())
@pytest.mark.parametrize("kind", KINDS)
def test_pain_26_angles_are_the_reference_s(kind, index):
    position = int(TABLES["positions"][index])
    cos, sin = (np.split(TABLES[f"{kind}.{name}"][index], 2)[0] for name in ("cos", "sin"))
    rounding = 1e-6 + position * 2.0**-23  # of the angle, in float32
    np.testing.assert_allclose(
        turned(kind, position), np.concatenate([cos, sin]), atol=rounding, rtol=0
    )


def test_pain_26_only_a_quarter_of_a_full_head_turns():
    moving = np.abs(turned("full_attention", 8191) - turned("full_attention", 0)) > 0
    cosines, sines = np.split(moving, 2)
    assert sines.sum() == 64
    assert not cosines[64:].any() and not sines[64:].any()
