"""Drawing keeps to its pace, whatever the clock says; nothing is lost."""

from __future__ import annotations

import pytest

from tui.text.gatherer import LONGEST_REST_S, REST_PER_WORK, SHORTEST_PAUSE_S, Gatherer


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


def test_text_is_gathered_and_given_once(clock):
    gatherer = Gatherer(clock, clock)
    assert not gatherer
    for word in ("one ", "", "two "):
        gatherer.add(word)
    assert gatherer
    assert gatherer.begin() == "one two "
    assert not gatherer
    assert gatherer.begin() == ""


def test_a_quick_drawing_is_followed_by_the_shortest_pause(clock):
    gatherer = Gatherer(clock, clock)
    gatherer.begin()
    clock.now_s += 0.001
    gatherer.end()
    assert gatherer.wait_s() == pytest.approx(SHORTEST_PAUSE_S - 0.001)
    clock.now_s += 1
    assert gatherer.wait_s() == 0


def test_a_slow_drawing_is_followed_by_a_rest_in_proportion(clock):
    gatherer = Gatherer(clock, clock)
    gatherer.begin()
    clock.now_s += 0.2
    gatherer.add("meanwhile")
    gatherer.end()
    assert gatherer.wait_s() == pytest.approx(0.2 * REST_PER_WORK)
    assert gatherer.begin() == "meanwhile"


def test_drawing_takes_at_most_a_quarter_of_the_time(clock):
    gatherer = Gatherer(clock, clock)
    drawn_s, began_s = 0.0, clock.now_s
    for work_s in (0.01, 0.2, 0.05, 0.3) * 20:
        gatherer.add("text")
        clock.now_s += gatherer.wait_s()
        gatherer.begin()
        clock.now_s += work_s
        drawn_s += work_s
        gatherer.end()
    clock.now_s += gatherer.wait_s()
    assert drawn_s / (clock.now_s - began_s) <= 0.25


def test_no_rest_is_endless(clock):
    gatherer = Gatherer(clock, clock)
    gatherer.begin()
    clock.now_s += 60
    gatherer.end()
    assert gatherer.wait_s() == LONGEST_REST_S


def test_other_programs_do_not_count(clock):
    work = Clock()
    gatherer = Gatherer(clock, work)
    gatherer.begin()
    clock.now_s += 2
    work.now_s += 0.1
    gatherer.end()
    assert gatherer.wait_s() == pytest.approx(0.1 * REST_PER_WORK)
