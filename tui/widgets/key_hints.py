"""Which keys do what, in a line: those that work now, also where the settings gave others."""

from __future__ import annotations

from textual.content import Content
from textual.screen import Screen

from tui.keys import named

Wanted = tuple[tuple[str, str], ...]
"""Ids of bindings, parted by spaces, and what they do in a word."""

_ARROWS = set("←→↑↓")
_BETWEEN = " · "


def key_hints(screen: Screen[object], *wanted: tuple[str, str]) -> str:
    """As in "enter send · ctrl+j line".

    Args:
        screen: its bindings count, as they are for what has the focus.
        wanted: see `Wanted`; what begins with "@" or "/" is typed and stands as it is. Bindings
            that do nothing now are left out.
    """
    pressed: dict[str, str] = {}
    for key, active in screen.active_bindings.items():
        pressed.setdefault(active.binding.id or "", named(key))
    return _BETWEEN.join(filter(None, (_hint(pressed, *each) for each in wanted)))


def fitting(hints: str, width: int) -> str:
    """As many hints as there is room for: the first ones, and the last, the way out."""
    shown = hints.split(_BETWEEN)
    while len(shown) > 1 and Content(_BETWEEN.join(shown)).cell_length > width:
        del shown[-2]
    return _BETWEEN.join(shown)


def _hint(pressed: dict[str, str], ids: str, does: str) -> str:
    if ids[:1] in ("@", "/"):
        return f"{ids} {does}".strip()
    keys = [pressed[each] for each in ids.split() if each in pressed]
    return f"{_between(keys).join(keys)} {does}".strip() if keys else ""


def _between(keys: list[str]) -> str:
    if set(keys) <= _ARROWS:
        return ""
    return " " if all(len(key) == 1 for key in keys) else ", "
