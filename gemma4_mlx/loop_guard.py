"""Noticing that a model only repeats itself.

Looks at token ids alone: an answer is a loop when its end is the same stretch over and over. What
merely looks alike, such as the rows of a table, the items of a list or the lines of a program,
differs in some token and starts the count anew.

Some loops count: "Attempt 7: let me try again. Attempt 8: ...". Of sentences in which nothing but
numbers differs, more are let pass, because a song may have a hundred verses; of stretches that
are not plain words (tables, programs, numbers one after the other) any number is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gemma4_mlx.stream_decoder import StreamDecoder

LONGEST_STRETCH = 256
"""Tokens of the longest stretch that is looked for."""
LONGEST_VERSE = 96
"""Tokens of the longest stretch in which numbers may differ; each number counts as one."""

_REPEATED_TOKENS = 256
_REPETITIONS = 6
_COUNTED_TOKENS = 1024
_VERSES = 128
_LETTERS_SHARE = 0.8
"""Of what is no number and no space, in sentences; programs have more signs."""

_NUMBER = -1
"""Stands for the tokens of a number, which may be one digit more the next time."""


class LoopGuard:
    """Watches the tokens of one answer.

    A stretch of n tokens is a loop once it was repeated for `max(256, 6 n)` tokens, so that an
    endless answer ends at most `6 * LONGEST_STRETCH` tokens after its loop has closed. Where
    numbers differ and nearly all else is letters, that is `max(1024, 128 n)`.

    Args:
        new_decoder: makes what tells the text of a token, such as `Tokenizer.stream_decoder`.
    """

    def __init__(self, new_decoder: Callable[[], StreamDecoder]) -> None:
        self._new_decoder = new_decoder
        self._tokens = _Tail(LONGEST_STRETCH, _REPEATED_TOKENS, _REPETITIONS)
        self._verses = _Tail(LONGEST_VERSE, _COUNTED_TOKENS, _VERSES)
        self._symbols: dict[int, int] = {}
        self._signs: dict[int, tuple[int, int]] = {_NUMBER: (0, 0)}  # letters, and all of them

    def push(self, token: int) -> bool:
        """Whether, with this token, the answer is a loop."""
        repeats = self._tokens.push(token)
        symbol = self._symbol(token)
        is_more_of_a_number = symbol == _NUMBER == self._verses.last
        verse = 0 if is_more_of_a_number else self._verses.push(symbol)
        return bool(repeats) or (verse > 0 and self._is_prose(verse))

    def _symbol(self, token: int) -> int:
        """The token, or what stands for all numbers."""
        if token not in self._symbols:
            decoder = self._new_decoder()
            text = "".join((decoder.feed(token) + decoder.flush()).split())
            self._symbols[token] = _NUMBER if text.isdecimal() else token
            self._signs[token] = sum(map(str.isalpha, text)), len(text)
        return self._symbols[token]

    def _is_prose(self, length: int) -> bool:
        letters, signs = np.sum([self._signs[each] for each in self._verses.newest(length)], axis=0)
        return bool(letters > _LETTERS_SHARE * signs)


class _Tail:
    """The end of a row of symbols, and for how long it has repeated a stretch of any length.

    Args:
        longest: stretch that is looked for.
        least: how many symbols must repeat, of the shortest ones.
        times: how many times a longer stretch must be repeated.
    """

    def __init__(self, longest: int, least: int, times: int) -> None:
        # Newest first, so that place n holds the symbol n + 1 steps before.
        self._before = np.full(longest, -2, np.int64)
        self._matches = np.zeros(longest, np.int64)
        self._enough = np.maximum(least, times * np.arange(1, longest + 1))

    @property
    def last(self) -> int:
        """The newest symbol."""
        return int(self._before[0])

    def newest(self, count: int) -> list[int]:
        """The newest symbols."""
        return self._before[:count].tolist()

    def push(self, symbol: int) -> int:
        """Length of the shortest stretch that was repeated often enough; 0 for none."""
        self._matches += 1
        self._matches *= self._before == symbol
        self._before[1:] = self._before[:-1]
        self._before[0] = symbol
        found = self._matches >= self._enough
        shortest = int(found.argmax())
        return shortest + 1 if found[shortest] else 0
