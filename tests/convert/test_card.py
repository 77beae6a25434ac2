"""quality.json and the card: what they say is what was found, and of what."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from dataclasses import replace

import mlx.core as mx
import pytest

from convert import measuring
from convert.card import write_card
from convert.comparison import Difference
from convert.fingerprint import fingerprint
from convert.measuring import check_reference, measured
from convert.probes import probes_version
from convert.quality import Quality, TensorQuality
from gemma4_mlx.checkpoint import read_tensors
from gemma4_mlx.config import ModelConfig
from gemma4_mlx.errors import CheckpointError, MemoryLimitError, UsageError
from gemma4_mlx.loading import find_checkpoint
from tests.convert.small_probes import small_probes

POCKET = find_checkpoint("pocket")


def quality(**changes) -> Quality:
    facts = Quality(
        source="google/gemma-4-E2B-it",
        revision="0123abc",
        fingerprint="f" * 32,
        recipe="gemma4-mixed-4.v1",
        bits_per_weight=5.9,
        bits_per_text_weight=4.61,
        source_bytes=10_246_357_958,
        weight_bytes=3_580_000_000,
        tensors={
            f"layers.{index}.mlp": TensorQuality("affine 4 bits, group 64", index / 100, 0.2, None)
            for index in range(1, 15)
        },
        logits={},
        logits_missing="there was no room.",
    )
    return replace(facts, **changes)


DIFFERENCE = Difference(100, 0.0123, 0.31, 0.954, 8.4, 8.0)


def test_what_is_written_is_read_again(tmp_path):
    measured = quality().with_logits({"all": DIFFERENCE}, 1)
    assert measured.without_logits("there was no room.") == quality()
    for facts in (quality(), measured):
        facts.write(tmp_path)
        assert Quality.read(tmp_path) == facts


def test_the_worst_ten_are_named(tmp_path):
    facts = quality()
    assert [path for path, _ in facts.worst] == [f"layers.{i}.mlp" for i in range(14, 4, -1)]
    facts.write(tmp_path)
    assert json.loads((tmp_path / "quality.json").read_text())["worst"][0] == "layers.14.mlp"


@pytest.mark.parametrize("damage", ["{", '{"format": 1}', '{"format": 9}', '{"format": 1, "a": 2}'])
def test_a_damaged_file_is_named(tmp_path, damage):
    (tmp_path / "quality.json").write_text(damage)
    with pytest.raises(CheckpointError, match=r"quality\.json"):
        Quality.read(tmp_path)


def test_a_folder_of_another_tool_has_no_quality(tmp_path):
    with pytest.raises(CheckpointError, match=r"quality\.json does not exist"):
        Quality.read(tmp_path)


def card(tmp_path, facts: Quality) -> str:
    write_card(tmp_path, facts, ModelConfig.from_folder(POCKET))
    return (tmp_path / "README.md").read_text()


def test_the_card_names_source_recipe_and_sizes(tmp_path):
    text = card(tmp_path, quality())
    for fact in ("google/gemma-4-E2B-it", "0123abc", "gemma4-mixed-4.v1", "3.58 GB", "4.61"):
        assert fact in text
    assert "base_model: google/gemma-4-E2B-it" in text
    assert text.count("| `layers.") == 10
    assert "Not measured: there was no room." in text


def test_the_card_shows_what_was_measured(tmp_path):
    measured = quality().with_logits({"text": DIFFERENCE, "all": DIFFERENCE}, 1)
    rows = [row for row in card(tmp_path, measured).splitlines() if "0.0123" in row]
    assert rows[0] == "| all | 100 | 0.0123 | 0.3100 | 95.4% | 1.0500 |"
    assert rows[1].startswith("| text |")


@pytest.mark.parametrize(
    ("absent", "pipeline", "tags"),
    [
        (["audio_config"], "image-text-to-text", "[mlx, gemma4, vision]"),
        ([], "any-to-any", "[mlx, gemma4, vision, audio]"),
    ],
)
def test_the_card_says_what_the_model_takes(tmp_path, absent, pipeline, tags):
    config = replace(ModelConfig.from_folder(POCKET), **dict.fromkeys(absent))
    write_card(tmp_path, quality(), config)
    lines = (tmp_path / "README.md").read_text().splitlines()
    assert {f"pipeline_tag: {pipeline}", f"tags: {tags}"} <= set(lines)


def test_a_source_on_this_disk_is_no_hub_id(tmp_path):
    assert "base_model" not in card(tmp_path, quality(source="/models/gemma-4-E2B-it"))


def test_the_card_tells_what_the_search_and_the_lattice_brought(tmp_path):
    tensors = {
        "a": TensorQuality("affine 4 bits, group 64", 0.09, 0.1),
        "b": TensorQuality("affine 4 bits, group 64", 0.14, 0.2),
        "c": TensorQuality("affine 4 bits, group 32", 0.0, None, exact_share=0.99985),
        "d": TensorQuality("affine 4 bits, group 32", 0.0, None, exact_share=1.0),
    }
    text = card(tmp_path, quality(tensors=tensors)).replace("\n", " ")
    assert "on average the error is 0.800 of that of plain rounding" in text
    assert "2 tensors stood on the Q4_0 lattice; of their blocks 99.98% or more" in text
    assert "| `a` | affine 4 bits, group 64 | 0.0900 | 0.1000 |" in text


def test_the_card_of_unpacked_weights_has_no_table_of_errors(tmp_path):
    assert "Nothing is packed" in card(tmp_path, quality(tensors={}))


def test_the_fingerprint_is_of_the_weights_alone(tmp_path):
    tensors = read_tensors(POCKET)
    copy = cut(tmp_path / "copy", tensors)
    assert fingerprint(copy) == fingerprint(POCKET)
    head = tensors["model.language_model.embed_tokens.weight"]
    unused = cut(tmp_path / "unused", {**tensors, "lm_head.weight": head})
    assert fingerprint(unused) == fingerprint(POCKET)
    name = "model.language_model.layers.0.mlp.gate_proj.weight"
    other = cut(tmp_path / "other", {**tensors, name: tensors[name] * 1.25})
    assert fingerprint(other) != fingerprint(POCKET)


def cut(folder, tensors):
    """The same weights in two files with an index."""
    folder.mkdir()
    shutil.copy(POCKET / "config.json", folder)
    names = sorted(tensors)
    halves = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, part in halves.items():
        mx.save_safetensors(str(folder / file), {name: tensors[name] for name in part})
    index = {name: file for file, part in halves.items() for name in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    return folder


def test_pain_18_another_base_is_refused_unless_forced():
    check_reference(quality(fingerprint=fingerprint(POCKET)), POCKET)
    with pytest.raises(UsageError, match=r"fingerprint .* converted from google/gemma-4-E2B-it"):
        check_reference(quality(), POCKET)
    check_reference(quality(), POCKET, force=True)


@pytest.fixture
def short(monkeypatch):
    probes = small_probes("algebra", "shapes")
    monkeypatch.setattr(measuring, "probes_for", lambda processor: probes)


def test_both_models_are_measured_in_turn(tmp_path, short):
    folder = shutil.copytree(POCKET, tmp_path / "converted")
    seen = []
    facts = measured(quality(), folder, POCKET, lambda *at: seen.append(at))
    assert facts.logits["all"]["mean_kld"] == 0
    assert facts.probes_version == probes_version()
    assert seen == [("source", 1, 2), ("source", 2, 2), ("converted", 1, 2), ("converted", 2, 2)]
    assert [path.name for path in tmp_path.iterdir()] == ["converted"]


def test_too_little_memory_is_said(tmp_path, short, monkeypatch):
    def full(*_: object) -> None:
        raise MemoryLimitError("31B needs 64 GB, this machine has 24")

    monkeypatch.setattr(measuring, "load_model", full)
    facts = measured(quality(), shutil.copytree(POCKET, tmp_path / "converted"), POCKET)
    assert facts.logits_missing == "31B needs 64 GB, this machine has 24."
    assert facts.probes_version is None


def test_too_little_disk_is_said(tmp_path, short, monkeypatch):
    usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(measuring.shutil, "disk_usage", lambda _: usage(100, 90, 10))
    facts = measured(quality(), shutil.copytree(POCKET, tmp_path / "converted"), POCKET)
    assert "of disk, 10 B are free" in facts.logits_missing
