"""What keeps a machine alive: nothing wired, nothing kept, one large model, one thread."""

from __future__ import annotations

import ast
import gc
import shutil
import threading
import weakref
from pathlib import Path
from queue import Queue

import mlx.core as mx
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import gemma4_mlx as g4
from gemma4_mlx import engine_lock
from gemma4_mlx.cli import main
from gemma4_mlx.engine import Engine, TurnRequest
from gemma4_mlx.engine_lock import LARGE_BYTES, EngineLock, current_holder
from gemma4_mlx.errors import EngineError
from gemma4_mlx.events import Failed, Finished, PromptProgress, TextDelta
from gemma4_mlx.inputs import ModelInputs
from gemma4_mlx.limits import BUFFER_CACHE_BYTES
from gemma4_mlx.loading import find_checkpoint, load_model
from gemma4_mlx.model import Gemma4
from gemma4_mlx.towers import AUDIO, VISION
from tests.parity.recipe import write_checkpoint
from tests.structure import source

PATIENCE_S = 60.0
QUESTION = {"type": "text", "text": "What is in the picture?"}


@pytest.fixture(scope="module")
def pocket():
    return g4.load("pocket")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = write_checkpoint(tmp_path_factory.mktemp("tiny") / "e2b-like", "e2b-like")
    return load_model(folder, dtype=mx.float32)


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("media") / "red.png"
    # So long that it costs half of its budget: fifty of them are encoded below.
    Image.new("RGB", (720, 40), "red").save(path)
    return path


def about(picture: Path) -> list[dict]:
    image = {"type": "image", "path": str(picture), "image_tokens": 70}
    return [{"role": "user", "content": [image, QUESTION]}]


def chat(engine: Engine, *requests: TurnRequest) -> list:
    """All events of an engine's life."""
    told: Queue = Queue()
    engine.start(told.put)
    heard = []
    for request in requests:
        engine.submit(request)
        while not heard or not isinstance(heard[-1], Finished | Failed):
            heard.append(told.get(timeout=PATIENCE_S))
    assert engine.close()
    return heard


# Nothing is wired.


def test_pain_21_memory_is_never_wired(picture, monkeypatch):
    """Wired memory under a busy GPU is a reported cause of macOS kernel panics."""
    asked = []
    monkeypatch.setattr(mx, "set_wired_limit", asked.append)
    arguments = ["ask", "-m", "pocket", "-a", str(picture), "--max-tokens", "2", "What is it?"]
    done = CliRunner().invoke(main, arguments)
    assert (done.exit_code, done.stderr) == (0, "note: the answer was cut off after 2 tokens\n")
    heard = chat(Engine("pocket"), TurnRequest(about(picture), image_tokens=70, max_tokens=2))
    assert isinstance(heard[-1], Finished)
    assert asked == []


def test_pain_21_no_line_of_ours_wires_memory():
    naming = [
        str(module)
        for module in source.modules()
        for node in ast.walk(source.tree(module))
        if "set_wired_limit" in (getattr(node, "attr", ""), getattr(node, "id", ""))
        or getattr(node, "value", None) == "set_wired_limit"
    ]
    assert naming == []


# What is free is given back.


@pytest.mark.parametrize("before", [BUFFER_CACHE_BYTES * 100, 1_000_000])
def test_pain_49_the_buffer_cache_is_bounded_and_a_lower_bound_stays(tmp_path, before):
    folder = write_checkpoint(tmp_path / "tiny", "e2b-like")
    found = mx.set_cache_limit(before)
    try:
        load_model(folder)
    finally:
        after = mx.set_cache_limit(found)
    assert after == min(before, BUFFER_CACHE_BYTES)


class WatchedProcessor:
    """Keeps a weak reference to the pixels and features that it hands out."""

    def __init__(self, processor):
        self.tokenizer = processor.tokenizer
        self._processor = processor
        self.handed_out = []

    def __call__(self, messages, **options) -> ModelInputs:
        inputs = self._processor(messages, **options)
        arrays = (inputs.pixel_values, inputs.input_features)
        self.handed_out += [weakref.ref(array) for array in arrays if array is not None]
        return inputs


def test_pain_49_pixels_are_gone_before_the_prompt_is_read(pocket, picture, monkeypatch):
    model, processor = pocket
    processor = WatchedProcessor(processor)
    alive = []
    read = Gemma4.forward

    def watched(self, *arguments, **options):
        alive.append([reference() is not None for reference in processor.handed_out])
        return read(self, *arguments, **options)

    monkeypatch.setattr(Gemma4, "forward", watched)
    list(g4.stream(model, processor, about(picture), max_tokens=2, temperature=0.0))
    assert len(alive) >= 2, "the prompt, then a step: both through `forward`"
    assert alive == [[False]] * len(alive)


def flat(sizes: list[int]) -> bool:
    """Whether nothing is left behind by a turn; the first one makes what all of them share."""
    return len(set(sizes[1:])) == 1


