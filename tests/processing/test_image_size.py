"""The resize rule against the reference, for every budget."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.messages import IMAGE_TOKEN_BUDGETS
from gemma4_mlx.processing import image_cost
from tests.processing.patterns import GOLDENS
from tests.tiny_checkpoint import DATA

sides = st.integers(1, 20000)


def test_pain_03_seen_size_and_tokens_equal_the_reference_for_all_budgets() -> None:
    rows = json.loads((GOLDENS / "image_sizes.json").read_text())
    assert {row[2] for row in rows} == set(IMAGE_TOKEN_BUDGETS)
    for width, height, budget, seen_width, seen_height in rows:
        cost = image_cost(width, height, budget)
        assert (cost.seen_width, cost.seen_height) == (seen_width, seen_height), (width, height)
        assert cost.tokens == seen_width * seen_height // 48**2
        assert cost.image_tokens == budget


def test_pain_03_published_examples_hold() -> None:
    for example in json.loads((DATA / "media_examples.json").read_text())["images"]:
        cost = image_cost(example["w"], example["h"], example["budget"])
        assert (cost.seen_width, cost.seen_height) == (example["out_w"], example["out_h"])
        assert cost.tokens == example["soft_tokens"]


@given(sides, sides, st.sampled_from(IMAGE_TOKEN_BUDGETS))
def test_cost_stays_in_the_budget(width: int, height: int, budget: int) -> None:
    cost = image_cost(width, height, budget)
    assert 1 <= cost.tokens <= budget
    assert cost.seen_width % 48 == cost.seen_height % 48 == 0
    assert cost.tokens == (cost.seen_width // 48) * (cost.seen_height // 48)


@given(sides, sides)
def test_pain_03_auto_is_the_smallest_budget_that_does_not_shrink(width: int, height: int) -> None:
    def shrinks(budget: int) -> bool:
        cost = image_cost(width, height, budget)
        return cost.seen_width < width or cost.seen_height < height

    chosen = image_cost(width, height, "auto").image_tokens
    assert chosen == next((b for b in IMAGE_TOKEN_BUDGETS if not shrinks(b)), 1120)


@pytest.mark.parametrize(
    ("size", "budget"),
    [
        ((300, 200), 70),
        ((384, 384), 70),
        ((385, 384), 140),
        ((768, 768), 280),
        ((4032, 3024), 1120),
    ],
)
def test_auto_examples(size: tuple[int, int], budget: int) -> None:
    assert image_cost(*size, "auto").image_tokens == budget


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (0, 0)])
def test_no_pixels_is_an_error(size: tuple[int, int]) -> None:
    with pytest.raises(AttachmentError, match="nothing to see"):
        image_cost(*size, 280)
