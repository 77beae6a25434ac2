"""Measuring one model: loading, reading, writing, seeing, and a second turn.

Reading and writing go past the tokenizer and no id ends an answer, so that the same number of
tokens is counted for every model, whatever it has to say.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib.metadata import version
from typing import Any

import mlx.core as mx
import numpy as np
from PIL import Image

from gemma4_mlx.benchmark.result import Result
from gemma4_mlx.doctor.backend import backend
from gemma4_mlx.events import Event, Finished, PromptProgress
from gemma4_mlx.generate import generate_tokens
from gemma4_mlx.inputs import ModelInputs
from gemma4_mlx.loading import default_dtype, load
from gemma4_mlx.memory.machine import this_machine
from gemma4_mlx.model import Gemma4
from gemma4_mlx.processing import Processor
from gemma4_mlx.session import Session
from gemma4_mlx.session.model_identity import model_identity

SHORT, LONG = 512, 2048
NEW = 64
PICTURE_TOKENS = 280
PICTURE_SIZE = 912, 672
"""What a model sees of a 4:3 picture at that budget, so that nothing is resized."""

_TEXT = "The list goes on: a red star, a blue circle and a green square. "

Tell = Callable[[str], None]


def measure(name: str, rounds: int = 3, tell: Tell = lambda what: None) -> Result:
    """Measure a model.

    Args:
        name: what `gemma4_mlx.load` takes.
        rounds: how often each figure is taken, after one that warms up; the median counts.
        tell: is told what comes next.

    Raises:
        Gemma4Error: the model cannot be loaded, or does not fit.
    """
    tell("loading")
    started = time.perf_counter()
    model, processor = load(name)
    values = {"load_s": time.perf_counter() - started}
    works, peak_bytes = _Bench(model, processor).works(), mx.get_peak_memory()
    taken: dict[str, list[float]] = {figure: [] for figure in works}
    # Not all rounds of a figure at once: a machine that is busy for a while spoils but one of each.
    for _ in range(1 + rounds):
        for figure, work in works.items():
            tell(figure)
            taken[figure].append(work())
            peak_bytes = max(peak_bytes, mx.get_peak_memory())  # turns begin to count anew
    # In the first round kernels are compiled, and files are read for the first time.
    counted = {figure: found[1:] for figure, found in taken.items()}
    values |= {figure: statistics.median(found) for figure, found in counted.items()}
    values["peak_bytes"] = peak_bytes
    return Result(
        model=name,
        identity=model_identity(model),
        machine=_machine(),
        backend=f"{backend()}, {str(default_dtype()).removeprefix('mlx.core.')}",
        versions={each: version(each) for each in ("gemma4-mlx", "mlx")},
        taken_at=datetime.now().astimezone().isoformat(timespec="seconds"),
        values=values,
        rounds=counted,
    )


class _Bench:
    """A loaded model and what is done with it; every work returns its figure."""

    def __init__(self, model: Gemma4, processor: Processor) -> None:
        self._model = model
        self._processor = processor
        words = processor.tokenizer.encode(_TEXT)
        self._ids = np.array([(words * (LONG // len(words) + 1))[:LONG]])
        self._text = _TEXT * (LONG // len(words))

    def works(self) -> dict[str, Callable[[], float]]:
        """Figure -> what takes it."""
        works: dict[str, Callable[[], float]] = {
            "short_prompt_tokens_per_s": lambda: SHORT / self._read(SHORT),
            "long_prompt_tokens_per_s": lambda: LONG / self._read(LONG),
            "decode_tokens_per_s": lambda: self._write(16),
            "deep_decode_tokens_per_s": lambda: self._write(LONG),
        }
        if self._processor.sees:
            works["picture_s"] = self._see
        works["cold_turn_s"] = lambda: self._turn(Session(self._model, self._processor))
        works["warm_turn_s"] = self._next_turn
        return works

    def _steps(self, prompt: int, new: int) -> Iterator[int]:
        ids = self._ids[:, :prompt]
        steps = generate_tokens(
            self._model,
            ModelInputs(ids, np.zeros_like(ids)),
            sampler=lambda logits: mx.argmax(logits, axis=-1),
            stop_ids=(),
            max_tokens=new,
        )
        return (step for step in steps if not isinstance(step, PromptProgress))

    def _read(self, prompt: int) -> float:
        """Seconds until a prompt is read and the first token chosen."""
        started = time.perf_counter()
        next(self._steps(prompt, 1))
        return time.perf_counter() - started

    def _write(self, prompt: int) -> float:
        """Tokens per second behind a prompt. The first is left out: it holds the prompt."""
        times = [time.perf_counter() for _ in self._steps(prompt, NEW)]
        return (len(times) - 1) / (times[-1] - times[0])

    def _see(self) -> float:
        """Seconds to the first token of an answer on a new picture."""
        # Another one each time: one that was seen before would not be looked at again.
        grey = time.monotonic_ns() % 256
        picture = Image.new("RGB", PICTURE_SIZE, (grey, grey, 255 - grey))
        part = {"type": "image", "image": picture, "image_tokens": PICTURE_TOKENS}
        session = Session(self._model, self._processor)
        return _first_token_s(session.send({"role": "user", "content": [part]}, max_tokens=1))

    def _turn(self, session: Session) -> float:
        return _first_token_s(session.send(self._text, max_tokens=4))

    def _next_turn(self) -> float:
        session = Session(self._model, self._processor)
        self._turn(session)
        return _first_token_s(session.send("Go on.", max_tokens=4))


def _first_token_s(events: Iterator[Event]) -> float:
    *_, last = events
    assert isinstance(last, Finished)
    return last.timings.first_token_s


def _machine() -> str:
    info: dict[str, Any] = mx.device_info()
    chip = info.get("device_name") or platform.processor() or platform.machine()
    memory = this_machine(info if mx.default_device() == mx.gpu else None).ram_bytes
    return f"{chip}, {os.cpu_count()} cores, {memory / 1024**3:.0f} GiB, {platform.system()}"
