"""What can be changed on the settings screen: settings, presets, keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from gemma4_mlx.errors import UsageError
from tui import keys
from tui.settings.kinds import Choice, Switch, Text, Value, in_words
from tui.settings.options import ChatOptions
from tui.settings.preferences import Preferences
from tui.settings.preset import Preset
from tui.settings.schema import SETTINGS, Setting

Editing = Literal["text", "keys", "none"]
"""How a value is entered: typed, by pressing the keys, or not at all."""

SECTIONS = {"": "Chat", "sampling": "Sampling", "look": "Look", "chats": "Keeping chats"}
PRESETS = "Presets"
KEYS = "Keys"


class Desk(Protocol):
    """Where settings are changed, and put into force."""

    preferences: Preferences

    @property
    def options(self) -> ChatOptions:
        """What holds in the chat that is open."""
        ...

    @property
    def checkpoint(self) -> Mapping[str, Value]:
        """The defaults of the model that is loaded, by the names of settings."""
        ...

    def choose(self, chosen: Setting, value: Value | None) -> None:
        """Choose a setting; None goes back to the default."""

    def choose_keys(self, binding_id: str, chosen: str | None) -> None:
        """Give a binding other keys; None gives it its own again."""

    def take_preset(self, name: str) -> None:
        """Take a preset for the chat that is open."""


class Item(Protocol):
    """One line of the screen.

    Attributes:
        section: its heading.
        editing: how a value is entered.
    """

    section: str
    editing: Editing

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def value(self) -> str:
        """What holds, in words."""
        ...

    @property
    def note(self) -> str:
        """The default, or what else should be known."""
        ...

    @property
    def is_chosen(self) -> bool:
        """Whether the file says something about it."""
        ...

    @property
    def about(self) -> str:
        """What it does, and what is expected."""
        ...

    def text(self) -> str:
        """What is there to be edited."""
        ...

    def step(self, by: int) -> bool:
        """Go to the next value; returns whether there is one to go to."""
        ...

    def enter(self, text: str) -> None:
        """Take what was typed.

        Raises:
            UsageError: it makes no sense.
        """

    def reset(self) -> None:
        """Back to the default."""


class SettingItem:
    """A setting."""

    def __init__(self, desk: Desk, setting: Setting) -> None:
        self._desk = desk
        self._setting = setting
        self.section = SECTIONS[setting.table]
        self.editing: Editing = "none" if isinstance(setting.kind, Switch | Choice) else "text"

    @property
    def name(self) -> str:
        """Its name in the file."""
        return self._setting.name

    @property
    def value(self) -> str:
        """Of new chats; the checkpoint's own where nothing else is said."""
        value = self._desk.preferences.settings.get(self._setting.path)
        if value is not None:
            return in_words(value)
        own = self._desk.checkpoint.get(self._setting.name)
        return self._setting.unset if own is None else in_words(own)

    @property
    def note(self) -> str:
        """What differs: in this chat, or from the default."""
        setting, value = self._setting, self._desk.preferences.settings.get(self._setting.path)
        if setting.per_chat and (now := self._desk.options.chosen(setting)) != value:
            return f"this chat: {self._words(now)}"
        if self.is_chosen:
            return f"default: {self._words(setting.default)}"
        own = self._desk.checkpoint.get(setting.name)
        return setting.unset if setting.default is None and own is not None else ""

    @property
    def is_chosen(self) -> bool:
        """Whether the file says something about it."""
        return self._desk.preferences.settings.chosen(self._setting)

    @property
    def about(self) -> str:
        """Summary, and what is expected."""
        return f"{self._setting.summary} ({self._setting.kind.expected.removesuffix(' in quotes')})"

    def text(self) -> str:
        """The value as it would be typed."""
        value = self._desk.preferences.settings.get(self._setting.path)
        return "" if value is None else str(value)

    def step(self, by: int) -> bool:
        """The next of the choices, round the ends."""
        kind = self._setting.kind
        values = kind.values if isinstance(kind, Choice) else (False, True)
        if self.editing != "none":
            return False
        value = self._desk.preferences.settings.get(self._setting.path)
        place = values.index(value) + by if value in values else (0 if by > 0 else -1)
        self._desk.choose(self._setting, values[place % len(values)])
        return True

    def enter(self, text: str) -> None:
        """Nothing goes back to the default, unless nothing is a value."""
        if text.strip() or isinstance(self._setting.kind, Text):
            self._desk.choose(self._setting, self._setting.kind.read(text.strip()))
        else:
            self.reset()

    def reset(self) -> None:
        """Back to the default."""
        self._desk.choose(self._setting, None)

    def _words(self, value: Value | None) -> str:
        if value is not None:
            return in_words(value)
        own = self._desk.checkpoint.get(self._setting.name)
        return self._setting.unset if own is None else f"{in_words(own)}, {self._setting.unset}"


class PresetItem:
    """A preset, to be taken or forgotten."""

    section = PRESETS
    editing: Editing = "none"
    is_chosen = True

    def __init__(self, desk: Desk, preset: Preset) -> None:
        self._desk = desk
        self._preset = preset
        self.name = preset.name
        self.value = preset.summary
        self.note = ""
        self.about = f"{preset.summary}: enter takes it for this chat"

    def text(self) -> str:
        """It is edited in the file."""
        return ""

    def step(self, by: int) -> bool:
        """Take it."""
        self._desk.take_preset(self.name)
        return True

    def enter(self, text: str) -> None:
        """It is edited in the file."""

    def reset(self) -> None:
        """Forget it."""
        self._desk.preferences.drop_preset(self.name)


class KeyItem:
    """The keys of a binding."""

    section = KEYS
    editing: Editing = "keys"

    def __init__(self, desk: Desk, key: keys.Key) -> None:
        self._desk = desk
        self._key = key
        self.name = key.id

    @property
    def value(self) -> str:
        """The keys that it has."""
        return keys.named(self._chosen.get(self._key.id, self._key.keys))

    @property
    def note(self) -> str:
        """What it does."""
        return self._key.description.lower()

    @property
    def is_chosen(self) -> bool:
        """Whether the file says something about it."""
        return self._key.id in self._chosen

    @property
    def about(self) -> str:
        """What it does, and its own keys."""
        return f"{self._key.description} (unless chosen otherwise: {keys.named(self._key.keys)})"

    def text(self) -> str:
        """They are pressed."""
        return ""

    def step(self, by: int) -> bool:
        """There is no order."""
        return False

    def enter(self, text: str) -> None:
        """Take the key that was pressed; not one that something else needs."""
        if wrong := keys.problems({**self._chosen, self._key.id: text}):
            mine = [problem for problem in wrong if problem.startswith(f"keys.{self._key.id}: ")]
            if mine:
                raise UsageError(mine[0].partition(": ")[2])
        self._desk.choose_keys(self._key.id, text)

    def reset(self) -> None:
        """Its own keys."""
        self._desk.choose_keys(self._key.id, None)

    @property
    def _chosen(self) -> Mapping[str, str]:
        return self._desk.preferences.settings.keys


def items(desk: Desk) -> list[Item]:
    """All of them, section by section."""
    found: list[Item] = [SettingItem(desk, setting) for setting in SETTINGS]
    found += [PresetItem(desk, each) for each in desk.preferences.settings.presets.values()]
    by_id = {key.id: key for key in keys.all_keys()}
    return found + [KeyItem(desk, by_id[each]) for each in sorted(by_id)]
