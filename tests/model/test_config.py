"""config.json in, resolved layers out; whatever does not fit is named."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from gemma4_mlx.config import ModelConfig, PackedFormat
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


@pytest.mark.parametrize(
    ("name", "override"),
    [
        ("E2B-it", {"head_dim": 512}),
        ("E4B-it", {"head_dim": 512}),
        ("26B-A4B-it", {"head_dim": 512, "num_key_value_heads": 2}),
        ("31B-it", {"head_dim": 512, "num_key_value_heads": 4}),
    ],
)
def test_the_dialect_of_current_transformers_gives_the_same_layers(name, override):
    raw = published(name)
    expected = ModelConfig.from_dict(raw).text_config.layers
    text = raw["text_config"]
    del text["global_head_dim"], text["num_global_key_value_heads"]
    text["per_layer_config"] = {
        str(index): override
        for index, kind in enumerate(text["layer_types"])
        if kind == "full_attention"
    }
    assert ModelConfig.from_dict(raw).text_config.layers == expected


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


@pytest.mark.parametrize(
    "field", ["use_bidirectional_attention", "attention_k_eq_v", "enable_moe_block"]
)
@pytest.mark.parametrize("name", ["E2B-it", "26B-A4B-it", "31B-it"])
def test_a_missing_switch_is_not_another_model(name, field):
    raw = published(name)
    del raw["text_config"][field]
    with pytest.raises(ConfigError, match=rf"text_config\.{field} is missing"):
        ModelConfig.from_dict(raw)


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
        ({"vocab_size_per_layer_input": 262143}, "vocab_size_per_layer_input is 262143"),
        ({"hidden_size": 0}, "hidden_size is 0"),
        ({"num_key_value_heads": 0}, "num_key_value_heads is 0"),
        ({"num_attention_heads": -8}, "num_attention_heads is -8"),
        ({"per_layer_config": {"full_attention": 5}}, "per_layer_config of layer 4"),
        ({"per_layer_config": {"4": {"head_dim": 0}}}, "per_layer_config of layer 4"),
        (
            {"rope_parameters": {"sliding_attention": {"rope_theta": None}}},
            "sliding_attention.rope_theta is None",
        ),
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


OTHERS = sorted(
    path.name
    for path in CONFIGS.glob("*config.json")
    if "assistant" in path.name or "12B" in path.name
)


def test_the_other_architectures_are_here():
    assert len(OTHERS) == 6


@pytest.mark.parametrize("name", OTHERS)
def test_pain_61_other_architectures_are_refused_in_one_line(name):
    message = "drafter" if "assistant" in name else "encoder-free"
    with pytest.raises(ConfigError, match=message) as refusal:
        ModelConfig.from_dict(json.loads((CONFIGS / name).read_text()))
    assert "\n" not in refusal.value.message
    assert "E2B" in refusal.value.hint


@pytest.mark.parametrize(
    ("name", "kv_heads", "window", "experts"),
    [
        ("26B-A4B-it", {"sliding_attention": 8, "full_attention": 2}, 1024, (128, 8, 704)),
        ("31B-it", {"sliding_attention": 16, "full_attention": 4}, 1024, None),
    ],
)
def test_the_big_variants_resolve(name, kv_heads, window, experts):
    config = ModelConfig.from_dict(published(name))
    text = config.text_config
    assert config.audio_config is None
    assert text.pictures_see_themselves
    for spec in text.layers:
        is_full = spec.kind == "full_attention"
        assert spec.num_key_value_heads == kv_heads[spec.kind]
        assert spec.window == (None if is_full else window)
        assert spec.k_eq_v == is_full
        assert spec.owns_kv
    found = text.experts
    assert (found and (found.count, found.active, found.intermediate_size)) == experts


def test_both_names_of_the_experts_width_are_read():
    raw = published("26B-A4B-it")
    text = raw["text_config"]
    text["expert_intermediate_size"] = text.pop("moe_intermediate_size")
    assert ModelConfig.from_dict(raw).text_config.experts.intermediate_size == 704
    text["moe_intermediate_size"] = 705
    with pytest.raises(ConfigError, match=r"moe_intermediate_size is 705.*expert_.* is 704"):
        ModelConfig.from_dict(raw)


@pytest.mark.parametrize("field", ["num_experts", "top_k_experts", "moe_intermediate_size"])
def test_a_mixture_of_experts_needs_its_sizes(field):
    raw = published("26B-A4B-it")
    raw["text_config"][field] = None
    with pytest.raises(ConfigError, match=rf"{field} is missing, but enable_moe_block"):
        ModelConfig.from_dict(raw)


def quantized(e2b: dict[str, Any], **block: Any) -> ModelConfig:
    return ModelConfig.from_dict({**e2b, "quantization": block})


def test_published_quantization_blocks_are_read(e2b):
    for name in ("plain-4bit_E2B_E4B_31B", "plain-4bit_26B-A4B"):
        raw = json.loads((CONFIGS / f"mlx_quantization_{name}.json").read_text())
        block = raw["quantization"]
        config = ModelConfig.from_dict({**e2b, "quantization": block, "quantization_config": block})
        assert config.quantization is not None
        assert config.quantization.format_of("any.path") == PackedFormat(64, 4)
    router = config.quantization.format_of("language_model.model.layers.3.router.proj")
    assert router == PackedFormat(64, 8)


def test_overrides_are_law(e2b):
    blocks = {
        "a.b": {"group_size": 32, "bits": 8},
        "a.c": False,
        "a.d": {"mode": "mxfp4", "bits": 4, "group_size": 32},
        "a.e": True,
    }
    quantization = quantized(e2b, group_size=64, bits=4, **blocks).quantization
    assert quantization.format_of("a.b") == PackedFormat(32, 8)
    assert quantization.format_of("a.c") is None
    assert quantization.format_of("a.d") == PackedFormat(32, 4, "mxfp4")
    assert quantization.format_of("a.e") == quantization.format_of("z") == PackedFormat(64, 4)


def test_pain_30_an_override_without_a_mode_is_affine_whatever_the_others_are(e2b):
    block = {"group_size": 32, "bits": 4, "mode": "mxfp4", "a.b": {"group_size": 64, "bits": 8}}
    quantization = quantized(e2b, **block).quantization
    assert quantization.format_of("z") == PackedFormat(32, 4, "mxfp4")
    assert quantization.format_of("a.b") == PackedFormat(64, 8, "affine")


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"group_size": 64, "bits": 7}, r"quantization\.bits is 7"),
        ({"group_size": 48, "bits": 4}, r"quantization\.group_size is 48"),
        ({"group_size": 64, "bits": 4, "mode": "int4"}, r"quantization\.mode is 'int4'"),
        ({"group_size": 64, "bits": 4, "mode": "nvfp4"}, r"group_size is 64: nvfp4 knows 16"),
        ({"group_size": 64, "bits": 4, "a.b": {"bits": 1}}, r"quantization\.a\.b\.bits is 1"),
        ({"quant_method": "gemma", "num_bits": 4}, "of the kind 'gemma'"),
    ],
)
def test_pain_30_a_format_that_no_kernel_knows_is_refused(e2b, block, message):
    with pytest.raises(ConfigError, match=message):
        quantized(e2b, **block)


def test_two_blocks_must_agree(e2b):
    e2b |= {"quantization": {"group_size": 64, "bits": 4}}
    e2b |= {"quantization_config": {"group_size": 32, "bits": 4}}
    with pytest.raises(ConfigError, match="contradict each other"):
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
