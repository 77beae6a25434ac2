"""What a face can rely on, whatever its engine process does; the process plays scripts."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import threading

import pytest

from gemma4_mlx.engine import EngineClient, TurnRequest, client, lines, process
from gemma4_mlx.engine.lines import PROTOCOL, Hello
from gemma4_mlx.engine.log import EngineLog
from gemma4_mlx.events import (
    EngineLost,
    Failed,
    Finished,
    LoadProgress,
    ModelReady,
    PromptProgress,
    TextDelta,
)
from tests.engine.face import HELLO, LOADS, PATIENCE_S, READY, Face, PlayedFace, hears, says, tells

LOADED = [LoadProgress(1, 2), READY]
DONE = Finished("stop")
CANCELLED = Finished("cancelled")


def turn(number, *events):
    """The engine is asked and answers."""
    return [*hears("turn", turn=number), *tells(number, *events)]


def lost(face) -> tuple[list, EngineLost]:
    """What is told up to the loss of the engine; the loss."""
    *before, loss = face.until(EngineLost)
    return before, loss


def test_loading_and_turns_are_told_in_order(play):
    answer = [PromptProgress(1, 1), TextDelta("Hel"), TextDelta("lo"), DONE]
    face = play([*LOADS, *turn(1, *answer), *turn(2, *answer)])
    assert face.until(ModelReady) == LOADED
    assert face.ask() == answer
    assert face.ask() == answer


def test_a_turn_submitted_before_the_engine_speaks_waits(play):
    face = play([*LOADS, *turn(1, DONE), *turn(2, DONE)])
    face.client.submit(HELLO)
    face.client.submit(HELLO)
    assert [face.next() for _ in range(4)] == [*LOADED, DONE, DONE]


def test_nothing_is_told_of_a_turn_that_has_ended(play):
    late = tells(1, TextDelta("late"), Finished("length"))
    face = play([*LOADS, *turn(1, DONE, TextDelta("late")), *hears("turn", turn=2), *late,
                 *tells(2, TextDelta("new"), DONE)])  # fmt: skip
    face.until(ModelReady)
    assert face.ask() == [DONE]
    assert face.ask() == [TextDelta("new"), DONE]


def test_stop_while_loading_ends_turns_at_once(play):
    loading = [*LOADS[:2], *tells(None, LoadProgress(1, 2))]
    face = play([*loading, *hears("stop"), *tells(1, CANCELLED), *tells(None, READY),
                 *turn(3, DONE)])  # fmt: skip
    face.until(LoadProgress)
    face.client.submit(HELLO)
    face.client.submit(HELLO)
    face.client.stop()
    assert [face.events.get_nowait(), face.events.get_nowait()] == [CANCELLED] * 2
    assert face.until(ModelReady) == [READY]
    assert face.ask() == [DONE]


def test_stop_before_the_process_speaks_ends_turns_at_once(play):
    face = play([*LOADS, *turn(2, DONE)])
    face.client.submit(HELLO)
    face.client.stop()
    assert face.events.get_nowait() == CANCELLED
    assert face.until(ModelReady) == LOADED
    assert face.ask() == [DONE]


def test_stop_asks_the_engine_to_end_the_turn(play):
    face = play([*LOADS, *turn(1, TextDelta("on and on")), *hears("stop"), *tells(1, CANCELLED)])
    face.until(ModelReady)
    face.client.submit(HELLO)
    face.until(TextDelta)
    face.client.stop()
    assert face.next() == CANCELLED


def test_an_engine_that_does_not_stop_is_replaced(play, monkeypatch):
    monkeypatch.setattr(client, "STOP_S", 0.05)
    deaf = [*LOADS, *turn(1, PromptProgress(0, 9)), *hears("bye")]
    face = play(deaf, [*LOADS, *turn(2, TextDelta("new"), DONE)])
    face.until(ModelReady)
    face.client.submit(HELLO)
    face.until(PromptProgress)
    face.play_next()
    face.client.stop()
    face.client.submit(HELLO)  # after the stop: it is for the next process
    assert face.next() == CANCELLED
    assert [face.next() for _ in range(4)] == [*LOADED, TextDelta("new"), DONE]


def test_restart_begins_again_with_another_model(play, tmp_path):
    face = play([*LOADS, *turn(1, TextDelta("a"))], [*LOADS, *turn(2, DONE)],
                record=tmp_path / "said.jsonl")  # fmt: skip
    face.until(ModelReady)
    face.client.submit(HELLO)
    face.until(TextDelta)
    face.play_next()
    face.client.restart("other")
    assert face.events.get_nowait() == CANCELLED
    assert face.until(ModelReady) == LOADED
    assert face.ask() == [DONE]
    said = [json.loads(line) for line in (tmp_path / "said.jsonl").read_text().splitlines()]
    started = [step["line"]["model"] for step in said if step.get("line", {}).get("do") == "start"]
    assert started == ["toy", "other"]


def test_two_restarts_at_once_are_one(play):
    face = play(LOADS, [*LOADS, *turn(1, DONE)])
    face.until(ModelReady)
    face.play_next()
    face.client.restart("a")
    face.client.restart("b")
    assert face.until(ModelReady) == LOADED
    assert face.ask() == [DONE]


ENDS = {
    "killed": ([{"signal": 9}], "was killed (SIGKILL)", "ran out of memory"),
    "aborted": (
        [{"stderr": "libc++abi: [METAL] Command buffer execution failed: Insufficient Memory\n"},
         {"signal": 6}],
        "ran out of memory and was aborted (SIGABRT)", 'last words: "libc++abi: [METAL]',
    ),
    "crashed": ([{"signal": 11}], "crashed (SIGSEGV)", ""),
    "terminated": ([{"signal": 15}], "was ended from outside (SIGTERM)", ""),
    "left": ([{"stderr": "ImportError: no mlx\n"}, {"exit": 3}],
             "ended by itself (exit code 3)", '"ImportError: no mlx"'),
    "noise": ([{"raw": "Fetching 3 files\n"}, *hears("bye")], "'Fetching 3 files' is no line", ""),
    "half a line": ([{"raw": '{"event":"Fin'}, {"exit": 0}], "(exit code 0)", ""),
    "a closed pipe": ([{"close": 1}, *hears("bye")], "was killed (SIGKILL)", ""),
}  # fmt: skip
PHASES = {
    "starting": ([], 0),
    "loading the model": ([*LOADS[:2], *tells(None, LoadProgress(1, 2))], 0),
    "waiting to be asked": (LOADS, 0),
    "reading the prompt (3 of 9 tokens)": ([*LOADS, *turn(1, PromptProgress(3, 9))], 1),
    "answering": ([*LOADS, *turn(1, PromptProgress(9, 9), TextDelta("a"))], 1),
}


def check_loss(face, asked, *said):
    """Turns fail, then the loss is told, then every turn fails at once."""
    for _ in range(asked):
        face.client.submit(HELLO)
    before, loss = lost(face)
    assert all(words in loss.message for words in said), loss.message
    assert "restart" in loss.hint
    failed = [event for event in before if isinstance(event, Failed)]
    assert failed == [Failed("EngineLostError", loss.message, loss.hint)] * asked
    face.client.submit(HELLO)
    assert face.events.get_nowait() == Failed("EngineLostError", loss.message, loss.hint)


@pytest.mark.parametrize("doing", PHASES)
def test_a_killed_engine_is_told_at_every_phase(play, doing):
    script, asked = PHASES[doing]
    face = play([*script, {"signal": 9}])
    check_loss(face, asked, f"was killed (SIGKILL) while it was {doing}")


@pytest.mark.parametrize("end", ENDS)
def test_whatever_ends_the_engine_is_told(play, end):
    steps, *said = ENDS[end]
    script = [*LOADS, *turn(1, TextDelta("a")), *steps]
    check_loss(play(script), 2, *said)


def test_after_a_loss_a_restart_begins_again(play):
    face = play([*LOADS, *turn(1, TextDelta("a")), {"signal": 9}], [*LOADS, *turn(3, DONE)])
    check_loss(face, 1)
    face.play_next()
    face.client.restart()
    assert face.until(ModelReady) == LOADED
    assert face.ask() == [DONE]


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (says(Hello(PROTOCOL + 1, "9.9")), f"protocol {PROTOCOL + 1} (program 9.9), expected"),
        (tells(None, READY), "did not say hello first"),
        (says(Hello(), Hello()), "did not say hello first, and once"),
        ([{"raw": "\x00" * 300 + "\n"}], "is no line"),
        (tells(None, EngineLost("?")), "is no line of the engine's protocol"),
    ],
)
def test_what_cannot_be_understood_ends_the_engine(play, first, said):
    face = play([*first, *hears("bye")])
    _, loss = lost(face)
    assert "was given up" in loss.message and said in loss.message


def test_a_line_without_an_end_does_not_fill_the_memory(play, monkeypatch):
    monkeypatch.setattr(lines, "LINE_BYTES", 10_000)
    face = play([*LOADS, {"raw": "x" * 100_000}, *hears("bye")])
    _, loss = lost(face)
    assert "more than 10000 bytes" in loss.message


def test_an_engine_that_says_nothing_is_given_up(play, monkeypatch):
    monkeypatch.setattr(process, "HELLO_S", 0.05)
    face = play(hears("bye"))
    _, loss = lost(face)
    assert "said nothing" in loss.message


def test_an_engine_that_begins_a_line_and_no_more_is_given_up(play, monkeypatch):
    monkeypatch.setattr(process, "HELLO_S", 0.05)
    face = play([{"raw": '{"event":"hel'}, *hears("bye")])
    _, loss = lost(face)
    assert "said nothing" in loss.message


def test_a_line_whose_values_make_no_sense_ends_the_engine(play):
    raw = '{"event":"LoadProgress","done_bytes":"x","total_bytes":2}\n'
    face = play([*LOADS[:2], {"raw": raw}, *hears("bye")])
    _, loss = lost(face)
    assert "was given up: could not be understood" in loss.message


def test_an_engine_that_is_dead_is_told_though_somebody_holds_its_pipe(tmp_path, monkeypatch):
    monkeypatch.setattr(process, "SILENCE_S", 0.05)
    monkeypatch.chdir(tmp_path)
    face = PlayedFace(tmp_path, LOADS)
    heir = 'sleep 60 & echo $! > heir; exec "$@"'
    face.client._command = ["sh", "-c", heir, "sh", *face.client._command]
    face.start().until(ModelReady)
    os.kill(face.client.pid, signal.SIGKILL)
    _, loss = lost(face)
    assert "was killed (SIGKILL)" in loss.message
    os.kill(int((tmp_path / "heir").read_text()), signal.SIGKILL)


def test_a_process_that_the_system_keeps_holds_nobody_up(tmp_path):
    class Kept:
        returncode = None

        def wait(self, timeout):
            raise subprocess.TimeoutExpired("engine", timeout)

    ours = process.EngineProcess([], EngineLog(tmp_path), owner=None)
    assert ours._await_end(Kept()) is None


def test_an_engine_that_cannot_be_started_is_told(tmp_path):
    face = Face("toy", tmp_path, command=["/no/such/program"]).start()
    before, loss = lost(face)
    assert before == [] and "/no/such/program" in loss.message
    assert face.client.close()


def test_no_place_for_a_log_is_told(tmp_path, monkeypatch):
    (tmp_path / "logs").write_text("a file")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "logs"))
    face = Face("toy", tmp_path).start()
    _, loss = lost(face)
    assert "logs" in loss.message and loss.log_path == ""


def test_a_turn_that_cannot_be_handed_over_fails_in_its_order(play):
    face = play([*LOADS, *turn(1, TextDelta("a")), *hears("stop"), *tells(1, CANCELLED)])
    face.until(ModelReady)
    face.client.submit(HELLO)
    face.until(TextDelta)
    face.client.submit(TurnRequest([{"role": "user", "content": object()}]))
    assert face.events.empty()
    face.client.stop()
    assert face.next() == CANCELLED
    assert face.next().kind == "UsageError"
    face.client.submit(TurnRequest([], temperature=float("nan")))
    assert face.events.get_nowait().kind == "UsageError"


def test_a_question_that_is_too_large_fails(play, monkeypatch):
    monkeypatch.setattr(lines, "LINE_BYTES", 100_000)
    face = play([*LOADS, *turn(2, DONE)])
    face.until(ModelReady)
    [failed] = face.ask(TurnRequest([{"role": "user", "content": "x" * 200_000}]))
    assert failed.kind == "EngineError" and "100000 at most" in failed.message
    assert face.ask() == [DONE]


def test_an_engine_that_does_not_listen_holds_nobody_up(play, monkeypatch):
    monkeypatch.setattr(process, "LEAVE_S", 0.1)
    face = play([*LOADS, {"sleep": 60}])
    face.until(ModelReady)
    for _ in range(4):  # more than a pipe holds
        face.client.submit(TurnRequest([{"role": "user", "content": "x" * 1_000_000}]))
    assert face.client.close()


def test_a_face_that_does_not_listen_holds_the_engine_up_but_loses_nothing(play):
    words = [TextDelta(f"{number} " + "x" * 1000) for number in range(500)]
    gate = threading.Event()
    face = play([*LOADS, *turn(1, *words, DONE)])
    face.until(ModelReady)
    put = face.events.put

    def slow(event):
        assert gate.wait(PATIENCE_S)
        put(event)

    face.client._listener = slow
    face.client.submit(HELLO)
    pipe, waiting = face.client._process._process.stdout.fileno(), b"\0" * 4
    while int.from_bytes(waiting, sys.byteorder) < 32_000:  # until nearly as much as a pipe holds
        waiting = fcntl.ioctl(pipe, termios.FIONREAD, waiting)
    gate.set()
    assert face.until(Finished) == [*words, DONE]


def test_close_ends_the_process_and_nothing_more_is_told(play):
    face = play([*LOADS, *turn(1, TextDelta("a")), *hears("bye"), *tells(1, DONE)])
    face.until(ModelReady)
    face.client.submit(HELLO)
    face.until(TextDelta)
    assert face.client.close()
    face.client.submit(HELLO)
    face.client.stop()
    face.client.restart()
    assert face.events.empty()


def test_before_the_start_nothing_happens(tmp_path):
    unused = EngineClient("toy", log_folder=tmp_path)
    unused.submit(HELLO)
    unused.stop()
    unused.restart("other")
    assert unused.close()
    assert list(tmp_path.iterdir()) == []


def test_a_listener_that_raises_ends_the_engine(play, caplog):
    face = play(LOADS)
    face.until(ModelReady)

    def gone(event):
        raise RuntimeError("gone")

    face.client._listener = gone
    face.client.restart()
    reader = face.client._process
    face.client._tell(DONE)
    assert reader.join(PATIENCE_S)
    assert "the listener is gone" in caplog.text
