"""Text in which no control token can hide.

A tokenizer turns `<turn|>` into the control token wherever it stands, also where a user typed
it. Two tools keep what people write apart from what the template writes:

- `cut` splits text inside every control string, so that encoding the pieces one by one spells
  the string out in ordinary tokens. Text without control strings stays whole, so its ids are
  those of the plain text.
- `Disguise` swaps the outer characters of control strings for stand-ins before a template sees
  the text. After rendering, what is still literally a control string was written by the
  template; what becomes one when the disguise comes off was not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

_PRIVATE_USE = range(0xF0000, 0xFFFFE)


class ControlStrings:
    """The strings that a tokenizer reads as control tokens."""

    def __init__(self, strings: Iterable[str]) -> None:
        self.strings = sorted((s for s in strings if len(s) > 1), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self.strings)) or r"(?!)")
        self.outer_characters = {end for s in self.strings for end in (s[0], s[-1])}

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Start and end of every control string, overlapping ones included."""
        found = []
        match = self._pattern.search(text)
        while match:
            found.append(match.span())
            match = self._pattern.search(text, match.start() + 1)
        return found

    def cut(self, text: str) -> list[str]:
        """`text` in pieces of which none holds a control string."""
        return _split(text, [start + 1 for start, _ in self.spans(text)])


class Disguise:
    """Stand-ins for the outer characters of control strings, for one conversation."""

    def __init__(self, control: ControlStrings, conversation: Any) -> None:
        """Choose stand-ins that occur nowhere in `conversation`."""
        self._control = control
        used = set("".join(strings_of(conversation)))
        free = (chr(code) for code in _PRIVATE_USE if chr(code) not in used)
        pairs = dict(zip(sorted(control.outer_characters), free, strict=False))
        self._on = str.maketrans(pairs)
        self._off = str.maketrans({stand_in: char for char, stand_in in pairs.items()})

    def on(self, text: str, *, keep: Sequence[str] = ()) -> str:
        """`text` disguised, except for whole occurrences of the strings in `keep`."""
        if not keep:
            return text.translate(self._on)
        parts = re.split(f"({'|'.join(map(re.escape, keep))})", text)
        return "".join(part if part in keep else part.translate(self._on) for part in parts)

    def off(self, rendered: str) -> list[str]:
        """Undisguise rendered text, cut inside the control strings no template wrote."""
        plain = rendered.translate(self._off)
        spans = self._control.spans(plain)
        return _split(plain, [a + 1 for a, b in spans if rendered[a:b] != plain[a:b]])


def strings_of(value: Any) -> Iterable[str]:
    """Every string in nested JSON-like values, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from strings_of(key)
            yield from strings_of(item)
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        for item in value:
            yield from strings_of(item)


def map_strings(value: Any, function: Callable[[str], str]) -> Any:
    """`value` with every string in it, keys included, put through `function`."""
    if isinstance(value, str):
        return function(value)
    if isinstance(value, Mapping):
        return {
            map_strings(key, function): map_strings(item, function) for key, item in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [map_strings(item, function) for item in value]
    return value


def _split(text: str, cuts: Iterable[int]) -> list[str]:
    borders = [0, *sorted(set(cuts)), len(text)]
    return [text[a:b] for a, b in pairwise(borders)]
