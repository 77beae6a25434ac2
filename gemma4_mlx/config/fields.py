"""Typed fields of a JSON object: whatever is missing or of the wrong type is named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from gemma4_mlx.errors import ConfigError


def require(condition: bool, message: str) -> None:
    """Raise `ConfigError` unless `condition` holds."""
    if not condition:
        raise ConfigError(message)


def read_section(
    cls: type, raw: Mapping[str, Any], name: str, synonyms: Mapping[str, str] | None = None
) -> Any:
    """The dataclass `cls` from the object under `name`; None where that is null or absent.

    Fields without a default are required; null counts as absent for those that have one.

    Args:
        cls: a dataclass; its annotations are the expected types.
        raw: the object that holds the section.
        name: of the section.
        synonyms: our name of a field -> another that files use for it.

    Raises:
        ConfigError: a field is missing, of the wrong type, or contradicts its synonym.
    """
    section = raw.get(name)
    if section is None:
        return None
    if not isinstance(section, Mapping):
        raise ConfigError(f"{name} must be an object, not {type(section).__name__}")
    section = _with_synonyms(section, name, synonyms or {})
    values = {}
    for field in fields(cls):
        optional = field.default is not MISSING
        value = section.get(field.name)
        if value is not None or (field.name in section and not optional):
            values[field.name] = _typed(value, field.type, f"{name}.{field.name}")
        elif not optional:
            raise ConfigError(f"{name}.{field.name} is missing")
    return cls(**values)


def require_positive(section: Any, name: str, fields_of_sizes: Iterable[str]) -> None:
    """Raise unless every size that is given is above 0."""
    for field in fields_of_sizes:
        value = getattr(section, field)
        require(value is None or value > 0, f"{name}.{field} is {value}: expected a size above 0")


def require_given(
    section: Mapping[str, Any] | None, name: str, fields_of_switches: Iterable[str]
) -> None:
    """Raise unless every switch is there, be it null: a missing one would be another model."""
    for field in fields_of_switches:
        require(section is None or field in section, f"{name}.{field} is missing")


def read_number(section: Mapping[str, Any], key: str, name: str) -> float:
    """A number under `key`, called `name` in the error."""
    return _typed(section.get(key), "float", name)


def read_int(raw: Mapping[str, Any], name: str) -> int:
    """A whole number that must be there.

    Raises:
        ConfigError: it is missing or something else.
    """
    if raw.get(name) is None:
        raise ConfigError(f"{name} is missing")
    return _typed(raw[name], "int", name)


def _with_synonyms(
    section: Mapping[str, Any], name: str, synonyms: Mapping[str, str]
) -> dict[str, Any]:
    merged = dict(section)
    for ours, other in synonyms.items():
        first, second = section.get(ours), section.get(other)
        if first is not None and second is not None and first != second:
            raise ConfigError(f"{name}.{ours} is {first}, but {name}.{other} is {second}")
        if first is None and second is not None:
            merged[ours] = second
    return merged


def _typed(value: Any, annotation: Any, name: str) -> Any:
    """`value` if it is of the annotated type; lists become tuples, whole numbers floats."""
    kind = str(annotation)
    if kind.startswith("tuple") and isinstance(value, list | tuple):
        return tuple(value)
    if kind.startswith("float") and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    expected = {"int": int, "bool": bool, "str": str, "Mapping": Mapping}
    for prefix, cls in expected.items():
        is_bool_for_int = cls is int and isinstance(value, bool)
        if kind.startswith(prefix) and isinstance(value, cls) and not is_bool_for_int:
            return value
    raise ConfigError(f"{name} is {value!r}: expected {kind}")
