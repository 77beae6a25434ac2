"""The bundled model in a process of its own: killed, begun again, and warm from what was kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

from gemma4_mlx.engine import TurnRequest
from gemma4_mlx.events import EngineLost, Failed, Finished, ModelReady, TextDelta
from tests.engine.face import HELLO, Face

WORDS = "one two three four " * 70


def question(text: str, **options) -> TurnRequest:
    options = {"max_tokens": 3, "temperature": 0.0, **options}
    return TurnRequest([{"role": "user", "content": text}], **options)


def test_pain_45_no_model_is_in_the_face():
    """Whatever MLX does to its process, it is not that of the face."""
    code = "import sys; from gemma4_mlx.engine import *; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"mlx", "mlx.core", "numpy", "tokenizers", "PIL"}.isdisjoint(done.stdout.split())


def test_a_killed_engine_goes_on_from_what_it_kept(new_face, tmp_path):
    state = tmp_path / "conversation.safetensors"
    asked = question(WORDS, state_path=str(state))
    face: Face = new_face().start()
    first = face.ask(asked)
    ready = next(event for event in first if isinstance(event, ModelReady))
    assert ready.is_demo and 0 < ready.weights_bytes <= ready.memory_bytes < ready.limit_bytes
    face.client.restart()  # which asks the old process to leave, and that keeps what it has read
    face.until(ModelReady)
    assert state.exists()
    face.client.submit(asked)
    os.kill(face.client.pid, signal.SIGKILL)
    *_, failed, loss = face.until(EngineLost)
    assert isinstance(failed, Failed) and "SIGKILL" in loss.message
    face.client.restart()
    again = face.ask(asked)
    assert again[-1].usage.reused_tokens == again[-1].usage.prompt_tokens - 1
    assert [e for e in again if isinstance(e, TextDelta)] == [
        e for e in first if isinstance(e, TextDelta)
    ]
    assert "is taken over from" in face.client.log_path.read_text()
    state.write_bytes(b"damaged")
    face.client.restart()
    cold = face.ask(asked)
    assert isinstance(cold[-1], Finished) and cold[-1].usage.reused_tokens == 0
    assert "is read anew" in face.client.log_path.read_text()


def test_a_model_that_cannot_be_loaded_is_told_for_every_turn(new_face, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    face: Face = new_face("no/such-model-folder/at-all").start()
    [failed] = face.until(Failed)
    assert failed.exit_code == 3
    assert face.ask(HELLO) == [failed]
    face.client.restart("pocket")
    assert face.until(ModelReady)[-1].name == "pocket"


def test_a_recorded_run_plays_without_a_model(new_face, play, tmp_path):
    record = tmp_path / "run.jsonl"
    asked = question("Hello", max_tokens=40)
    real: Face = new_face(record=record).start()
    said = real.ask(asked)
    assert real.client.close()
    assert [event for event in said if isinstance(event, TextDelta)]
    assert play([json.loads(line) for line in record.read_text().splitlines()]).ask(asked) == said
