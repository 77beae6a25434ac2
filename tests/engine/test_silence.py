"""An engine that does not answer is told of; one that is only slow is not."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from gemma4_mlx.engine import client, process
from gemma4_mlx.engine.lines import PING, Alive, Hello, Ping
from gemma4_mlx.engine.recording import Recorder
from gemma4_mlx.engine.silence import Silence
from gemma4_mlx.events import EngineSilent, Finished, LoadProgress, ModelReady, PromptProgress
from tests.engine.face import HELLO, LOADS, READY, hears, says, tells
from tests.engine.test_child import ROOT, TOY, wish

DONE = Finished("stop")
WITHOUT_PINGS = Hello(commands=("start", "turn"))


@pytest.fixture
def toy(monkeypatch, new_face):
    """A face whose engine process is suspended in the middle of a turn."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(process, "SILENCE_S", 0.1)
    monkeypatch.setattr(process, "LEAVE_S", 0.1)
    face = new_face("toy", command=TOY).start()
    face.client.submit(wish("sleep"))
    face.until(PromptProgress)
    os.kill(face.client.pid, signal.SIGSTOP)
    *_, silent = face.until(EngineSilent)
    assert silent.seconds > 0
    return face


def test_a_suspended_process_is_told_of_until_it_answers(toy):
    *_, later = toy.until(EngineSilent)
    assert later.seconds > 0
    os.kill(toy.client.pid, signal.SIGCONT)
    while later.seconds:
        *_, later = toy.until(EngineSilent)


def test_a_suspended_process_is_ended_by_a_stop(toy, monkeypatch):
    monkeypatch.setattr(client, "STOP_S", 0.1)
    before = toy.client.pid
    toy.client.stop()
    assert Finished("cancelled") in toy.until(Finished)
    assert toy.ask(wish(""))[-1].reason == "stop"
    assert toy.client.pid != before


def test_a_suspended_process_is_ended_by_a_restart(toy):
    toy.client.restart()
    told = toy.until(ModelReady)
    assert EngineSilent(0.0) in told
    assert toy.ask(wish(""))[-1].reason == "stop"


def test_a_slow_engine_is_asked_again_and_again(play, monkeypatch):
    monkeypatch.setattr(process, "SILENCE_S", 0.05)
    answers = [*hears("ping"), *says(Alive())]
    face = play([*LOADS[:2], *tells(None, LoadProgress(1, 2)), *answers, *tells(None, READY),
                 *hears("turn", turn=1), *tells(1, PromptProgress(0, 9)), *answers, *answers,
                 *tells(1, DONE)])  # fmt: skip
    face.until(ModelReady)
    told = face.ask()
    assert [each for each in told if not isinstance(each, EngineSilent)] == [
        PromptProgress(0, 9), DONE,
    ]  # fmt: skip


@pytest.mark.parametrize("hello", [Hello(), WITHOUT_PINGS], ids=["idle", "knows no pings"])
def test_nothing_is_told_where_nothing_is_waited_for_or_nobody_could_answer(play, hello):
    face = play([*says(hello), *LOADS[1:], *hears("turn", turn=1), *tells(1, PromptProgress(0, 9)),
                 *hears("stop"), *tells(1, DONE)])  # fmt: skip
    face.until(ModelReady)
    if hello == WITHOUT_PINGS:
        face.client.submit(HELLO)
        face.until(PromptProgress)
    for _ in range(3):
        face.client.on_silence(face.client._process)
    assert face.events.empty()


def test_a_silence_is_asked_about_told_and_ended():
    silence = Silence(Hello())
    assert silence.end() is None
    for _ in range(2):
        assert silence.grow() == Ping()
        assert silence.end() is None  # it has answered
    assert silence.grow() == Ping()
    assert silence.grow().seconds >= 0
    assert silence.grow().seconds >= 0
    assert silence.end() == EngineSilent(0.0)
    assert silence.end() is None
    assert Silence(WITHOUT_PINGS).grow() is None


def test_no_pings_are_recorded(tmp_path):
    recorder = Recorder(tmp_path / "run.jsonl")
    for speaker, said in (("engine", Hello()), ("face", Ping()), ("engine", Alive())):
        recorder.note(speaker, client.encode(said))
    [hello] = (tmp_path / "run.jsonl").read_text().splitlines()
    assert '"turn", "stop"' in hello and PING not in hello


def test_a_recording_that_cannot_go_on_ends_without_a_word_to_the_face(tmp_path, caplog):
    folder = Path(tmp_path / "full")
    folder.mkdir()
    recorder = Recorder(folder / "run.jsonl")
    (folder / "run.jsonl").unlink()
    folder.rmdir()
    for _ in range(2):
        recorder.note("face", b"{}")
    assert caplog.text.count("the recording ends here") == 1
