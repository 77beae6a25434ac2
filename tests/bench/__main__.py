"""Measure starts and speeds: `python -m tests.bench [--runs N] [--model NAME]`.

Where `make oracle` installed mlx-lm and mlx-vlm, they are measured beside this project, too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.bench import side_by_side
from tests.bench.processes import Figure, Run, gemma4, python, repeat

QUESTION = "Who are you?"
# Long enough that prefill and decoding are worth timing, repeated as is.
LONG_QUESTION = "Tell me what you can do. " * 20
FIRST_TOKEN = "first token, from process start"
FIRST_TOKEN_LIMIT_S = 1.5

STARTS = {
    "python alone": python("pass"),
    "import gemma4_mlx": python("import gemma4_mlx"),
    "import the model (mlx)": python("import gemma4_mlx.model"),
    "import the chat (textual)": python("import tui.app"),
    "gemma4 --help": gemma4("--help"),
}
SPEEDS = ("prefill_tokens_per_s", "decode_tokens_per_s")


def measure_starts(_: str, count: int) -> list[Figure]:
    """Seconds that whole processes take that load no model."""
    figures = []
    for name, command in STARTS.items():
        seconds: list[float] = []
        repeat(command, count, lambda done, into=seconds: into.append(done.total_s))
        figures.append(Figure(name, "s", tuple(seconds)))
    return figures


def measure_first_token(model: str, count: int) -> list[Figure]:
    """Seconds from process start to the first byte of an answer, and to the end of a short one."""
    runs: list[Run] = []
    repeat(gemma4("ask", "-m", model, QUESTION), count, runs.append)
    return [
        Figure(FIRST_TOKEN, "s", tuple(done.first_output_s for done in runs)),
        Figure("a short answer, whole process", "s", tuple(done.total_s for done in runs)),
        Figure("a short answer, processor time", "s", tuple(done.cpu_s for done in runs)),
    ]


def measure_speeds(model: str, count: int) -> list[Figure]:
    """Tokens per second and load time, as the program itself reports them."""
    values: defaultdict[str, list[float]] = defaultdict(list)

    def keep(done: Run) -> None:
        for name, value in json.loads(done.output)["timings"].items():
            values[name].append(value)

    repeat(gemma4("ask", "-m", model, "--json", LONG_QUESTION), count, keep)
    figures = [Figure("load the model", "s", tuple(values["load_s"]))]
    for name in SPEEDS:
        label = name.removesuffix("_tokens_per_s")
        figures.append(Figure(label, "tokens/s", tuple(values[name])))
    return figures


def beside_others(python: str, rounds: int) -> dict[str, Any] | None:
    """Figure -> program -> values, if the others are installed; prints a table of them."""
    if not Path(python).exists():
        print("\nmlx-lm and mlx-vlm are measured beside this project after: make oracle\n")
        return None
    with tempfile.TemporaryDirectory() as work:
        figures = side_by_side.measure(python, rounds, Path(work))
    print()
    side_by_side.print_table(figures)
    print()
    return {name: dict(values) for name, values in figures.items()}


def main() -> None:
    """Print the tables and the JSON document; the exit code tells whether the limit held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="of each command, after one to warm up")
    parser.add_argument("--model", default="pocket", help="a name or folder that gemma4 takes")
    parser.add_argument("--python", default=str(side_by_side.ORACLE), help="with the others in it")
    options = parser.parse_args()
    print(f"{'':<38}{'min':>9}{'median':>9}{'max':>9}")
    figures = []
    for measure in (measure_starts, measure_first_token, measure_speeds):
        for figure in measure(options.model, options.runs):
            print(figure.row(), flush=True)
            figures.append(figure)
    first_token = next(figure for figure in figures if figure.name == FIRST_TOKEN)
    within = first_token.median <= FIRST_TOKEN_LIMIT_S
    document = {
        "model": options.model,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "first_token_limit_s": FIRST_TOKEN_LIMIT_S,
        "within_limit": within,
        "figures": [figure.as_json() for figure in figures],
        "beside_others": beside_others(options.python, rounds=3),
    }
    print(json.dumps(document))
    sys.exit(0 if within else 1)


if __name__ == "__main__":
    main()
