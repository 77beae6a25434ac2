"""The engine: one thread for the model, and not one error lost."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from queue import Queue
from types import SimpleNamespace

import pytest

from gemma4_mlx.engine import Engine, TurnRequest, failure, worker
from gemma4_mlx.errors import AttachmentError, ContextFullError, EngineError, ModelNotFoundError
from gemma4_mlx.events import Failed, Finished, LoadProgress, ModelReady, TextDelta, Usage

HELLO = TurnRequest([{"role": "user", "content": "Hello"}])
PATIENCE_S = 10.0


class Toy:
    """A backend whose `load` and `answer` do what a test wants, and an engine on it."""

    def __init__(self, monkeypatch):
        self.turns = []  # of each turn: what to yield; an exception is raised
        self.asked = []
        self.threads = set()
        self.fetched = []  # what is told of a download
        self.gate = threading.Event()  # closed: `load` waits
        self.gate.set()
        self.load_error = None
        self.events = Queue()
        self.saved = Queue()
        own_session = lambda model, processor: self  # noqa: E731
        sampling = lambda model: SimpleNamespace(temperature=0.5, top_p=0.9, top_k=7)  # noqa: E731
        backend = worker._Backend(self.find, self.load, own_session, lambda: 5, sampling)
        monkeypatch.setattr(worker, "_backend", lambda: backend)
        self.engine = Engine("toy")

    def find(self, name, *, on_progress):
        self.threads.add(threading.get_ident())
        for step in self.fetched:
            on_progress(*step)
        return Path(name)

    def load(self, folder, *, on_progress):
        self.threads.add(threading.get_ident())
        on_progress(1, 2)
        assert self.gate.wait(PATIENCE_S)
        if self.load_error:
            raise self.load_error
        on_progress(2, 2)
        config, plan = SimpleNamespace(context_length=128), SimpleNamespace(limit_bytes=9)
        model = SimpleNamespace(config=config, plan=plan)
        return model, SimpleNamespace(sees=True, hears=False, image_tokens=70)

    saved_bytes = 1

    def save(self, path):
        self.saved.put(path)

    def answer(self, messages, *, should_stop, **options):
        self.threads.add(threading.get_ident())
        self.asked.append((messages, options))
        for step in self.turns.pop(0):
            if isinstance(step, BaseException):
                raise step
            if step == "until stopped":
                while not should_stop():
                    threading.Event().wait(0.001)
                step = Finished("cancelled")
            yield step

    def start(self):
        self.engine.start(self.events.put)
        return self

    def next(self):
        return self.events.get(timeout=PATIENCE_S)

    def until_ready(self):
        while not isinstance(event := self.next(), ModelReady):
            assert isinstance(event, LoadProgress)
        return event


@pytest.fixture
def toy(monkeypatch):
    toy = Toy(monkeypatch)
    yield toy
    toy.gate.set()
    toy.engine.close()
    assert not toy.engine._thread.is_alive()


def test_loading_tells_progress_then_the_model(toy):
    toy.start()
    ready = ModelReady("toy", True, False, 70, 128, weights_bytes=2, memory_bytes=5, limit_bytes=9)
    assert [toy.next() for _ in range(3)] == [
        LoadProgress(1, 2),
        LoadProgress(2, 2),
        replace(ready, temperature=0.5, top_p=0.9, top_k=7),
    ]


def test_a_download_tells_its_progress_too(toy):
    toy.fetched = [(10, 30), (30, 30)]
    toy.start()
    assert [toy.next() for _ in range(4)] == [
        LoadProgress(10, 30),
        LoadProgress(30, 30),
        LoadProgress(1, 2),
        LoadProgress(2, 2),
    ]
    assert toy.next().weights_bytes == 2


def test_a_turn_is_told_in_order(toy):
    script = [TextDelta("Hel"), TextDelta("lo"), Finished("stop")]
    toy.turns = [script, script]
    toy.start().until_ready()
    toy.engine.submit(HELLO)
    toy.engine.submit(HELLO)
    assert [toy.next() for _ in range(6)] == script * 2


def test_pain_45_one_thread_loads_and_generates(toy):
    toy.turns = [[Finished("stop")], [Finished("stop")]]
    toy.start().until_ready()
    for _ in range(2):
        toy.engine.submit(HELLO)
        toy.next()
    assert len(toy.threads) == 1
    assert threading.get_ident() not in toy.threads


def test_only_what_was_chosen_is_asked_for(toy):
    toy.turns = [[Finished("stop")]] * 2
    toy.start().until_ready()
    toy.engine.submit(HELLO)
    toy.engine.submit(replace(HELLO, image_tokens=560, thinking=True, temperature=0.0, seed=0))
    toy.next(), toy.next()
    assert toy.asked[0] == (HELLO.messages, {"thinking": False})
    assert toy.asked[1][1] == {"image_tokens": 560, "thinking": True, "temperature": 0.0, "seed": 0}


def test_a_turn_submitted_while_loading_waits(toy):
    toy.gate.clear()
    toy.turns = [[Finished("stop")]]
    toy.start()
    toy.engine.submit(HELLO)
    assert toy.next() == LoadProgress(1, 2)
    assert toy.events.empty()
    toy.gate.set()
    toy.until_ready()
    assert toy.next() == Finished("stop")


def test_stop_ends_the_running_turn_and_no_later_one(toy):
    toy.turns = [[TextDelta("on and on"), "until stopped"], [TextDelta("new"), Finished("stop")]]
    toy.start().until_ready()
    toy.engine.submit(HELLO)
    assert toy.next() == TextDelta("on and on")
    toy.engine.stop()
    toy.engine.submit(HELLO)
    assert [toy.next() for _ in range(3)] == [
        Finished("cancelled"),
        TextDelta("new"),
        Finished("stop"),
    ]


def test_stop_ends_waiting_turns_at_once(toy):
    toy.gate.clear()
    toy.start()
    toy.engine.submit(HELLO)
    toy.engine.submit(HELLO)
    assert toy.next() == LoadProgress(1, 2)
    toy.engine.stop()
    assert [toy.next(), toy.next()] == [Finished("cancelled")] * 2
    toy.gate.set()
    toy.until_ready()
    assert toy.asked == []


def test_a_failed_turn_is_told_and_the_next_one_answered(toy):
    error = ContextFullError("too long", "start anew")
    toy.turns = [[TextDelta("a"), error], [Finished("stop")]]
    toy.start().until_ready()
    toy.engine.submit(HELLO)
    toy.engine.submit(HELLO)
    assert [toy.next() for _ in range(3)] == [
        TextDelta("a"),
        Failed("ContextFullError", "too long", "start anew", 6),
        Finished("stop"),
    ]


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), MemoryError(), ValueError()])
def test_no_error_kills_the_thread(toy, error, caplog):
    toy.turns = [[error], [Finished("stop")]]
    toy.start().until_ready()
    toy.engine.submit(HELLO)
    toy.engine.submit(HELLO)
    assert isinstance(toy.next(), Failed)
    assert toy.next() == Finished("stop")
    assert type(error).__name__ in caplog.text


def test_a_turn_that_just_ends_is_a_failure(toy):
    toy.turns = [[TextDelta("a")]]
    toy.start().until_ready()
    toy.engine.submit(HELLO)
    toy.next()
    assert toy.next() == failure(EngineError("the answer broke off without a word why"))


def test_nothing_is_told_after_the_end_of_a_turn(toy):
    toy.turns = [[Finished("stop"), TextDelta("afterthought")], [Finished("length")]]
    toy.start().until_ready()
    toy.engine.submit(HELLO)
    toy.engine.submit(HELLO)
    assert [toy.next(), toy.next()] == [Finished("stop"), Finished("length")]


def test_what_was_read_is_kept_once_nothing_is_asked(toy, monkeypatch, tmp_path):
    monkeypatch.setattr(worker, "IDLE_S", 0.01)
    toy.turns = [[Finished("stop", Usage(10, 0, 1))], [Finished("stop", Usage(1000, 0, 1))]]
    toy.start().until_ready()
    asked = replace(HELLO, state_path=str(tmp_path / "state"))
    toy.engine.submit(asked)
    toy.engine.submit(asked)
    assert toy.saved.get(timeout=PATIENCE_S) == tmp_path / "state"
    notes = Queue()
    toy.engine.save(notes.put)
    assert "kept 1001 tokens" in notes.get(timeout=PATIENCE_S)
    assert toy.saved.get(timeout=PATIENCE_S) == tmp_path / "state"
    assert toy.saved.empty()


def test_without_a_model_nothing_is_kept(toy, tmp_path):
    toy.load_error = ModelNotFoundError("no such model")
    toy.start()
    toy.engine.submit(replace(HELLO, state_path=str(tmp_path / "state")))
    notes = Queue()
    toy.engine.save(notes.put)
    assert "nothing was read" in notes.get(timeout=PATIENCE_S)


def test_without_a_model_every_turn_tells_why(toy):
    toy.load_error = ModelNotFoundError("no such model", "name another")
    told = Failed("ModelNotFoundError", "no such model", "name another", 3)
    toy.start()
    assert toy.next() == LoadProgress(1, 2)
    assert toy.next() == told
    for _ in range(2):
        toy.engine.submit(HELLO)
        assert toy.next() == told


def test_close_leaves_a_load_at_its_next_step(toy):
    toy.gate.clear()
    toy.start()
    toy.next()
    closer = threading.Thread(target=toy.engine.close)
    closer.start()
    toy.gate.set()
    closer.join(PATIENCE_S)
    assert not toy.engine._thread.is_alive()
    assert toy.events.empty()


def test_close_ends_a_running_turn_silently(toy):
    toy.turns = [[TextDelta("a"), "until stopped"]]
    toy.start().until_ready()
    toy.engine.submit(HELLO)
    toy.next()
    toy.engine.close()
    assert not toy.engine._thread.is_alive()
    assert toy.events.empty()


def test_close_before_start_does_nothing():
    assert Engine("toy").close()


def test_close_does_not_wait_for_what_cannot_be_interrupted(toy, monkeypatch):
    monkeypatch.setattr(worker, "CLOSE_TIMEOUT_S", 0.01)
    toy.gate.clear()
    toy.start().next()
    assert not toy.engine.close()
    toy.gate.set()
    toy.engine._thread.join(PATIENCE_S)
    assert toy.engine.close()


def test_a_listener_that_raises_is_left_alone(toy, caplog):
    heard = []

    def listener(event):
        heard.append(event)
        raise RuntimeError("gone")

    toy.engine.start(listener)
    toy.engine._thread.join(PATIENCE_S)
    assert heard == [LoadProgress(1, 2)]
    assert "the listener is gone" in caplog.text


def test_errors_become_events_with_their_exit_code():
    told = failure(AttachmentError("cat.png is empty", "attach another"))
    assert told == Failed("AttachmentError", "cat.png is empty", "attach another", 5)
    for text in (
        "[METAL] Command buffer execution failed: Insufficient Memory (00000008)",
        "[metal::malloc] Attempting to allocate 9 bytes which is greater than the maximum",
    ):
        assert failure(RuntimeError(text)) == failure(MemoryError())
    assert failure(MemoryError()).exit_code == 4
    assert failure(RuntimeError("shapes do not match")).exit_code == 1
    unexpected = failure(ZeroDivisionError("division by zero"))
    assert (unexpected.kind, unexpected.exit_code) == ("EngineError", 1)
    assert "ZeroDivisionError: division by zero" in unexpected.message


def test_the_real_model_answers_on_the_engines_thread_and_reads_only_what_is_new():
    """PAINS 45 and 7 with MLX itself: what is loaded on one thread is asked on the same."""
    events: Queue = Queue()
    engine = Engine("pocket")
    engine.start(events.put)

    def ask(*messages):
        engine.submit(TurnRequest(messages, max_tokens=4, temperature=0.0))
        heard = []
        while not heard or not isinstance(heard[-1], Finished | Failed):
            heard.append(events.get(timeout=60))
        assert isinstance(heard[-1], Finished), heard[-1]
        return heard

    first = ask(*HELLO.messages)
    ready = next(event for event in first if isinstance(event, ModelReady))
    assert ready.is_demo and ready.sees and ready.hears and ready.weights_bytes > 0
    said = "".join(event.text for event in first if isinstance(event, TextDelta))
    answered = {"role": "assistant", "content": said}
    usage = ask(*HELLO.messages, answered, *HELLO.messages)[-1].usage
    engine.close()
    assert usage.reused_tokens >= first[-1].usage.prompt_tokens
    assert usage.prompt_tokens - usage.reused_tokens < first[-1].usage.prompt_tokens + 4


LEAVE = """
import queue
from gemma4_mlx.engine import Engine
from gemma4_mlx.events import ModelReady

events = queue.Queue()
engine = Engine("pocket")
engine.start(events.put)
while not isinstance(events.get(timeout=60), ModelReady):
    pass
assert engine.close()
"""


def test_the_process_ends_well_after_the_engine():
    """MLX aborts in every third exit or so if the thread leaves its streams behind."""
    started = [subprocess.Popen([sys.executable, "-c", LEAVE]) for _ in range(2)]
    assert [each.wait(timeout=120) for each in started] == [0] * 2
