"""What is known of a model without reading its weights: from config.json and file sizes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

from gemma4_mlx.cli.fit import fit_hint, fit_of, published_weights
from gemma4_mlx.config import ModelConfig, Quantization
from gemma4_mlx.errors import CheckpointError
from gemma4_mlx.hub import missing_files, picks
from gemma4_mlx.memory import PUBLISHED, Weights, checkpoint_weights, published_config
from gemma4_mlx.model_name import DEMO_MODEL, is_hub_id


def variant_of(config: ModelConfig) -> str:
    """E2B, E4B, 26B-A4B or 31B; "other" for a model of another size."""
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


def takes(config: ModelConfig) -> tuple[str, ...]:
    """What can be put into a question: text, and what the model has a tower for."""
    towers = {"image": config.vision_config, "audio": config.audio_config}
    return ("text", *(name for name, tower in towers.items() if tower is not None))


def model_facts(folder: Path) -> dict[str, Any]:
    """Everything that `gemma4 models info` tells of a model on this disk; plain JSON.

    Raises:
        ModelNotFoundError, CheckpointError: config.json is missing or cannot be read.
    """
    config = ModelConfig.from_folder(folder)
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()}
    missing = list(missing_files(folder))
    facts = {
        "folder": str(folder),
        "packing": packing_of(config),
        **_of_config(config),
        "missing": missing,
        "size_bytes": sum(sizes.values()),
        "files": sizes,
    }
    if missing:
        return facts
    try:
        return {**facts, **_fit(config, checkpoint_weights(folder, config))}
    except CheckpointError as error:  # a damaged model is told of, too
        return {**facts, "damaged": error.message}


def published_facts(hub_id: str) -> dict[str, Any] | None:
    """The same of a published model that is not on this disk; None for one that is not known."""
    for pick in picks():
        if pick.hub_id == hub_id:
            config = published_config(pick.variant)
            return {
                "folder": None,
                "packing": pick.packing,
                **_of_config(config),
                "missing": [],
                "size_bytes": round(pick.download_gb * 1e9),
                "files": {},
                **_fit(config, published_weights(pick, config)),
            }
    return None


def _of_config(config: ModelConfig) -> dict[str, Any]:
    text = config.text_config
    return {
        "variant": variant_of(config),
        "takes": list(takes(config)),
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
    }


def _fit(config: ModelConfig, weights: Weights) -> dict[str, Any]:
    from gemma4_mlx.cli.plan import machine_of

    machine = machine_of()
    hint = fit_hint(config, weights, machine)
    return {**fit_of(config, weights, machine), "hint": hint}


def licence_of(name: str, files: Container[str]) -> str:
    """Under which terms a model may be used, as far as that is known here."""
    if name == DEMO_MODEL or name in {pick.hub_id for pick in picks()}:
        return "Apache-2.0"
    if "LICENSE" in files:
        return "see LICENSE in its folder"
    is_on_hub = is_hub_id(name) and not Path(name).is_dir()
    return f"see https://huggingface.co/{name}" if is_on_hub else "not told"


def facts_in_words(facts: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """Label and text, line by line; the files are not among them."""
    layers = facts["layers"]
    shared = f"; {layers['sharing_kv']} read the keys of others" if layers["sharing_kv"] else ""
    sliding = layers["all"] - layers["full"]
    yield "variant", facts["variant"]
    yield "folder", facts["folder"] or "not on this disk"
    yield "weights", "; ".join(_packed_in_words(facts["quantization"])) or facts["packing"]
    yield "layers", f"{sliding} with a window of {layers['window']}, {layers['full']} full{shared}"
    if facts["experts"]:
        yield "experts", f"{facts['experts']} a layer"
    yield "context", f"{facts['context_length']} tokens"
    senses = [name for name, has in (("sees", facts["sees"]), ("hears", facts["hears"])) if has]
    yield "senses", " and ".join(senses) or "text only"
    if facts["provenance"]:
        yield "made", _made_in_words(facts["provenance"])
    yield "licence", facts["licence"]
    if facts.get("plan"):
        plan = facts["plan"]
        taken, limit = plan["total_bytes"] / 1e9, plan["limit_bytes"] / 1e9
        sum_ = f"{taken:.2f} of {limit:.2f} GB for {plan['context']} tokens"
        yield "here", f"{facts['fit']}: {sum_}"
    if facts["cache"]:
        yield "cache", "the hub's, which other programs share"
    if facts["missing"]:
        yield "missing", ", ".join(facts["missing"])
    if facts.get("damaged"):
        yield "damaged", facts["damaged"]
    if facts.get("hint"):
        yield "hint", facts["hint"]


def _made_in_words(provenance: Any) -> str:
    """By which recipe, and from what; other programs may have put anything there."""
    if not isinstance(provenance, dict):
        return str(provenance)
    source, recipe = provenance.get("source"), provenance.get("recipe")
    parts = [f"by the recipe {recipe}"] * bool(recipe) + [f"from {source}"] * bool(source)
    return " ".join(parts) or str(provenance)


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
