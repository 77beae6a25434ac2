"""What a setting may be, from TOML and from typed text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from gemma4_mlx.errors import UsageError

Value = str | int | float | bool
"""What a setting can hold."""


class Kind(Protocol):
    """The values that a setting takes."""

    @property
    def expected(self) -> str:
        """What is expected, in a few words."""
        ...

    def check(self, raw: object) -> Value:
        """A value as TOML gives it.

        Raises:
            UsageError: it is another kind of value.
        """
        ...

    def read(self, text: str) -> Value:
        """A value as somebody types it.

        Raises:
            UsageError: it is no such value.
        """
        ...


@dataclass(frozen=True, slots=True)
class Switch:
    """On or off; true or false in the file."""

    @property
    def expected(self) -> str:
        """What is expected."""
        return "true or false"

    def check(self, raw: object) -> Value:
        """True or false."""
        if not isinstance(raw, bool):
            raise _misfit(self, raw)
        return raw

    def read(self, text: str) -> Value:
        """On, yes, true, or their opposites."""
        words = {"on": True, "yes": True, "true": True, "off": False, "no": False, "false": False}
        if text.lower() not in words:
            raise UsageError(f"expected on or off, found {text!r}")
        return words[text.lower()]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several.

    Attributes:
        values: the values, in the order in which they are offered.
    """

    values: tuple[Value, ...]

    @property
    def expected(self) -> str:
        """What is expected."""
        return f"one of {', '.join(map(str, self.values))}"

    def check(self, raw: object) -> Value:
        """One of the values, of the same type."""
        for value in self.values:
            if type(raw) is type(value) and raw == value:
                return value
        raise _misfit(self, raw)

    def read(self, text: str) -> Value:
        """One of the values, as text."""
        for value in self.values:
            if str(value) == text.lower():
                return value
        raise UsageError(f"expected {self.expected}, found {text!r}")


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a range.

    Attributes:
        low: the least.
        high: the greatest; None for no limit.
        whole: whether it has no fraction.
    """

    low: float
    high: float | None = None
    whole: bool = False

    @property
    def expected(self) -> str:
        """What is expected."""
        noun = "a whole number" if self.whole else "a number"
        if self.high is None:
            return f"{noun}, {self.low:g} or more"
        return f"{noun} from {self.low:g} to {self.high:g}"

    def check(self, raw: object) -> Value:
        """A number in the range."""
        if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
            raise _misfit(self, raw)
        is_whole = isinstance(raw, int) or not self.whole
        if not is_whole or raw < self.low or (self.high is not None and raw > self.high):
            raise _misfit(self, raw)
        return raw

    def read(self, text: str) -> Value:
        """A number in the range."""
        try:
            number = int(text) if self.whole else float(text)
        except ValueError:
            raise UsageError(f"expected {self.expected}, found {text!r}") from None
        return self.check(number)


@dataclass(frozen=True, slots=True)
class Text:
    """Any text.

    Attributes:
        noun: what it is, for the message.
        may_be_empty: whether nothing is a value, too.
    """

    noun: str = "text"
    may_be_empty: bool = True

    @property
    def expected(self) -> str:
        """What is expected."""
        return f"{self.noun} in quotes"

    def check(self, raw: object) -> Value:
        """Text."""
        if not isinstance(raw, str) or not (raw.strip() or self.may_be_empty):
            raise _misfit(self, raw)
        return raw

    def read(self, text: str) -> Value:
        """Whatever was typed."""
        return self.check(text)


def shown(raw: object) -> str:
    """A value as one would write it in the file."""
    if isinstance(raw, bool):
        return str(raw).lower()
    if isinstance(raw, dict):
        return "a table"
    return repr(raw)


def in_words(value: Value) -> str:
    """A value as people read it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return (f"{value:g}" if isinstance(value, float) else str(value)) or "none"


def _misfit(kind: Kind, raw: object) -> UsageError:
    return UsageError(f"expected {kind.expected}, found {shown(raw)}")
