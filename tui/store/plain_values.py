"""Our values as JSON and back, by the types that their fields are declared with.

Dataclasses become objects; None, text, numbers, booleans, paths, tuples and mappings become what
JSON has for them. What comes back is checked, and an error names the field.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from gemma4_mlx.errors import StoreError


def to_plain(value: Any) -> Any:
    """The value as JSON has it."""
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: to_plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def from_plain(kind: Any, raw: Any, *, where: str, strict: bool) -> Any:
    """The inverse of `to_plain`.

    Args:
        kind: the type that is wanted, as a field declares it.
        raw: from JSON.
        where: the path to it, for errors.
        strict: whether a field that is not declared is an error; else it is passed over.

    Raises:
        StoreError: something else was found; the message names the field.
    """
    if is_dataclass(kind):
        return _object(kind, raw, where, strict)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return _one_of(arguments, raw, where, strict)
    if origin is tuple:
        _expect(isinstance(raw, list), where, "a list", raw)
        item = arguments[0]
        return tuple(
            from_plain(item, each, where=f"{where}[{index}]", strict=strict)
            for index, each in enumerate(raw)
        )
    if origin is Literal:
        _expect(raw in arguments, where, f"one of {', '.join(map(str, arguments))}", raw)
        return raw
    return _scalar(origin or kind, raw, where)


def _object(kind: Any, raw: Any, where: str, strict: bool) -> Any:
    _expect(isinstance(raw, dict), where, "an object", raw)
    declared = _declared(kind)
    if strict and (unknown := sorted(raw.keys() - declared.keys())):
        raise StoreError(f"{where}: unknown field {unknown[0]!r}")
    found = {}
    for name, (wanted, is_needed) in declared.items():
        path = f"{where}.{name}" if where else name
        if name in raw:
            found[name] = from_plain(wanted, raw[name], where=path, strict=strict)
        elif is_needed:
            raise StoreError(f"{path} is missing")
    return kind(**found)


def _one_of(kinds: tuple[Any, ...], raw: Any, where: str, strict: bool) -> Any:
    if raw is None and types.NoneType in kinds:
        return None
    wanted = [kind for kind in kinds if kind is not types.NoneType]
    for kind in wanted[:-1]:
        try:
            return from_plain(kind, raw, where=where, strict=strict)
        except StoreError:
            continue
    return from_plain(wanted[-1], raw, where=where, strict=strict)


def _scalar(kind: Any, raw: Any, where: str) -> Any:
    is_number = isinstance(raw, int | float) and not isinstance(raw, bool)
    if kind is float:
        _expect(is_number, where, "a number", raw)
        return float(raw)
    if kind is int:
        _expect(is_number and isinstance(raw, int), where, "a whole number", raw)
    elif kind is bool:
        _expect(isinstance(raw, bool), where, "true or false", raw)
    elif kind in (str, Path):
        _expect(isinstance(raw, str), where, "text", raw)
    elif kind is Mapping:
        _expect(isinstance(raw, dict), where, "an object", raw)
    return Path(str(raw)) if kind is Path else raw


@cache
def _declared(kind: Any) -> dict[str, tuple[Any, bool]]:
    """Name -> type, and whether it must be given."""
    hints = typing.get_type_hints(kind)
    return {
        each.name: (hints[each.name], each.default is MISSING and each.default_factory is MISSING)
        for each in fields(kind)
    }


def _expect(is_so: bool, where: str, wanted: str, raw: Any) -> None:
    if not is_so:
        found = repr(raw) if len(repr(raw)) <= 40 else f"{repr(raw)[:40]}…"
        raise StoreError(f"{where}: expected {wanted}, found {found}")
