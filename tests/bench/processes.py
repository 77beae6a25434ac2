"""Whole runs of a program, timed from the outside: what a user waits for."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Run:
    """One process.

    Attributes:
        first_output_s: from the start of the process to the first byte on its stdout.
        total_s: from the start of the process to its end.
        cpu_s: what it used of the processors, which other programs do not lengthen.
        output: everything it wrote to stdout.
    """

    first_output_s: float
    total_s: float
    cpu_s: float
    output: str


@dataclass(frozen=True)
class Figure:
    """A quantity measured several times."""

    name: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def row(self) -> str:
        return (
            f"{self.name:<38}{min(self.values):>9.3f}{self.median:>9.3f}"
            f"{max(self.values):>9.3f}  {self.unit}"
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "unit": self.unit,
            "min": round(min(self.values), 4),
            "median": round(self.median, 4),
            "max": round(max(self.values), 4),
            "runs": len(self.values),
        }


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def gemma4(*arguments: str) -> list[str]:
    """The command `gemma4`, run by this Python."""
    return [sys.executable, "-m", "gemma4_mlx.cli", *arguments]


def environment() -> dict[str, str]:
    """This one, but Python may keep bytecode here, as it keeps that of all that is installed."""
    return {name: os.environ[name] for name in os.environ if name != "PYTHONDONTWRITEBYTECODE"}


def run(command: Sequence[str]) -> Run:
    """Run a command to its end; a failed one ends the benchmark."""
    cpu_before_s = children_cpu_s()
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=environment(),
    )
    assert process.stdout is not None
    first = process.stdout.read(1)
    first_output_s = time.perf_counter() - started
    rest, complaint = process.communicate()
    total_s = time.perf_counter() - started
    if process.returncode != 0:
        sys.exit(f"{complaint.decode()}\nerror: {command} ended with {process.returncode}")
    cpu_s = children_cpu_s() - cpu_before_s
    return Run(first_output_s, total_s, cpu_s, (first + rest).decode())


def children_cpu_s() -> float:
    """Processor time of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def repeat(command: Sequence[str], count: int, report: Callable[[Run], None]) -> None:
    """Run a command once to warm the disk cache, then `count` times for the record."""
    run(command)
    for _ in range(count):
        report(run(command))
