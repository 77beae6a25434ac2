"""Print how far our logits are from the reference's, case by case, as a Markdown table.

Run from the root of the repository: `python -m tests.parity.report`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

import gemma4_mlx as g4
from tests.parity import golden, ours
from tests.parity.cases import GREEDY_TOKENS, Case, cases
from tests.parity.configs import CONFIGS, WINDOW
from tests.parity.recipe import write_checkpoint

HEAD = ("checkpoint", "case", "positions", "one pass: max", "mean", "chunks: max", "mean", "tokens")


def row(model: Any, case: Case) -> tuple[str, ...]:
    """One line of the table: errors of the logits, and greedy tokens that are the same."""
    inputs, expected, cache = case.inputs(), golden.load(case), model.make_cache()
    whole = ours.logits(model, inputs)
    chunked = ours.chunked_logits(model, inputs, WINDOW + 1, cache)
    tokens = ours.greedy_through_cache(model, chunked[-1], cache)
    errors = [
        golden.error(golden.sample("logits", logits), expected["logits"])
        for logits in (whole, chunked)
    ]
    figures = [f"{figure:.1e}" for error in errors for figure in (error.largest, error.mean)]
    equal = int(np.sum(np.array(tokens) == expected["greedy"]))
    name = case.name.replace("_", " ")
    return case.checkpoint, name, str(len(whole)), *figures, f"{equal} of {GREEDY_TOKENS}"


def rows() -> Iterator[tuple[str, ...]]:
    """The lines of all cases."""
    for checkpoint in CONFIGS:
        with tempfile.TemporaryDirectory() as folder:  # towers are read with the first picture
            model = g4.load_model(write_checkpoint(Path(folder), checkpoint), dtype=mx.float32)
            for case in cases():
                if case.checkpoint == checkpoint:
                    yield row(model, case)


def main() -> None:
    """Print the table."""
    for line in (HEAD, ("---",) * len(HEAD), *rows()):
        print("|", " | ".join(line), "|")


if __name__ == "__main__":
    main()
