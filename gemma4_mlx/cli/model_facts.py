"""What a folder says about its model, from config.json and file sizes alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gemma4_mlx.config import ModelConfig, Quantization


def variant_of(config: ModelConfig) -> str:
    """E2B, E4B, 26B-A4B or 31B; "other" for a model of another size."""
    from gemma4_mlx.memory import PUBLISHED, published_config

    size = (config.text_config.hidden_size, config.text_config.num_hidden_layers)
    for variant in PUBLISHED:
        text = published_config(variant).text_config
        if size == (text.hidden_size, text.num_hidden_layers):
            return variant
    return "other"


def packing_of(config: ModelConfig) -> str:
    """Bits of the weights, such as "4-bit", or the name of their format."""
    packed = config.quantization
    if packed is None:
        return {"bfloat16": "bf16", "float32": "fp32", "float16": "fp16"}.get(_dtype(config), "?")
    default = packed.default
    return f"{default.bits}-bit" if default.mode == "affine" else default.mode


def model_facts(folder: Path) -> dict[str, Any]:
    """Everything that `gemma4 models info` tells; plain JSON.

    Raises:
        ModelNotFoundError, CheckpointError: config.json is missing or cannot be read.
    """
    from gemma4_mlx.hub import missing_files

    config = ModelConfig.from_folder(folder)
    text = config.text_config
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()}
    return {
        "folder": str(folder),
        "variant": variant_of(config),
        "packing": packing_of(config),
        "layers": {
            "all": text.num_hidden_layers,
            "full": sum(layer.window is None for layer in text.layers),
            "window": text.sliding_window,
            "sharing_kv": text.num_kv_shared_layers,
        },
        "hidden_size": text.hidden_size,
        "vocab_size": text.vocab_size,
        "context_length": config.context_length,
        "experts": None if text.experts is None else text.experts.count,
        "sees": config.vision_config is not None,
        "hears": config.audio_config is not None,
        "quantization": _quantization(config.quantization),
        "provenance": config.raw.get("gemma4_mlx"),
        "missing": list(missing_files(folder)),
        "size_bytes": sum(sizes.values()),
        "files": sizes,
    }


def facts_in_words(facts: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """Label and text, line by line; the files are not among them."""
    layers = facts["layers"]
    shared = f"; {layers['sharing_kv']} read the keys of others" if layers["sharing_kv"] else ""
    sliding = layers["all"] - layers["full"]
    yield "variant", facts["variant"]
    yield "folder", facts["folder"]
    yield "weights", "; ".join(_packed_in_words(facts["quantization"])) or facts["packing"]
    yield "layers", f"{sliding} with a window of {layers['window']}, {layers['full']} full{shared}"
    if facts["experts"]:
        yield "experts", f"{facts['experts']} a layer"
    yield "context", f"{facts['context_length']} positions"
    senses = [name for name, has in (("sees", facts["sees"]), ("hears", facts["hears"])) if has]
    yield "senses", " and ".join(senses) or "text only"
    if facts["missing"]:
        yield "missing", ", ".join(facts["missing"])


def _dtype(config: ModelConfig) -> str:
    raw = config.raw
    return str(raw.get("dtype") or raw.get("torch_dtype") or raw["text_config"].get("dtype"))


def _quantization(packed: Quantization | None) -> dict[str, Any] | None:
    if packed is None:
        return None
    names = (_name(other) for other in packed.overrides.values())
    return {"default": _name(packed.default), "overrides": dict(Counter(names).most_common())}


def _name(packed: Any) -> str:
    """A format in short, such as "affine 4-bit, group 64"."""
    if packed is None:
        return "not packed"
    return f"{packed.mode} {packed.bits}-bit, group {packed.group_size}"


def _packed_in_words(quantization: dict[str, Any] | None) -> Iterable[str]:
    if quantization is not None:
        yield quantization["default"]
        for name, count in quantization["overrides"].items():
            yield f"{count} modules {name}"