def test_pain_49_memory_is_flat_over_fifty_turns_with_pictures(pocket, picture):
    """Old caches, pixels and lazy graphs that somebody still holds would add up."""
    model, processor = pocket
    gc.collect()
    sizes, kept = [], []
    for turn in range(50):
        # The tower takes nearly all of the time; two turns in three do without.
        asked = [{"role": "user", "content": [QUESTION]}] if turn % 3 else about(picture)
        kept += g4.stream(model, processor, asked, max_tokens=2, temperature=0.0)
        sizes.append(mx.get_active_memory())
    assert sum(isinstance(event, Finished) for event in kept) == 50
    assert flat(sizes), sizes


def test_the_check_for_flatness_sees_a_leak():
    assert not flat([10, 20, 21])
    assert flat([10, 20, 20])


# One thread, and nothing lazy left behind on it.


def in_thread(work):
    """What `work` returned or raised on a thread of its own."""
    box = []

    def run():
        try:
            box.append(work())
        except Exception as error:
            box.append(error)
        finally:
            mx.clear_streams()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(PATIENCE_S)
    return box[0]


def arrays_of(root: object) -> list[mx.array]:
    """Every array that can be reached from an object of ours, constants included."""
    found, seen, pending = [], set(), [root]
    while pending:
        one = pending.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, mx.array):
            found.append(one)
        elif isinstance(one, dict):
            pending += [*one.values(), *getattr(one, "__dict__", {}).values()]
        elif isinstance(one, list | tuple):
            pending += one
        elif type(one).__module__.startswith("gemma4_mlx"):
            pending += getattr(one, "__dict__", {}).values()
    return found


def test_pain_45_nothing_of_a_loaded_model_waits_to_be_evaluated(tmp_path):
    """A lazy constant dies with "There is no Stream" at the first token on another thread."""
    folder = write_checkpoint(tmp_path / "tiny", "e2b-like")
    model = in_thread(lambda: load_model(folder, dtype=mx.float32))
    # The towers are read where they are first needed, by arrays of that thread.
    model.towers.need(model, (*VISION, *AUDIO))
    arrays = arrays_of(model)
    ropes = arrays_of([layer.self_attn._rope for layer in model.layers])
    assert ropes and {id(one) for one in ropes} <= {id(one) for one in arrays}
    for one in arrays:
        np.array(one)  # raises if it is lazy: its stream belongs to a thread that is gone


def test_pain_45_a_lazy_array_of_another_thread_would_be_noticed():
    """What the test before relies on: MLX refuses to evaluate it."""
    lazy = in_thread(lambda: mx.ones(3) + 1)
    with pytest.raises(RuntimeError, match="no Stream"):
        np.array(lazy)


@pytest.mark.parametrize("last", [PromptProgress, TextDelta])
def test_pain_45_a_turn_that_changes_threads_is_refused(pocket, last):
    """After its first word, and also if nothing was read yet."""
    model, processor = pocket
    messages = [{"role": "user", "content": "Who are you?"}]
    events = g4.stream(model, processor, messages, max_tokens=9, temperature=0.0)
    while not isinstance(next(events), last):
        pass
    error = in_thread(lambda: list(events))
    assert isinstance(error, EngineError)
    assert "begun on one thread and continued on another" in error.message
    assert error.hint


# One large model.


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A model that is large and has no weights; and a lock of this test's own."""
    monkeypatch.setattr(engine_lock, "lock_path", lambda: tmp_path / "engine.lock")
    folder = tmp_path / "large"
    folder.mkdir()
    shutil.copy(find_checkpoint("pocket") / "config.json", folder)
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(LARGE_BYTES)
    return folder


def test_pain_21_chat_and_ask_load_no_second_large_model(large):
    with EngineLock() as lock:
        lock.take("the first", large)
        (failed,) = chat(Engine(str(large)), TurnRequest([]))[:1]
        done = CliRunner().invoke(main, ["ask", "-m", str(large), "Hi"])
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.exit_code, done.exit_code, done.stdout) == ("EngineError", 1, 1, "")
    assert "(the first, since " in failed.message
    assert done.stderr == f"error: {failed.message}\nhint: {failed.hint}\n"


def test_pain_21_a_model_that_could_not_be_loaded_is_not_held(large):
    (failed,) = chat(Engine(str(large)), TurnRequest([]))[:1]
    assert failed.exit_code == 3
    assert current_holder() is None
    assert CliRunner().invoke(main, ["ask", "-m", str(large), "Hi"]).exit_code == 3
    assert current_holder() is None


def test_pain_21_the_chat_holds_its_model_until_it_ends(large, monkeypatch):
    held = []

    def load(folder, *, on_progress):
        held.append(current_holder())
        raise EngineError("that is far enough")

    monkeypatch.setattr("gemma4_mlx.loading.load", load)
    chat(Engine(str(large)), TurnRequest([]))
    assert [holder.model for holder in held] == [str(large)]
    assert current_holder() is None
