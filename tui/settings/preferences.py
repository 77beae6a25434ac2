"""Settings that can be changed while the chat runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from tui.settings import toml_file
from tui.settings.kinds import Value
from tui.settings.preset import Preset
from tui.settings.schema import Setting
from tui.settings.values import Settings

T = TypeVar("T")


class Preferences:
    """What holds now, and the file that keeps it.

    A change holds at once, whether or not the file can be written.

    Args:
        settings: what holds at the start.
        file: where changes are kept; None keeps none.

    Attributes:
        settings: what holds.
    """

    def __init__(self, settings: Settings | None = None, file: Path | None = None) -> None:
        self.settings = settings or Settings()
        self.file = file

    @classmethod
    def of(cls, file: Path) -> Preferences:
        """What a file says, to be kept there."""
        return cls(toml_file.read(file), file)

    def choose(self, setting: Setting, value: Value | None) -> None:
        """Choose a value; None goes back to the default.

        Raises:
            UsageError: it cannot be kept.
        """
        values = _with(self.settings.values, setting.path, value)
        self.settings = replace(self.settings, values=values)
        self._keep(lambda file: toml_file.write_setting(file, setting, value))

    def choose_keys(self, binding_id: str, keys: str | None) -> None:
        """Choose the keys of a binding; None goes back to the default.

        Raises:
            UsageError: they cannot be kept.
        """
        self.settings = replace(self.settings, keys=_with(self.settings.keys, binding_id, keys))
        self._keep(lambda file: toml_file.write_keys(file, binding_id, keys))

    def keep_preset(self, preset: Preset) -> None:
        """Keep a preset, in place of one of the same name.

        Raises:
            UsageError: it cannot be kept.
        """
        presets = _with(self.settings.presets, preset.name, preset)
        self.settings = replace(self.settings, presets=presets)
        self._keep(lambda file: toml_file.write_preset(file, preset.name, preset.choices))

    def drop_preset(self, name: str) -> None:
        """Forget a preset.

        Raises:
            UsageError: the file cannot be written.
        """
        self.settings = replace(self.settings, presets=_with(self.settings.presets, name, None))
        self._keep(lambda file: toml_file.write_preset(file, name, None))

    def _keep(self, write: Callable[[Path], None]) -> None:
        if self.file is not None:
            write(self.file)


def _with(old: Mapping[str, T], key: str, value: T | None) -> dict[str, T]:
    new = {**old, key: value}
    return {each: kept for each, kept in new.items() if kept is not None}
