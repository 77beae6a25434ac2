"""What `/set`, `/system` and `/preset` choose for a chat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gemma4_mlx.errors import UsageError
from tui.settings.kinds import Value, in_words
from tui.settings.options import ChatOptions
from tui.settings.preset import CHOICES, Preset
from tui.settings.schema import Setting, find_setting

OWN = "default"
"""The word for the checkpoint's own value."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, and what to say about it."""

    options: ChatOptions
    said: str


def choose(options: ChatOptions, argument: str) -> Choice:
    """`/set NAME VALUE`; without a value it says what holds.

    Raises:
        UsageError: no such setting or value, or it is not one of a chat.
    """
    name, _, text = argument.partition(" ")
    setting = _setting(name)
    if not text.strip():
        value = options.chosen(setting)
        holds = setting.unset if value is None else in_words(value)
        return Choice(options, f"{setting.name}: {holds}; takes {setting.kind.expected}")
    typed = text.strip()
    value = setting.default if typed == OWN else setting.kind.read(typed)
    words = setting.default_text if value is None else in_words(value)
    return Choice(options.with_choice(setting, value), f"{setting.name}: {words}, for this chat")


def tell(options: ChatOptions, argument: str) -> Choice:
    """`/system TEXT`, `/system off`; without a text it says what holds."""
    if not argument:
        prompt = " ".join(options.system.split())
        return Choice(options, f"system prompt: {prompt}" if prompt else "no system prompt")
    if argument.lower() in ("off", "none"):
        return Choice(replace(options, system=""), "no system prompt from the next answer on")
    return Choice(replace(options, system=argument), "the model is told so from the next answer on")


def take(options: ChatOptions, presets: Mapping[str, Preset], name: str) -> Choice:
    """`/preset NAME`; without a name it says which there are.

    Raises:
        UsageError: no such preset.
    """
    names = ", ".join(presets)
    if not name:
        there = f"presets: {names}" if names else "no presets yet: /preset save NAME makes one"
        return Choice(options, there)
    if name not in presets:
        there = f"there are {names}" if names else "there are none: /preset save NAME makes one"
        raise UsageError(f"no preset {name!r}; {there}")
    preset = presets[name]
    return Choice(options.with_preset(preset), f"{name}: {preset.summary}")


def kept(options: ChatOptions, name: str) -> Preset:
    """`/preset save NAME`: what holds in a chat, under a name.

    Raises:
        UsageError: no name.
    """
    if not name:
        raise UsageError("/preset save needs a name")
    values: dict[str, Value] = {}
    for key, setting in CHOICES.items():
        value = options.chosen(setting)
        if value is not None and value != setting.default:
            values[key] = value
    return Preset(name, values)


def _setting(name: str) -> Setting:
    setting = find_setting(name)
    if setting is None:
        names = ", ".join(each.short or each.name for each in CHOICES.values())
        raise UsageError(f"no setting {name!r}; a chat has {names}")
    if not setting.per_chat:
        raise UsageError(f"{setting.name} is for all chats: /settings changes it")
    return setting
