"""Evaluating in parts what takes long, so that whoever wants it stopped is heard meanwhile.

A large model reads a chunk of a prompt, or looks at a picture of many patches, for seconds; MLX
cannot be stopped within what it was told to evaluate. Smaller chunks would do as well, but are
read slower, and round otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter
from typing import Any

import mlx.core as mx

PART_S = 0.25
"""About how long a part may take."""

FEW_ROWS = 256
"""So many rows are evaluated in one go: waiting for one layer after the other would delay them."""


def evaluate_in_parts(steps: list[Any], rows: int, *, wants_all: bool = True) -> Iterator[int]:
    """Evaluate steps that build on each other, so many at once as take about `PART_S`.

    Args:
        steps: arrays, or trees of them, in their order; the list is emptied meanwhile, so that what
            only later steps needed is let go of.
        rows: positions or soft tokens that they are of.
        wants_all: whether each of them is of use later. If not, all that is made of a step must go
            into the next one: then those inside a part are held no longer than that takes.

    Yields:
        How many are left, after each part that took long but the last.
    """
    at_once = 1 if rows > FEW_ROWS else len(steps)
    is_first = True
    while steps:
        began_s = perf_counter()
        part = steps[:at_once] if wants_all else steps[:at_once][-1:]
        del steps[:at_once]
        mx.eval(part)
        took_s = perf_counter() - began_s
        if took_s >= PART_S / 2 and steps:
            yield len(steps)
        if took_s > PART_S:
            at_once = max(1, at_once // 2)
        elif took_s < PART_S / 2 and not is_first:
            at_once *= 2
        is_first = False  # Keys and values of the first layer need no layer: they tell little.
