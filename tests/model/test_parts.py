"""What takes long is evaluated in parts of about the same time."""

from __future__ import annotations

import mlx.core as mx
import pytest

from gemma4_mlx import parts
from gemma4_mlx.parts import evaluate_in_parts

STEPS = 10


class Clock:
    """Every step that is evaluated takes so long."""

    def __init__(self, step_s: float) -> None:
        self.step_s, self.now_s = step_s, 0.0
        self.evaluated: list[int] = []

    def eval(self, steps: list[mx.array]) -> None:
        self.evaluated.append(len(steps))
        self.now_s += self.step_s * len(steps)


@pytest.fixture
def run(monkeypatch):
    """Evaluate ten steps: how many at a time, and how many were left when it was told."""

    def with_steps_of(step_s: float, rows: int) -> tuple[list[int], list[int]]:
        clock = Clock(step_s)
        monkeypatch.setattr(parts, "mx", clock)
        monkeypatch.setattr(parts, "perf_counter", lambda: clock.now_s)
        left = list(evaluate_in_parts([mx.array(0)] * STEPS, rows))
        assert sum(clock.evaluated) == STEPS
        return clock.evaluated, left

    return with_steps_of


def test_few_rows_are_evaluated_in_one_go_and_nothing_is_told(run):
    assert run(9.0, parts.FEW_ROWS) == ([STEPS], [])


def test_quick_steps_are_evaluated_ever_more_at_once(run):
    assert run(0.001, parts.FEW_ROWS + 1) == ([1, 1, 2, 4, 2], [])


def test_slow_steps_are_told_one_by_one_but_the_last(run):
    assert run(9.0, parts.FEW_ROWS + 1) == ([1] * STEPS, list(range(9, 0, -1)))


def test_a_part_takes_about_as_long_as_it_may(run):
    evaluated, left = run(parts.PART_S / 3, parts.FEW_ROWS + 1)
    assert evaluated == [1, 1, 2, 2, 2, 2] and left == [6, 4, 2]


def test_the_list_is_emptied_so_that_steps_are_let_go_of():
    first = mx.arange(3)
    second = first + 1
    steps = [first, second]
    assert list(evaluate_in_parts(steps, rows=1)) == []
    assert not steps and second.tolist() == [1, 2, 3]


def test_pain_49_steps_that_nobody_wants_are_not_held_until_their_part_is_done():
    count = 64
    wide = mx.zeros(1 << 18)
    mx.eval(wide)
    steps = [wide + 1]
    while len(steps) < count:
        steps.append(steps[-1] + 1)
    last = steps[-1]
    mx.reset_peak_memory()
    before_bytes = mx.get_active_memory()
    assert list(evaluate_in_parts(steps, rows=1, wants_all=False)) == []
    assert mx.get_peak_memory() - before_bytes < count * wide.nbytes / 4
    assert last[0].item() == count
