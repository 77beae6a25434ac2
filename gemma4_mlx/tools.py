"""Tool calls in Gemma's notation: `call:NAME{city:<|"|>Paris<|"|>,days:2}` and Python values.

Keys are bare and sorted, strings stand between quote tokens with nothing escaped inside, and the
rest is written as in JSON. What a model wrote may be wrong, so reading never raises: a call that
cannot be read comes back as a `ToolCall` whose `error` says why.

Reference: the checkpoints' chat template, `format_argument`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from gemma4_mlx.events import ToolCall

QUOTE = '<|"|>'
"""The token that opens and closes a string."""

DEEPEST = 64
"""Nesting that is still read; a runaway model writes brackets without end."""

LONGEST_SHOWN = 60
"""Characters of what was written that an error repeats."""

_SIGNS = frozenset("{}[],:")
_CALL = re.compile(r"\s*call:([^{]*)")
_LEXEME = re.compile(r"[{}\[\],:]|[^{}\[\],:]+")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?P<fraction>\.\d+)?(?P<exponent>[eE][+-]?\d+)?")
_WORDS = {"true": True, "false": False, "null": None}


def parse_call(source: str | Sequence[str]) -> ToolCall:
    """Read what stood between the call's two markers.

    Args:
        source: the text, with `QUOTE` spelled out; or the text already cut at the quote
            tokens, so that every second piece is the inside of a string. The latter is exact
            even where a string itself spells the quote.

    Returns:
        The call; with `error` set, the beginning of the name as far as it was read and no
        arguments, if the notation was broken.
    """
    pieces = source.split(QUOTE) if isinstance(source, str) else source
    head = _CALL.match(pieces[0]) if pieces else None
    if head is None:
        return ToolCall("", {}, error="a call must start with 'call:'")
    name = head[1].strip()
    try:
        reader = _Reader([pieces[0][head.end() :], *pieces[1:]])
        arguments = reader.object(depth=0)
        reader.end()
        if not name:
            raise _SyntaxError("the call names no tool")
        if len(name.split()) > 1:
            raise _SyntaxError(f"{_shown(name)} is no name of a tool: it has spaces")
    except _SyntaxError as error:
        return ToolCall(name[:LONGEST_SHOWN], {}, error=str(error))
    return ToolCall(name, arguments)


class _SyntaxError(Exception):
    """The notation is broken; never leaves this file."""


class _Quoted(str):
    """The inside of a string, as opposed to notation."""

    __slots__ = ()


class _Reader:
    """Recursive descent over lexemes; each method reads one thing and moves past it."""

    def __init__(self, pieces: Sequence[str]) -> None:
        if len(pieces) % 2 == 0:
            raise _SyntaxError("a string is not closed")
        self._lexemes: list[str] = []
        for index, piece in enumerate(pieces):
            if index % 2:
                self._lexemes.append(_Quoted(piece))
            else:
                found = (lexeme.strip() for lexeme in _LEXEME.findall(piece))
                self._lexemes += [lexeme for lexeme in found if lexeme]
        self._at = 0

    def object(self, depth: int) -> dict[str, Any]:
        """`{key:value,...}`."""
        self._expect("{")
        result: dict[str, Any] = {}
        while not self._skip("}"):
            if result:
                self._expect(",")
            key = self._next("a key")
            if key in _SIGNS and not isinstance(key, _Quoted):
                raise _SyntaxError(f"expected a key, found {_shown(key)}")
            if key in result:
                raise _SyntaxError(f"the key {_shown(key)} comes twice")
            self._expect(":")
            result[str(key)] = self._value(depth + 1)
        return result

    def end(self) -> None:
        """Nothing may follow."""
        if self._at < len(self._lexemes):
            raise _SyntaxError(f"unexpected {_shown(self._lexemes[self._at])} after the call")

    def _array(self, depth: int) -> list[Any]:
        self._expect("[")
        result: list[Any] = []
        while not self._skip("]"):
            if result:
                self._expect(",")
            result.append(self._value(depth + 1))
        return result

    def _value(self, depth: int) -> Any:
        if depth > DEEPEST:
            raise _SyntaxError(f"nested deeper than {DEEPEST}")
        if self._sees("{"):
            return self.object(depth)
        if self._sees("["):
            return self._array(depth)
        lexeme = self._next("a value")
        return str(lexeme) if isinstance(lexeme, _Quoted) else _literal(lexeme)

    def _next(self, what: str) -> str:
        if self._at == len(self._lexemes):
            raise _SyntaxError(f"expected {what}, found the end")
        self._at += 1
        return self._lexemes[self._at - 1]

    def _sees(self, sign: str) -> bool:
        if self._at == len(self._lexemes):
            return False
        lexeme = self._lexemes[self._at]
        return lexeme == sign and not isinstance(lexeme, _Quoted)

    def _skip(self, sign: str) -> bool:
        found = self._sees(sign)
        self._at += found
        return found

    def _expect(self, sign: str) -> None:
        if not self._skip(sign):
            raise _SyntaxError(f"expected {sign!r}, found {_shown(self._next(repr(sign)))}")


def _shown(written: str) -> str:
    """It in quotes, or its beginning."""
    is_short = len(written) <= LONGEST_SHOWN
    return repr(str(written) if is_short else f"{written[: LONGEST_SHOWN - 1]}…")


def _literal(word: str) -> Any:
    """A number, true, false or null."""
    if word in _WORDS:
        return _WORDS[word]
    number = _NUMBER.fullmatch(word)
    if number is None:
        raise _SyntaxError(f"{_shown(word)} is no number, true, false or null; strings need quotes")
    is_whole = number["fraction"] is None and number["exponent"] is None
    try:
        value = int(word) if is_whole else float(word)
    except ValueError:  # Python reads no more than some thousand digits
        value = math.inf
    if not math.isfinite(value):
        raise _SyntaxError("a number is too large")
    return value
