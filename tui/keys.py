"""Keys: all bindings of the chat, how they are called, and what others may be put in their place.

Every binding has an id, such as chat.thinking. `[keys]` in the settings gives it other keys.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import REPLACED_KEYS, Keys, key_to_character

import tui

NEVER_ARRIVE = {
    "ctrl+i": "tab",
    "ctrl+m": "enter",
    "ctrl+h": "backspace",
    "ctrl+[": "escape",
    "ctrl+left_square_bracket": "escape",
    "alt+enter": "enter",
    "ctrl+tab": "the terminal's own",
    "ctrl+b": "tmux's own",
}
"""What reaches a program as another key, in most terminals or in many."""

SWAPPED_ENTER = {"prompt.send": "ctrl+j", "prompt.newline": "enter,shift+enter"}
"""Keys for whoever wants Enter to break the line."""

IN_THE_CHAT = {"chat", "prompt", "suggestions", "row", "recorder", "turn", "thoughts", "code"}
"""Places where the keys of the chat's screen work, too."""

_MODIFIERS = {"ctrl", "alt", "shift", "super", "meta", "hyper"}
_SIGNS = {"up": "↑", "down": "↓", "left": "←", "right": "→"}
_WORDS = {"escape": "esc", "delete": "del", "pageup": "page up", "pagedown": "page down"}


@dataclass(frozen=True, slots=True)
class Key:
    """A binding that the chat has.

    Attributes:
        id: its name in the settings.
        keys: its keys, parted by commas, unless the settings say others.
        description: what it does.
        owner: the class that has it.
    """

    id: str
    keys: str
    description: str
    owner: type[DOMNode]

    @property
    def place(self) -> str:
        """Where it works: the first part of the id."""
        return self.id.partition(".")[0]


@cache
def all_keys() -> tuple[Key, ...]:
    """Every binding of every screen and widget, by class; imports all of them."""
    for module in pkgutil.walk_packages(tui.__path__, "tui."):
        if module.name.startswith(("tui.screens.", "tui.widgets.", "tui.app")):
            importlib.import_module(module.name)
    return tuple(key for owner in _owners(DOMNode) for key in _keys_of(owner))


def named(keys: str) -> str:
    """Keys as people call them, as in ctrl+j, shift+enter."""
    return ", ".join(_named(key) for key in keys.split(","))


def keymap(chosen: Mapping[str, str], *, enter_sends: bool = True) -> dict[str, str]:
    """Binding id -> keys, for `App.set_keymap`.

    Textual takes a key from all bindings of a widget once one of them moves away from it, so
    those that stay are named, too.
    """
    moved = {**({} if enter_sends else SWAPPED_ENTER), **chosen}
    if not moved:
        return moved
    lost = {one for key in all_keys() if key.id in moved for one in key.keys.split(",")}
    staying = {key.id: key.keys for key in all_keys() if lost & set(key.keys.split(","))}
    return {**staying, **moved}


def problems(chosen: Mapping[str, str]) -> list[str]:
    """What is wrong with keys that somebody chose, a line each."""
    found = []
    ids = {key.id for key in all_keys()} if chosen else set()
    for binding_id, keys in chosen.items():
        if binding_id not in ids:
            close = get_close_matches(binding_id, ids, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            found.append(f"keys.{binding_id}: no such binding{hint}")
        found += [
            f"keys.{binding_id}: {why}"
            for key in keys.split(",")
            if (why := _unfit(key, binding_id))
        ]
        found += [
            f"keys.{binding_id}: {named(key)} is already {other.id} ({other.description.lower()})"
            for key, other in clashes(binding_id, keys, chosen)
        ]
    return found


def fit(chosen: Mapping[str, str]) -> dict[str, str]:
    """Those of the chosen keys that can be had, as Textual calls them."""
    ids = {key.id for key in all_keys()} if chosen else set()
    return {
        binding_id: ",".join(map(_plain, keys.split(",")))
        for binding_id, keys in chosen.items()
        if binding_id in ids and not any(_unfit(key, binding_id) for key in keys.split(","))
    }


def clashes(binding_id: str, keys: str, chosen: Mapping[str, str]) -> Iterator[tuple[str, Key]]:
    """Keys that something else has which can be wanted at the same time, and what that is."""
    mine = [key for key in all_keys() if key.id == binding_id]
    for key in map(_plain, keys.split(",")):
        for other in all_keys():
            theirs = map(_plain, chosen.get(other.id, other.keys).split(","))
            if (
                other.id != binding_id
                and key in theirs
                and any(_meet(each, other) for each in mine)
            ):
                yield key, other


def live(chosen: Mapping[str, str], binding_id: str) -> str:
    """The keys that a binding has now, as people call them; nothing if there is no such one."""
    for key in all_keys():
        if key.id == binding_id:
            return named(chosen.get(binding_id, key.keys))
    return ""


def _owners(root: type[DOMNode]) -> Iterator[type[DOMNode]]:
    """Our classes, each once."""
    seen: dict[type[DOMNode], None] = {}
    pending = [root]
    while pending:
        pending += (owner := pending.pop()).__subclasses__()
        if owner.__module__.startswith("tui."):
            seen[owner] = None
    yield from sorted(seen, key=lambda owner: (owner.__module__, owner.__name__))


def _keys_of(owner: type[DOMNode]) -> Iterable[Key]:
    for binding in owner.__dict__.get("BINDINGS", ()):
        if isinstance(binding, Binding):
            yield Key(binding.id or "", binding.key, binding.description, owner)


def _meet(one: Key, other: Key) -> bool:
    """Whether both can be wanted at one time."""
    places = {one.place, other.place}
    return len(places) == 1 or "app" in places or ("chat" in places and places <= IN_THE_CHAT)


def _unfit(key: str, binding_id: str) -> str:
    """Why a binding cannot have a key; nothing if it can."""
    *modifiers, last = _plain(key).split("+")
    if _plain(key) in NEVER_ARRIVE:
        return f"{key} reaches no program: terminals send it as {NEVER_ARRIVE[_plain(key)]}"
    known = last in set(Keys) or _character(last) is not None
    if not known or not set(modifiers) <= _MODIFIERS:
        return f'no key is called {key!r}; expected one as in "ctrl+t", "f5" or "alt+up"'
    own = ",".join(each.keys for each in all_keys() if each.id == binding_id)
    if _is_typed(key) and not any(map(_is_typed, own.split(","))):
        return f"{key} is typed into the prompt"
    return ""


def _is_typed(key: str) -> bool:
    """Whether a key writes a character."""
    character = _character(_plain(key)) if "+" not in key else None
    return character is not None and character.isprintable()


def _character(key: str) -> str | None:
    return key_to_character(REPLACED_KEYS.get(key, key)) if key else None


def _plain(key: str) -> str:
    """As Textual calls it: only letters have a case."""
    key = key.strip()
    return key if len(key) == 1 else key.lower()


def _named(key: str) -> str:
    *modifiers, last = key.strip().split("+")
    character = _character(last)
    sign = character if character and character.isprintable() and character != " " else last
    return "+".join([*modifiers, _SIGNS.get(last) or _WORDS.get(last) or sign])
