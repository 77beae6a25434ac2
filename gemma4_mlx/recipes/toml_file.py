"""A recipe of one's own, in TOML.

name = "mine.v1"
description = "Attention at 6 bits."       # may be left out

[[rules]]                                  # the first rule that covers a module decides
pattern = "language_model.model.layers.*.self_attn.*_proj"
bits = 6
group_size = 64
mode = "affine"                            # may be left out
layers = "all"                             # or "ends" or "experts"; may be left out

[[rules]]
pattern = "language_model.model.embed_tokens"
packed = false                             # stays as it is
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from gemma4_mlx.config import PackedFormat, Quantization
from gemma4_mlx.errors import ConfigError, UsageError
from gemma4_mlx.recipes.recipe import Blocks, Recipe, Rule

_KEYS = {"name", "description", "rules"}
_FORMAT_KEYS = {"bits", "group_size", "mode"}
_RULE_KEYS = {"pattern", "packed", "layers", *_FORMAT_KEYS}


def read_recipe(path: str | Path) -> Recipe:
    """Read a recipe. It is strict: each of its rules has to cover something and to fit it.

    Raises:
        UsageError: the file cannot be read or is wrong; the key is named.
    """
    try:
        raw = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UsageError(f"{path} is not valid TOML: {error}") from None
    _check_keys(raw, _KEYS, f"{path}: ")
    rules = raw.get("rules")
    if not isinstance(rules, list) or not rules:
        raise UsageError(f"{path}: rules is {rules!r}: expected at least one [[rules]] table")
    return Recipe(
        _text(raw, "name", f"{path}: "),
        _text(raw, "description", f"{path}: ", default=""),
        tuple(_rule(rule, f"{path}: rules[{index}]") for index, rule in enumerate(rules)),
        is_strict=True,
    )


def checked_format(block: Mapping[str, Any], name: str) -> PackedFormat:
    """A format by its `bits`, `group_size` and `mode`; errors name the key, after `name`.

    Raises:
        UsageError: a key is missing, or no kernel knows the format.
    """
    for key in ("bits", "group_size"):
        if key not in block:
            raise UsageError(f"{name}{key} is missing")
    try:
        quantization = Quantization.from_config({"quantization": block})
    except ConfigError as error:
        raise UsageError(name + error.message.removeprefix("quantization.")) from None
    assert quantization is not None
    return quantization.default


def _rule(raw: Any, name: str) -> Rule:
    if not isinstance(raw, dict):
        raise UsageError(f"{name} is {raw!r}: expected a table")
    _check_keys(raw, _RULE_KEYS, f"{name}.")
    layers = raw.get("layers", "all")
    if layers not in get_args(Blocks):
        raise UsageError(f"{name}.layers is {layers!r}: expected {', '.join(get_args(Blocks))}")
    return Rule(_text(raw, "pattern", f"{name}."), _packed(raw, f"{name}."), layers)


def _packed(raw: Mapping[str, Any], prefix: str) -> PackedFormat | None:
    packed = raw.get("packed", True)
    if not isinstance(packed, bool):
        raise UsageError(f"{prefix}packed is {packed!r}: expected true or false")
    block = {key: raw[key] for key in raw if key in _FORMAT_KEYS}
    if packed:
        return checked_format(block, prefix)
    if block:
        raise UsageError(f"{prefix}packed is false, but {min(block)} is given")
    return None


def _text(raw: Mapping[str, Any], key: str, prefix: str, default: str | None = None) -> str:
    value = raw.get(key, default)
    if not isinstance(value, str) or (default is None and not value):
        problem = "is missing" if value is None else f"is {value!r}: expected a string"
        raise UsageError(f"{prefix}{key} {problem}")
    return value


def _check_keys(raw: Mapping[str, Any], known: set[str], prefix: str) -> None:
    for key in raw:
        if key not in known:
            raise UsageError(f"{prefix}{key} is unknown: expected {', '.join(sorted(known))}")
