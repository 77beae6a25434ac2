"""How far two models are apart: nothing where they are one, and what NumPy says elsewhere."""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest

import gemma4_mlx as g4
from convert import comparison
from convert.comparison import (
    EVERY_KIND,
    answer_logits,
    as_json,
    compare_logits,
    logits_bytes,
    record_logits,
)
from convert.probes import KINDS, probes_for
from tests.convert.small_probes import small_probes


@pytest.fixture(scope="module")
def pocket():
    return g4.load("pocket", dtype=mx.float32)


@pytest.fixture(scope="module")
def probes():
    return small_probes("algebra", "json", "shapes", "word")


@pytest.fixture(scope="module")
def recorded(pocket, probes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("logits")
    record_logits(*pocket, probes, folder)
    return folder


def test_a_model_is_no_different_from_itself(pocket, probes, recorded):
    found = compare_logits(*pocket, probes, recorded)
    assert set(found) == {EVERY_KIND, *KINDS}
    for difference in found.values():
        assert difference.mean_kld == pytest.approx(0, abs=1e-6)
        assert difference.top1_agreement == 1
        assert difference.perplexity_ratio == pytest.approx(1, rel=1e-6)
    kinds = [found[kind].positions for kind in KINDS]
    assert found[EVERY_KIND].positions == sum(kinds)


def test_the_figures_are_those_of_the_definition(probes, recorded, tmp_path):
    """Against float64 NumPy, on a model that was rounded to four bits."""
    model, processor = g4.load("pocket", dtype=mx.float32)
    nn.quantize(model.language_model, 32, 4)
    found = compare_logits(model, processor, probes, recorded)
    divergence, agree, ratio = [], [], []
    for probe in probes:
        logits, ids = answer_logits(model, processor, probe)
        theirs = log_softmax(np.load(recorded / f"{probe.kind}-{probe.name}.npy"))
        ours = log_softmax(np.array(logits))
        divergence += list((np.exp(theirs) * (theirs - ours)).sum(-1))
        agree += list(theirs.argmax(-1) == ours.argmax(-1))
        rows = np.arange(len(ids))
        ratio += list(theirs[rows, ids] - ours[rows, ids])
    every = found[EVERY_KIND]
    assert every.mean_kld == pytest.approx(np.mean(divergence), rel=1e-4)
    assert every.mean_kld > 0.001
    assert every.p99_kld == pytest.approx(np.percentile(divergence, 99), rel=1e-4)
    assert every.top1_agreement == pytest.approx(np.mean(agree))
    assert every.perplexity_ratio == pytest.approx(np.exp(np.mean(ratio)), rel=1e-4)
    assert as_json(found)[EVERY_KIND]["positions"] == len(divergence)


def test_rounding_makes_no_divergence_of_less_than_nothing():
    rng = np.random.default_rng(0)
    reference = mx.array(rng.normal(size=(64, 1000)).astype(np.float32))
    nearly = reference * (1 + 1e-6)
    columns = comparison._columns(reference, nearly, np.zeros(64, np.int32))
    assert 0 <= columns[:, 0].min() < columns[:, 0].max() < 1e-5


def log_softmax(logits: np.ndarray) -> np.ndarray:
    wide = logits.astype(np.float64)
    wide -= wide.max(-1, keepdims=True)
    return wide - np.log(np.exp(wide).sum(-1, keepdims=True))


def test_every_word_of_the_answer_is_asked_about(pocket, probes):
    """The rows are those of one pass over question and answer together."""
    model, processor = pocket
    probe = next(probe for probe in probes if probe.kind == "image")
    logits, ids = answer_logits(model, processor, probe)
    arrays = processor(probe.messages).arrays()
    question = arrays["input_ids"].shape[1]
    arrays["input_ids"] = np.concatenate([arrays["input_ids"], ids[None]], axis=1)
    arrays.pop("mm_token_type_ids")
    whole = model(**arrays)[0, question - 1 : -1]
    assert len(ids) == len(logits) > 5
    np.testing.assert_allclose(np.array(logits), np.array(whole), atol=2e-4)


def test_a_picture_that_is_not_seen_would_show(pocket, probes, recorded):
    """The figures move when the model is given another picture."""
    model, processor = pocket
    probe = next(probe for probe in probes if probe.kind == "image")
    logits, _ = answer_logits(model, processor, probe)
    other = [dict(message, content=list(message["content"])) for message in probe.messages]
    [board] = small_probes("board")
    other[-1]["content"][0] = board.messages[-1]["content"][0]
    swapped = type(probe)(probe.kind, probe.name, tuple(other), probe.answer)
    found, _ = answer_logits(model, processor, swapped)
    assert float(mx.abs(found - logits).max()) > 0.1


def test_only_what_the_model_takes_is_asked(pocket, probes):
    processor = pocket[1]
    assert {probe.kind for probe in probes_for(processor)} == set(KINDS)
    deaf = type(processor)(processor.tokenizer, processor.images, None)
    assert {probe.kind for probe in probes_for(deaf)} == {"text", "image"}


def test_a_base_model_is_asked_in_plain_text(pocket, probes, monkeypatch):
    model, processor = pocket
    monkeypatch.setattr(processor.tokenizer, "template", None)
    asked = probes_for(processor)
    assert {probe.kind for probe in asked} == {"text"}
    logits, ids = answer_logits(model, processor, asked[0])
    assert logits.shape == (len(ids), model.config.text_config.vocab_size)


def test_the_disk_that_is_needed_is_known_before(pocket, probes, recorded):
    model, processor = pocket
    written = sum(np.load(path, mmap_mode="r").nbytes for path in recorded.iterdir())
    vocab_size = model.config.text_config.vocab_size
    assert logits_bytes(processor, probes, vocab_size) == written
