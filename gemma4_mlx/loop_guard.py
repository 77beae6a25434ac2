"""Noticing that a model only repeats itself.

An answer that repeats itself for a purpose ends by itself: a matrix of zeros, a refrain, a sentence
that the user asked for a hundred times. So how long a repetition is let pass depends on what is
repeated. Words that come again and again are soon too many; what is mostly signs and digits, such
as tables, code and drawings, may be five times as long; and what differs in some way, such as the
rows of a table that count, the lines of a program or what is noise, much longer still.

=========================================  =======================  =======================
what repeats                               of words, stops after    of anything else, after
=========================================  =======================  =======================
the same, up to 512 tokens                 256 times, but no later  five times that: no
                                           than 1024 tokens, if     later than 5120 tokens
                                           that is 6 times
the same but for its numbers, of which     128 times, at least
each counts as one token; up to 96 tokens  1024 tokens
nearly the same, of which an eighth is     8192 tokens              16384 tokens
new: it grows, or a word differs; or the
same, up to 1024 tokens
=========================================  =======================  =======================

A matrix of 32 x 32 cells, of up to five tokens each, is let pass; one of 64 x 64 equal cells is
stopped within. Tokens are counted from where the loop has closed: its first round is none.
"""

from __future__ import annotations

import unicodedata
from collections import deque
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from gemma4_mlx.stream_decoder import StreamDecoder

LONGEST_STRETCH = 512
"""Tokens of the longest stretch that is looked for as such."""
LONGEST_VERSE = 96
"""Tokens of the longest stretch in which numbers may differ."""
LONGEST_ECHO = 1024
"""Tokens back, at least, to where something was written that is no news now."""

_TIMES, _TOKENS, _LONG_ONES_TIMES = 256, 1024, 6
_SIGNS_FACTOR = 5
_VERSES = 128
_WORDS_SHARE = 0.7
"""Letters among what is no space, in words."""
_COUNTED_SHARE = 0.75
"""The same where numbers differ: lines of programs that do have more signs."""
_WINDOWS = ((8192, 0.85), (16384, 0.0))
"""Tokens in which little is new, and the share of letters for which that is too many.

Declarations and the like are as rich in letters as 0.8, and repeat themselves for pages.
"""
_NEWS_SHARE = 0.125
_GRAM = 6
"""Symbols in a row that are new if they were not written before."""

_NUMBER = -1
"""Stands for the tokens of a number, which may be one digit more the next time."""


class _Totals(NamedTuple):
    """Of the answer so far."""

    letters: int = 0
    signs: int = 0
    news: int = 0


class LoopGuard:
    """Watches the tokens of one answer, thoughts and calls among them.

    A loop of up to `LONGEST_STRETCH` tokens ends within 5120 tokens after its first round; one of
    up to `LONGEST_ECHO`, and one of which no more than an eighth is new, within 16384.

    Args:
        decoder: a fresh one, which tells the text of the tokens.
    """

    def __init__(self, decoder: StreamDecoder) -> None:
        self._decoder = decoder
        stretches = np.arange(1, LONGEST_STRETCH + 1)
        few = np.minimum(_TIMES * stretches, _TOKENS)
        self._same = _Tail(np.maximum(few, _LONG_ONES_TIMES * stretches))
        self._many = _SIGNS_FACTOR * few
        verses = np.arange(1, LONGEST_VERSE + 1)
        self._verses = _Tail(np.maximum(_TOKENS, _VERSES * verses))
        self._echo = _Echo()
        self._totals = deque([_Totals()], maxlen=_WINDOWS[-1][0] + 1)

    def push(self, token: int) -> bool:
        """Whether, with this token, the answer is a loop."""
        text = "".join(self._decoder.feed(token).split())
        symbol = _NUMBER if text.isdecimal() else token
        is_more_of_a_number = symbol == _NUMBER == self._verses.last
        verse, news = (0, False) if is_more_of_a_number else self._push_symbol(symbol)
        before = self._totals[-1]
        letters = before.letters + _letters(text)
        self._totals.append(_Totals(letters, before.signs + len(text), before.news + news))
        counts = verse > 0 and self._has(_COUNTED_SHARE, _TOKENS)
        return self._repeats(token) or counts or self._ebbs()

    def _push_symbol(self, symbol: int) -> tuple[int, bool]:
        return self._verses.push(symbol)[0], self._echo.is_news(symbol)

    def _repeats(self, token: int) -> bool:
        length, repeated = self._same.push(token)
        if not length:
            return False
        return self._has(_WORDS_SHARE, length) or repeated >= self._many[length - 1]

    def _ebbs(self) -> bool:
        """Whether nothing new has come for long."""
        totals = self._totals
        for window, share in _WINDOWS:
            if len(totals) <= window:
                break
            news = totals[-1].news - totals[-1 - window].news
            if news <= _NEWS_SHARE * window and self._has(share, window):
                return True
        return False

    def _has(self, share: float, tokens: int) -> bool:
        """Whether so many of the signs of the newest tokens are letters."""
        now, before = self._totals[-1], self._totals[-1 - tokens]
        return now.letters - before.letters >= share * (now.signs - before.signs)


class _Tail:
    """The end of a row of symbols, and for how long it has repeated a stretch of any length.

    Args:
        enough: for each length, how many symbols must repeat.
    """

    def __init__(self, enough: np.ndarray) -> None:
        # Newest first, so that place n holds the symbol n + 1 steps before.
        self._before = np.full(len(enough), -2, np.int64)
        self._matches = np.zeros(len(enough), np.int64)
        self._enough = enough

    @property
    def last(self) -> int:
        """The newest symbol."""
        return int(self._before[0])

    def push(self, symbol: int) -> tuple[int, int]:
        """The shortest stretch that was repeated often enough and for how long; zeros for none."""
        self._matches += 1
        self._matches *= self._before == symbol
        self._before[1:] = self._before[:-1]
        self._before[0] = symbol
        found = self._matches >= self._enough
        shortest = int(found.argmax())
        return (shortest + 1, int(self._matches[shortest])) if found[shortest] else (0, 0)


class _Echo:
    """Tells which symbols end something that was not written lately."""

    def __init__(self) -> None:
        self._newest: deque[int] = deque(maxlen=_GRAM)
        self._lately: set[int] = set()
        self._before: set[int] = set()
        self._pushed = 0

    def is_news(self, symbol: int) -> bool:
        self._newest.append(symbol)
        gram = hash(tuple(self._newest))
        is_news = gram not in self._lately and gram not in self._before
        self._lately.add(gram)
        self._pushed += 1
        if self._pushed % LONGEST_ECHO == 0:
            self._lately, self._before = set(), self._lately
        return is_news


@lru_cache(maxsize=4096)
def _letters(text: str) -> int:
    """How many of its signs are letters, or marks such as the vowels of some scripts."""
    return sum(unicodedata.category(sign)[0] in "LM" for sign in text)
