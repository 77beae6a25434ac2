"""A kept chat, and an engine that dies: the next one goes on with what was read of the chat."""

from __future__ import annotations

import os
import signal
from time import monotonic, sleep

from click.testing import CliRunner

from gemma4_mlx.events import EngineLost, Finished
from gemma4_mlx.folders import data_folder
from tests.engine.face import Face
from tui.chat.conversation import Conversation, Draft
from tui.chat.turn_request import turn_request
from tui.cli.sessions import sessions
from tui.settings.options import ChatOptions
from tui.store import SessionCaches, Store, caches_folder

QUESTION = "one two three four " * 70
PATIENCE_S = 20.0


def answer(face: Face, chat: Conversation) -> Finished:
    """Have the open question answered as the chat does."""
    options = ChatOptions(max_tokens=3, temperature=0.0)
    path = SessionCaches(caches_folder()).path(chat.id)
    for event in face.ask(turn_request(chat.messages(), options, str(path))):
        chat.hear(event)
    assert isinstance(event, Finished) and event.usage is not None
    return event


def wait_for(file) -> None:
    until = monotonic() + PATIENCE_S
    while not file.exists() and monotonic() < until:
        sleep(0.05)
    assert file.exists()


def test_a_chat_goes_on_warm_after_its_engine_was_killed(new_face, monkeypatch, tmp_path):
    monkeypatch.setenv("GEMMA4_HOME", str(tmp_path))
    chat, face = Conversation(model="pocket"), new_face().start()
    chat.ask(Draft(QUESTION))
    first = answer(face, chat).usage
    store = Store.open(data_folder(), caches=caches_folder())
    store.write(chat.take_changes())
    kept = SessionCaches(caches_folder()).path(chat.id)
    wait_for(kept)  # nobody asks anything, so the engine keeps what it has read
    os.kill(face.client.pid, signal.SIGKILL)
    face.until(EngineLost)
    face.client.restart()
    chat = store.load(chat.id)
    chat.ask(Draft("And now?"))
    second = answer(face, chat).usage
    assert first.reused_tokens == 0
    assert second.reused_tokens >= first.prompt_tokens
    store.close()

    done = CliRunner().invoke(sessions, ["rm", chat.id, "--yes"])
    assert done.exit_code == 0, done.output
    assert not kept.exists()
