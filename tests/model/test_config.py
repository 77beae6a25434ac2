"""config.json in, resolved layers out; whatever does not fit is named."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from gemma4_mlx.config import ModelConfig
from gemma4_mlx.errors import ConfigError, ModelNotFoundError

CONFIGS = Path(__file__).parent.parent / "data" / "configs"


def published(name: str) -> dict[str, Any]:
    return json.loads((CONFIGS / f"gemma-4-{name}.config.json").read_text())


@pytest.fixture
def e2b() -> dict[str, Any]:
    return published("E2B-it")


@pytest.mark.parametrize(
    ("name", "layers", "sources", "widths"),
    [
        ("E2B-it", 35, {"sliding_attention": 13, "full_attention": 14}, {6144, 12288}),
        ("E4B-it", 42, {"sliding_attention": 22, "full_attention": 23}, {10240}),
        ("E4B", 42, {"sliding_attention": 22, "full_attention": 23}, {10240}),
    ],
)
def test_published_configs_resolve(name, layers, sources, widths):
    text = ModelConfig.from_dict(published(name)).text_config
    assert len(text.layers) == layers
    assert {spec.intermediate_size for spec in text.layers} == widths
    for spec in text.layers:
        is_full = spec.kind == "full_attention"
        assert spec.head_dim == (512 if is_full else 256)
        assert spec.window == (None if is_full else 512)
        assert spec.rope.rotated_fraction == (0.25 if is_full else 1.0)
        if not spec.owns_kv:
            assert spec.kv_source == sources[spec.kind]
    assert sum(spec.owns_kv for spec in text.layers) == layers - text.num_kv_shared_layers


def test_the_dialect_of_current_transformers_gives_the_same_layers(e2b):
    expected = ModelConfig.from_dict(e2b).text_config.layers
    text = e2b["text_config"]
    del text["global_head_dim"], text["num_global_key_value_heads"]
    text["per_layer_config"] = {
        str(index): {"head_dim": 512}
        for index, kind in enumerate(text["layer_types"])
        if kind == "full_attention"
    }
    assert ModelConfig.from_dict(e2b).text_config.layers == expected


def test_both_names_of_the_end_of_audio_id_are_read(e2b):
    for key in ("eoa_token_id", "eoa_token_index"):
        config = {k: v for k, v in e2b.items() if not k.startswith("eoa_")} | {key: 258883}
        assert 258883 in ModelConfig.from_dict(config).media_token_ids


REQUIRED = [
    ("text_config", "hidden_size"),
    ("text_config", "num_kv_shared_layers"),
    ("text_config", "final_logit_softcapping"),
    ("text_config", "layer_types"),
    ("vision_config", "use_clipped_linears"),
    ("audio_config", "attention_context_left"),
]


@pytest.mark.parametrize(("section", "field"), REQUIRED)
def test_a_missing_field_is_named(e2b, section, field):
    del e2b[section][field]
    with pytest.raises(ConfigError, match=rf"{section}\.{field} is missing"):
        ModelConfig.from_dict(e2b)


@pytest.mark.parametrize(
    ("section", "field", "value"),
    [
        ("text_config", "hidden_size", "1536"),
        ("text_config", "hidden_size", True),
        ("text_config", "use_double_wide_mlp", 1),
        ("text_config", "layer_types", "full_attention"),
        ("vision_config", "rope_parameters", [100.0]),
        ("audio_config", "residual_weight", "half"),
    ],
)
def test_a_field_of_the_wrong_type_is_named(e2b, section, field, value):
    e2b[section][field] = value
    with pytest.raises(ConfigError, match=rf"{section}\.{field} is .*expected"):
        ModelConfig.from_dict(e2b)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_hidden_layers": 34}, "names 35 layers.*says 34"),
        ({"num_attention_heads": 7, "num_key_value_heads": 2}, "not a multiple"),
        ({"num_kv_shared_layers": 35}, "num_kv_shared_layers is 35 of 35"),
        ({"num_kv_shared_layers": 33}, "no layer before layer 2 is full_attention"),
        ({"sliding_window": 0}, "sliding_window is 0"),
        ({"hidden_activation": "relu"}, "hidden_activation"),
        ({"global_head_dim": None}, "global_head_dim is missing"),
        ({"rope_parameters": {}}, "rope_parameters.sliding_attention.rope_theta is missing"),
    ],
)
def test_contradictions_are_named(e2b, changes, message):
    e2b["text_config"] |= changes
    with pytest.raises(ConfigError, match=message):
        ModelConfig.from_dict(e2b)


def test_an_unknown_layer_kind_is_named(e2b):
    e2b["text_config"]["layer_types"][3] = "linear_attention"
    with pytest.raises(ConfigError, match=r"layer_types\[3\] is 'linear_attention'"):
        ModelConfig.from_dict(e2b)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("26B-A4B-it", "enable_moe_block"),
        ("31B-it", "attention_k_eq_v"),
        ("12B-it", "gemma4_unified"),
        ("E2B-it-assistant", "drafter"),
    ],
)
def test_pain_61_other_architectures_are_refused_in_one_line(name, message):
    with pytest.raises(ConfigError, match=message) as refusal:
        ModelConfig.from_dict(published(name))
    assert "\n" not in refusal.value.message
    assert "E2B" in refusal.value.hint


def test_a_quantized_checkpoint_is_refused_and_not_misread(e2b):
    e2b["quantization"] = {"group_size": 64, "bits": 4}
    with pytest.raises(ConfigError, match="quantized"):
        ModelConfig.from_dict(e2b)


def test_errors_name_the_file(tmp_path, e2b):
    with pytest.raises(ModelNotFoundError, match="does not exist"):
        ModelConfig.from_folder(tmp_path)
    path = tmp_path / "config.json"
    path.write_text("{")
    with pytest.raises(ConfigError, match="not valid JSON"):
        ModelConfig.from_folder(tmp_path)
    broken = copy.deepcopy(e2b)
    del broken["image_token_id"]
    path.write_text(json.dumps(broken))
    with pytest.raises(ConfigError, match=r"config\.json: image_token_id is missing"):
        ModelConfig.from_folder(tmp_path)
