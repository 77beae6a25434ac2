"""How far a conversion is: a line for who watches, remarks for everybody, JSON for programs."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import pytest

from convert import progress
from convert.progress import JsonLines, ProgressLine, Step

GB = 10**9
CLEAR = "\r\x1b[2K"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    screen = Terminal()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=screen))
    monkeypatch.setenv("COLUMNS", "80")
    return screen


def said(screen: io.StringIO) -> str:
    """What was written since the last time."""
    text = screen.getvalue()
    screen.seek(0)
    screen.truncate()
    return text


def test_the_line_says_how_far_it_is_and_how_long_it_takes(clock: Clock, screen: Terminal):
    """Counted from where this run began: an earlier one may have written half of it."""
    line = ProgressLine()
    line(Step("tensor", 50 * GB, 100 * GB, "first", 5, 10))
    assert said(screen) == f"{CLEAR}packing, 50.00 GB of 100.00 GB, tensor 5 of 10, first"
    clock.now_s += 10
    line(Step("tensor", 60 * GB, 100 * GB, "next", 6, 10))
    assert said(screen) == f"{CLEAR}packing, 60.00 GB of 100.00 GB, 40 s left, tensor 6 of 10, next"
    clock.now_s += 10
    line(Step("verify", 1 * GB, 50 * GB))
    assert said(screen) == f"{CLEAR}checking, 1.00 GB of 50.00 GB"


def test_it_changes_no_more_often_than_somebody_can_read(clock: Clock, screen: Terminal):
    line = ProgressLine()
    line(Step("scan", detail="a"))
    clock.now_s += 0.1
    line(Step("scan", detail="b"))
    assert said(screen) == f"{CLEAR}reading, a"
    line(Step("files", detail="another step"))
    assert said(screen) == f"{CLEAR}files, another step"
    clock.now_s += 0.3
    line(Step("files", detail="later"))
    assert said(screen) == f"{CLEAR}files, later"


def test_it_is_as_wide_as_the_terminal(clock: Clock, screen: Terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    ProgressLine()(Step("scan", detail="a.long.name.of.a.tensor"))
    assert said(screen) == f"{CLEAR}reading, a.long.nam"


def test_remarks_stay_and_the_line_goes(clock: Clock, screen: Terminal):
    line = ProgressLine()
    line(Step("scan", detail="a"))
    line(Step("note", detail="12 tensors are left out"))
    line.close()
    assert said(screen) == f"{CLEAR}reading, a{CLEAR}12 tensors are left out\n{CLEAR}"


def test_a_file_gets_the_remarks_alone(clock: Clock, monkeypatch: pytest.MonkeyPatch):
    log = io.StringIO()
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=log))
    line = ProgressLine()
    for name in ("plan", "scan", "note", "tensor"):
        line(Step(name, 1, 2, name))
    line.close()
    assert log.getvalue() == "plan\nnote\n"


@pytest.mark.parametrize(
    ("left_s", "words"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h"), (36000, "10.0 h")],
)
def test_durations_are_rough(clock: Clock, screen: Terminal, left_s: int, words: str):
    line = ProgressLine()
    line(Step("scan", 0, left_s + 1))
    clock.now_s += 1
    line(Step("scan", 1, left_s + 1))
    assert f", {words} left" in said(screen)


def test_programs_are_told_every_tensor_but_of_reading_only_some(clock: Clock, capsys):
    tell = JsonLines()
    for done in range(1, 5):
        clock.now_s += 0.15
        tell(Step("scan", done, 4))
    for done in range(1, 4):
        tell(Step("tensor", done, 3, "name", done, 3))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["done_bytes"] for line in lines if line["step"] == "scan"] == [1, 3, 4]
    assert [line["done_bytes"] for line in lines if line["step"] == "tensor"] == [1, 2, 3]
    assert Step(**lines[-1]) == Step("tensor", 3, 3, "name", 3, 3)
