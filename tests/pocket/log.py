"""A training log: running means, one line every so many steps."""

import time
from pathlib import Path

import torch


class Log:
    """Appends lines to a file; the first line's clock starts at construction."""

    def __init__(self, path: Path, every: int = 20):
        self.file = path.open("a", buffering=1)
        self.every, self.start = every, time.monotonic()
        self.values: list[tuple[float, ...]] = []

    def say(self, *words: object) -> None:
        """Write one line with wall and CPU seconds in front."""
        wall, cpu = time.monotonic() - self.start, time.process_time()
        self.file.write(f"{wall:7.1f}s cpu {cpu:7.1f}s  {' '.join(map(str, words))}\n")

    def step(self, loss: torch.Tensor, step: int, what: object, *scores: float) -> None:
        """Count one step in; write the means when `every` steps have come together."""
        self.values.append((float(loss), *scores))
        if len(self.values) == self.every:
            means = [
                sum(v for v in column if v == v) / self.every
                for column in zip(*self.values, strict=True)
            ]
            self.say(what, f"step {step + 1}", "loss", " ".join(f"{m:.3f}" for m in means))
            self.values.clear()
