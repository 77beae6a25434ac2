"""Each stage of our model against the reference's, in one pass without a cache."""

from __future__ import annotations

import numpy as np
import pytest

from tests.parity import golden, ours
from tests.parity.cases import Case, cases
from tests.parity.configs import CONFIGS
from tests.parity.recipe import fingerprint

every_case = pytest.mark.parametrize("case", cases(), ids=str)


@pytest.mark.parametrize("checkpoint", CONFIGS)
def test_recipe_makes_the_weights_that_the_reference_had(checkpoint):
    assert fingerprint(checkpoint) == str(golden.load("fingerprints")[checkpoint])


@every_case
def test_every_stage_is_the_reference_s(case: Case, load):
    expected = golden.load(case)
    made = ours.stages(load(case.checkpoint), case.inputs())
    assert made.keys() == expected.keys() - {"greedy"}
    errors = {
        stage: golden.error(golden.sample(stage, rows), expected[stage])
        for stage, rows in made.items()
    }
    wrong = {stage: str(error) for stage, error in errors.items() if not error.passes}
    assert not wrong, f"the first stage that differs: {next(iter(wrong.items()))}; all: {wrong}"


@every_case
def test_pain_25_greedy_tokens_without_a_cache_are_the_reference_s(case: Case, load):
    tokens = golden.load(case)["greedy"]
    predicted = ours.predicted_without_cache(load(case.checkpoint), case.inputs(), tokens)
    np.testing.assert_array_equal(predicted, tokens)


@pytest.mark.parametrize("checkpoint", CONFIGS)
def test_logits_are_float32_and_within_the_soft_cap(checkpoint, load):
    case = next(case for case in cases() if case.checkpoint == checkpoint)
    logits = ours.logits(load(checkpoint), case.inputs())
    cap = CONFIGS[checkpoint]["text_config"]["final_logit_softcapping"]
    assert logits.dtype == np.float32
    assert cap / 3 < np.abs(logits).max() < cap
