"""What the file says, checked against the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from gemma4_mlx.errors import UsageError
from tui.settings.kinds import Value, shown
from tui.settings.preset import CHOICES, Preset
from tui.settings.schema import SETTINGS, Setting

Complain = Callable[[str, str], None]
"""Is told the path of a field and what is wrong with it."""

_BY_PATH = {each.path: each for each in SETTINGS}
_TABLES = {each.table for each in SETTINGS if each.table} | {"presets", "keys"}


@dataclass(frozen=True, slots=True)
class Settings:
    """What was chosen.

    Attributes:
        values: by path; what is not there has its default.
        presets: by name, in the order of the file.
        keys: binding id -> keys, parted by commas.
        problems: what is wrong with the file, a line each; what is wrong has its default.
    """

    values: Mapping[str, Value] = field(default_factory=dict)
    presets: Mapping[str, Preset] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def get(self, path: str) -> Value | None:
        """What holds for new chats; None is the checkpoint's own default."""
        return self.values.get(path, _BY_PATH[path].default)

    def chosen(self, setting: Setting) -> bool:
        """Whether the file says something about it."""
        return setting.path in self.values


def check(raw: Mapping[str, Any], complain: Complain) -> Settings:
    """Settings from the file's values; what is wrong is told and left out."""
    values: dict[str, Value] = {}
    for path, value in _flat({key: raw[key] for key in raw if key not in ("presets", "keys")}):
        if path in _BY_PATH:
            _take(values, path, _BY_PATH[path], value, complain)
        elif path in _TABLES:
            complain(path, f"expected a table, [{path}], found {shown(value)}")
        else:
            complain(path, _unknown(path, list(_BY_PATH)))
    return Settings(values, _presets(raw, complain), _keys(raw, complain))


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Path and value of all fields, those of tables of settings, too."""
    for key, value in table.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) and path not in _BY_PATH:
            yield from _flat(value, f"{path}.")
        else:
            yield path, value


def _take(
    values: dict[str, Value], path: str, setting: Setting, raw: object, complain: Complain
) -> None:
    try:
        values[setting.path if path == setting.path else setting.name] = setting.kind.check(raw)
    except UsageError as error:
        complain(path, error.message)


def _presets(raw: Mapping[str, Any], complain: Complain) -> dict[str, Preset]:
    presets: dict[str, Preset] = {}
    for name, table in _table(raw, "presets", complain).items():
        if not isinstance(table, Mapping):
            complain(f"presets.{name}", f"expected a table, [presets.{name}], found {shown(table)}")
            continue
        choices: dict[str, Value] = {}
        for key, value in table.items():
            path = f"presets.{name}.{key}"
            if key in CHOICES:
                _take(choices, path, CHOICES[key], value, complain)
            else:
                complain(path, _unknown(key, list(CHOICES)))
        presets[name] = Preset(name, choices)
    return presets


def _keys(raw: Mapping[str, Any], complain: Complain) -> dict[str, str]:
    """Keys by binding id; `chat.stop = …` is a table in TOML, "chat.stop" is not: both are fine."""
    keys: dict[str, str] = {}
    for binding_id, value in _flat(_table(raw, "keys", complain)):
        names = [value] if isinstance(value, str) else value
        if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
            keys[binding_id] = ",".join(names)
        else:
            complain(f"keys.{binding_id}", f'expected keys, as in "ctrl+t", found {shown(value)}')
    return keys


def _table(raw: Mapping[str, Any], name: str, complain: Complain) -> Mapping[str, Any]:
    table = raw.get(name, {})
    if isinstance(table, Mapping):
        return table
    complain(name, f"expected a table, [{name}], found {shown(table)}")
    return {}


def _unknown(word: str, known: list[str]) -> str:
    close = get_close_matches(word, known, n=1)
    return f"no such setting{f'; did you mean {close[0]}?' if close else ''}"
