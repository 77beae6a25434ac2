"""A run that was recorded is played alike, also one whose process was killed."""

from __future__ import annotations

import json

from gemma4_mlx.engine import client
from gemma4_mlx.events import ModelReady, PromptProgress, TextDelta
from tests.engine.face import HELLO, LOADS, hears
from tests.engine.test_client import CANCELLED, DONE, LOADED, check_loss, turn


def test_what_was_recorded_is_played_alike(play, tmp_path):
    record = tmp_path / "run.jsonl"
    answer = [PromptProgress(1, 1), TextDelta("ä\u2028"), DONE]
    face = play([*LOADS, *turn(1, *answer)], record=record)
    face.until(ModelReady)
    assert face.ask() == answer
    assert face.client.close()
    steps = [json.loads(line) for line in record.read_text().splitlines()]
    assert [step["s"] for step in steps] == sorted(step["s"] for step in steps)
    assert steps[-1]["exit"] == 0
    again = play(steps)
    assert again.until(ModelReady) == LOADED
    assert again.ask() == answer


def test_what_was_killed_is_lost_when_it_is_played_too(play, tmp_path):
    record = tmp_path / "run.jsonl"
    face = play([*LOADS, *turn(1, TextDelta("a")), {"signal": 9}], LOADS, record=record)
    check_loss(face, 1, "SIGKILL")
    face.play_next()
    face.client.restart()
    assert face.until(ModelReady) == LOADED
    assert face.client.close()
    steps = [json.loads(line) for line in record.read_text().splitlines()]
    check_loss(play(steps), 1, "SIGKILL")


def test_what_its_face_killed_waits_for_that_when_it_is_played(play, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "STOP_S", 0.05)
    record = tmp_path / "run.jsonl"
    deaf = [*LOADS, *turn(1, PromptProgress(0, 9)), *hears("bye")]
    for script in (deaf, None):
        steps = script or [json.loads(line) for line in record.read_text().splitlines()]
        face = play(steps, LOADS, record=None if record.exists() else record)
        face.until(ModelReady)
        face.client.submit(HELLO)
        face.until(PromptProgress)
        face.play_next()
        face.client.stop()
        assert face.next() == CANCELLED
        assert face.until(ModelReady) == LOADED
        assert face.client.close()
