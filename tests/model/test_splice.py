"""Slots and rows, attachment by attachment."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gemma4_mlx.errors import PlaceholderMismatchError
from gemma4_mlx.splice import assign_slots, slot_runs

SOFT = 9

counts = st.lists(st.integers(1, 6), max_size=5)


def prompt(slots: list[int]) -> np.ndarray:
    """A prompt with so many slots per attachment, a marker between any two."""
    ids = [1]
    for count in slots:
        ids += [SOFT] * count + [2]
    return np.array([ids])


def spans_of(slots: list[int], rows: list[int]) -> list[tuple[int, int]]:
    return assign_slots("image", slot_runs(prompt(slots), SOFT), rows)


@given(slots=counts)
def test_pain_02_what_fits_goes_where_it_belongs(slots):
    spans = spans_of(slots, slots)
    flat = prompt(slots)[0]
    assert [stop - start for start, stop in spans] == slots
    assert spans == sorted(spans)
    covered = [position for start, stop in spans for position in range(start, stop)]
    assert covered == [int(position) for position in np.flatnonzero(flat == SOFT)]


@given(slots=counts, rows=counts)
def test_pain_02_any_mismatch_raises(slots, rows):
    assume(not fills_every_run(slots, rows))
    with pytest.raises(PlaceholderMismatchError):
        spans_of(slots, rows)


def fills_every_run(slots: list[int], rows: list[int]) -> bool:
    """Whether whole attachments, in order, fill each run: sums that agree are not enough."""
    rest = list(rows)
    for count in slots:
        while count > 0 and rest and rest[0] <= count:
            count -= rest.pop(0)
        if count:
            return False
    return not rest


@pytest.mark.parametrize(
    ("slots", "rows", "name", "numbers"),
    [
        ([4], [3], "image 1", (4, 3)),
        ([3], [4], "image 1", (3, 4)),
        ([4, 5], [4, 4], "image 2", (5, 4)),
        ([4, 4], [5, 3], "image 1", (4, 5)),
        ([4], [], "image 1", (4, 0)),
        ([], [4], "image 1", (0, 4)),
        ([4], [4, 4], "image 2", (0, 4)),
    ],
)
def test_pain_02_the_error_names_the_attachment_and_both_numbers(slots, rows, name, numbers):
    with pytest.raises(PlaceholderMismatchError, match=name) as mismatch:
        spans_of(slots, rows)
    assert (mismatch.value.slots, mismatch.value.rows) == numbers
    assert all(str(number) in mismatch.value.message for number in numbers)


def test_attachments_side_by_side_in_one_run():
    assert assign_slots("image", [(2, 9)], [3, 4]) == [(2, 5), (5, 9)]


def test_a_run_does_not_cross_from_one_row_to_the_next():
    assert slot_runs(np.array([[1, SOFT], [SOFT, 1]]), SOFT) == [(1, 2), (2, 3)]
