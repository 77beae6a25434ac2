"""How far a conversion is: told step by step, as a line that changes or as JSON lines."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

from gemma4_mlx.byte_sizes import exact_size

StepName = Literal["fetch", "plan", "note", "scan", "files", "tensor", "verify", "card", "done"]


@dataclass(frozen=True, slots=True)
class Step:
    """Something that was done.

    Attributes:
        step: which part of the conversion.
        done_bytes, total_bytes: of that part; both 0 where bytes say nothing.
        detail: a tensor's name, a size, whatever there is to say.
        done_tensors, total_tensors: of that part.
    """

    step: StepName
    done_bytes: int = 0
    total_bytes: int = 0
    detail: str = ""
    done_tensors: int = 0
    total_tensors: int = 0


OnStep = Callable[[Step], None]

_SAID: dict[StepName, str] = {
    "fetch": "downloading",
    "plan": "",
    "note": "",
    "scan": "reading",
    "files": "files",
    "tensor": "packing",
    "verify": "checking",
    "card": "measuring",
    "done": "",
}
_LASTING = ("plan", "note")
"""Steps that are said in a line of their own, to everybody."""
_FREQUENT = ("fetch", "scan", "verify")
_PAUSE_S = 0.2


class ProgressLine:
    """What is going on, on stderr: a line that changes for who watches, remarks for everybody."""

    def __init__(self) -> None:
        self._is_watched = sys.stderr.isatty()
        self._step = ""
        self._started_s = self._shown_s = 0.0
        self._from_bytes = 0

    def __call__(self, step: Step) -> None:
        """Show it, unless the last one was a moment ago."""
        if step.step in _LASTING:
            self.close()
            sys.stderr.write(f"{step.detail}\n")
            return
        now_s = time.monotonic()
        if step.step != self._step:
            self._step, self._started_s, self._from_bytes = step.step, now_s, step.done_bytes
        elif now_s - self._shown_s < _PAUSE_S:
            return
        self._shown_s = now_s
        if self._is_watched:
            self._show(self._text(step, now_s - self._started_s))

    def close(self) -> None:
        """Take the line away."""
        if self._is_watched:
            self._show("")

    def _text(self, step: Step, elapsed_s: float) -> str:
        words = [_SAID[step.step]]
        if step.total_bytes:
            words.append(f"{exact_size(step.done_bytes)} of {exact_size(step.total_bytes)}")
            moved = step.done_bytes - self._from_bytes
            if moved > 0:
                left_s = elapsed_s / moved * (step.total_bytes - step.done_bytes)
                words.append(f"{_duration(left_s)} left")
        if step.total_tensors:
            words.append(f"tensor {step.done_tensors} of {step.total_tensors}")
        if step.detail:
            words.append(step.detail)
        return ", ".join(words)

    def _show(self, text: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r\x1b[2K{text[:width]}")
        sys.stderr.flush()


class JsonLines:
    """One JSON line on stdout for a step; of reading and checking only some, but the last."""

    def __init__(self) -> None:
        self._written_s = 0.0

    def __call__(self, step: Step) -> None:
        """Write it."""
        now_s = time.monotonic()
        if step.step in _FREQUENT and step.done_bytes < step.total_bytes:
            if now_s - self._written_s < _PAUSE_S:
                return
            self._written_s = now_s
        sys.stdout.write(json.dumps(asdict(step)) + "\n")
        sys.stdout.flush()


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
