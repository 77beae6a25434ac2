"""Noticing that a model only repeats itself.

Looks at token ids alone: an answer is a loop when its end is the same stretch over and over. What
merely looks alike, such as the rows of a table, the items of a list or the lines of a program,
differs in some token and starts the count anew.
"""

from __future__ import annotations

import numpy as np

LONGEST_STRETCH = 256
"""Tokens of the longest stretch that is looked for."""
_REPEATED_TOKENS = 256
_REPETITIONS = 6


class LoopGuard:
    """Watches the tokens of one answer.

    A stretch of n tokens is a loop once it was repeated for `max(256, 6 n)` tokens, so that an
    endless answer ends at most `6 * LONGEST_STRETCH` tokens after its loop has closed.
    """

    def __init__(self) -> None:
        # Newest first, so that place n holds the token n + 1 steps before.
        self._before = np.full(LONGEST_STRETCH, -1, np.int64)
        self._matches = np.zeros(LONGEST_STRETCH, np.int64)
        stretches = np.arange(1, LONGEST_STRETCH + 1)
        self._enough = np.maximum(_REPEATED_TOKENS, _REPETITIONS * stretches)

    def push(self, token: int) -> bool:
        """Whether, with this token, the answer is a loop."""
        self._matches = np.where(self._before == token, self._matches + 1, 0)
        self._before[1:] = self._before[:-1]
        self._before[0] = token
        return bool((self._matches >= self._enough).any())
