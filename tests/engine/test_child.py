"""The engine process itself, with a toy in place of the model, seen from its pipes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gemma4_mlx.engine import client
from gemma4_mlx.engine.lines import (
    Alive,
    Ask,
    Bye,
    Hello,
    Left,
    Ping,
    Save,
    Saved,
    Start,
    Stop,
)
from gemma4_mlx.engine.lines import encode as line_of
from gemma4_mlx.events import EngineLost, Failed, Finished, LoadProgress, PromptProgress, TextDelta
from tests.engine.face import Face
from tests.engine.pipes import ROOT, TOY, pipes, wish
from tests.engine.toy_child import WORDS


def test_the_process_answers_saves_and_leaves(tmp_path):
    state = tmp_path / "new" / "state"
    with pipes() as child:
        assert child.next() == Hello()
        child.say(Start("toy"), Ask.of(5, wish("", state_path=str(state))))
        told = child.until(Finished)
        assert (told.turn, told.event.reason) == (5, "stop")
        child.say(Save())
        assert "kept 1001 tokens" in child.until(Saved).note
        assert state.read_text() == "1"
        child.say(Ask.of(6, wish("", state_path=str(state))))
        child.until(Finished)
        child.say(Bye())
        assert child.until(Left) == Left()
        assert child.end() == 0
    assert state.read_text() == "2"  # it was kept when it left, too


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ([b"hello?\n"], 2),
        ([Stop()], 2),
        ([Start("toy", protocol=99)], 2),
        ([Start("toy"), Start("toy")], 2),
        ([b'{"do":"st'], 0),
        ([Start("toy"), Bye()], 0),
    ],
    ids=["garbage", "no start", "another version", "a second start", "half a line", "bye"],
)
def test_the_process_ends_with_a_code(said, code):
    with pipes() as child:
        child.say(*said)
        child.process.stdin.close()
        assert child.end() == code


def test_a_turn_that_makes_no_sense_fails_and_the_next_one_is_answered():
    with pipes() as child:
        child.say(Start("toy"), Ask(1, {"messages": [], "mood": "fine"}), Ask.of(2, wish("")))
        failed = child.until(Failed)
        assert (failed.turn, failed.event.kind) == (1, "UsageError")
        assert child.until(Finished).turn == 2


def test_nothing_but_lines_is_on_the_pipe(tmp_path):
    with (tmp_path / "log").open("wb") as log, pipes(stderr=log) as child:
        child.say(Start("toy"), Ask.of(1, wish("make noise")))
        child.until(Finished)  # each line before it was understood
    noise = (tmp_path / "log").read_text()
    assert all(f"from {who}\n" in noise for who in ("Python", "a library", "a program"))


def test_what_is_loaded_is_never_searched_for_garbage_and_numpy_has_one_thread(monkeypatch):
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    with pipes() as child:
        child.say(Start("toy"), Ask.of(1, wish("say what you are spared")))
        said = child.until(TextDelta).event.text
    assert said.startswith("threads 1, objects ")
    assert int(said.split()[-1]) > 1000


def test_a_full_pipe_holds_up_the_model_and_not_the_commands():
    with pipes() as child:
        child.say(Start("toy"), Ask.of(1, wish("go on")))
        child.until(TextDelta)  # from here on nobody reads, until the process has been told to stop
        child.say(Stop(), Ask.of(2, wish("")))
        told = child.until(Finished)
        assert (told.turn, told.event.reason) == (1, "cancelled")
        assert child.until(Finished).turn == 2


def test_a_ping_is_answered_before_a_start_and_whatever_the_model_does():
    with pipes() as child:
        child.say(Ping())
        child.until(Alive)
        child.say(Start("toy"), Ask.of(1, wish("sleep")))
        child.until(PromptProgress)
        child.say(Ping())
        child.until(Alive)


def test_pings_nobody_reads_the_answers_of_do_not_hold_up_the_commands():
    with pipes() as child:
        child.say(Start("toy"), Ask.of(1, wish("go on")))
        child.until(TextDelta)
        child.say(*[Ping()] * 50, Stop(), Ask.of(2, wish("")))
        assert child.until(Finished).event.reason == "cancelled"


@pytest.mark.parametrize("what", ["idle", "load", "prefill", "full pipe"])
def test_without_its_face_the_process_ends(what):
    with pipes() as child:
        child.say(Start("sleep" if what == "load" else "toy"))
        child.until(LoadProgress)
        if what in ("prefill", "full pipe"):
            child.say(Ask.of(1, wish("sleep" if what == "prefill" else "go on")))
            child.until(PromptProgress)
        child.process.stdin.close()
        assert child.end() == 0


PARENT = """
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-m", *sys.argv[1:], "--parent", str(os.getpid())])
time.sleep(60)
"""
HANGS = "import os, time; os.write(2, b'hangs'); time.sleep(60)"


@pytest.mark.parametrize("hanging", ["", "logging.py", "mlx/__init__.py"])
def test_without_its_parent_the_process_ends_though_its_pipes_are_open(tmp_path, hanging):
    """Also while it imports what it is made of, or MLX."""
    module = "tests.engine.toy_child"
    if hanging:
        module, file = "gemma4_mlx.engine", tmp_path / hanging
        file.parent.mkdir(exist_ok=True)
        file.write_text(HANGS)
    commands, ours = os.pipe()
    theirs, replies = os.pipe()
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, module], cwd=ROOT, stdin=commands, stdout=replies,
        stderr=replies, env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), "."])},
    )  # fmt: skip
    os.close(replies)
    os.write(ours, line_of(Start("pocket")))
    with os.fdopen(theirs, "rb") as pipe:
        said = b""
        while (b"hangs" if hanging else b"LoadProgress") not in said:
            said += os.read(theirs, 4096)
        parent.kill()
        parent.wait()
        pipe.read()  # until the last process that has the other end is gone
    os.close(ours), os.close(commands)


def test_a_parent_that_is_gone_before_the_process_looks_is_missed():
    with pipes("--parent", "1") as child:
        assert child.end() == 0


class TestFace:
    """The same process behind a client."""

    @pytest.fixture
    def face(self, new_face, monkeypatch):
        monkeypatch.chdir(ROOT)
        return new_face("toy", command=TOY)

    def test_out_of_memory_in_python_fails_the_turn_alone(self, face: Face):
        failed = face.start().ask(wish("raise MemoryError"))[-1]
        assert failed.kind == "MemoryLimitError"
        assert face.ask(wish(""))[-1].reason == "stop"

    def test_out_of_memory_in_the_driver_loses_the_engine(self, face: Face):
        assert face.start().ask(wish("abort"))[-1].kind == "EngineLostError"
        loss = face.next()
        assert isinstance(loss, EngineLost)
        assert "ran out of memory and was aborted (SIGABRT)" in loss.message
        assert "while it was reading the prompt" in loss.message
        assert "Insufficient Memory" in loss.message and "smaller budget" in loss.hint
        assert "Fatal Python error: Aborted" in Path(loss.log_path).read_text()

    def test_stop_in_what_cannot_be_interrupted(self, face: Face, monkeypatch):
        monkeypatch.setattr(client, "STOP_S", 0.1)
        face.start().client.submit(wish("sleep"))
        face.until(PromptProgress)
        face.client.stop()
        assert face.next() == Finished("cancelled")
        assert face.ask(wish(""))[-1].reason == "stop"

    def test_stop_in_an_answer(self, face: Face):
        face.start().client.submit(wish("go on"))
        face.until(TextDelta)
        before = face.client.pid
        face.client.stop()
        *words, end = face.until(Finished)
        assert end.reason == "cancelled" and len(words) < WORDS
        assert face.ask(wish(""))[-1].reason == "stop"
        assert face.client.pid == before

    def test_a_state_that_ends_whoever_takes_it_over_is_given_up(self, face: Face, tmp_path):
        state = tmp_path / "state"
        state.write_text("deadly")
        asked = wish("", state_path=str(state))
        face.start()
        for _ in range(2):
            assert face.ask(asked)[-1].kind == "EngineLostError"
            face.until(EngineLost)
            face.client.restart()
        assert face.ask(asked)[-1].reason == "stop"
        assert not state.exists()

    def test_a_new_process_takes_over_what_the_old_one_kept(self, face: Face, tmp_path):
        asked = wish("", state_path=str(tmp_path / "state"))
        face.start().ask(asked)
        face.client.restart()
        *_, said, _ = face.ask(asked)
        assert said == TextDelta("2")
