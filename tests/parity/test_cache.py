"""Prompts read in chunks through a cache, and greedy tokens from it, against the reference."""

from __future__ import annotations

import numpy as np
import pytest

from gemma4_mlx.prefill import plan_chunks
from gemma4_mlx.splice import slot_runs
from tests.parity import golden, ours
from tests.parity.cases import Case, cases
from tests.parity.configs import WINDOW

CHUNKS = (1, 3, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW)
STEPPED = WINDOW + 1
"""After chunks of this size the greedy tokens are read one by one, else in one piece."""
SOME_CHUNKS = (3, STEPPED)
LONG = ("text", "multi_turn")
"""Prompts of five windows and more, read in chunks of every size."""

every_case = pytest.mark.parametrize("case", cases(), ids=str)


@pytest.mark.parametrize(
    ("case", "size"),
    [
        pytest.param(case, size, id=f"{case}-{size}")
        for case in cases()
        for size in (CHUNKS if case.name in LONG else SOME_CHUNKS)
    ],
)
def test_pain_05_chunks_give_the_reference_s_logits_and_tokens(case: Case, size: int, load):
    model, expected = load(case.checkpoint), golden.load(case)
    cache = model.make_cache()
    logits = ours.chunked_logits(model, case.inputs(), size, cache)
    error = golden.error(golden.sample("logits", logits), expected["logits"])
    assert error.passes, str(error)
    if size == STEPPED:
        tokens = ours.greedy_through_cache(model, logits[-1], cache)
    else:
        tokens = ours.confirmed_through_cache(model, logits[-1], expected["greedy"], cache)
    np.testing.assert_array_equal(tokens, expected["greedy"])


@every_case
def test_pain_25_one_pass_with_a_cache_equals_one_without(case: Case, load):
    model, inputs = load(case.checkpoint), case.inputs()
    error = golden.error(ours.logits(model, inputs, model.make_cache()), ours.logits(model, inputs))
    assert error.passes, str(error)


@every_case
def test_pain_32_the_last_row_alone_is_the_reference_s(case: Case, load):
    model, expected, inputs = load(case.checkpoint), golden.load(case), case.inputs()
    inputs.pop("mm_token_type_ids")
    prompt, cache = model.embed(**inputs), model.make_cache()
    length = inputs["input_ids"].shape[1]
    pictures = slot_runs(inputs["input_ids"], model.config.image_token_id)
    for start, stop in plan_chunks(length, pictures, WINDOW + 1):
        rows = prompt.rows(start, stop)
        last = np.array(model.forward(rows, cache, last_row_only=True))[0]
    assert len(last) == 1
    error = golden.error(golden.sample("logits", last), expected["logits"][-1:])
    assert error.passes, str(error)
    tokens = ours.confirmed_through_cache(model, last[-1], expected["greedy"], cache)
    np.testing.assert_array_equal(tokens, expected["greedy"])
