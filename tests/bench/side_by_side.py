"""This project beside mlx-lm and mlx-vlm on the same checkpoints, in one run, as ratios.

`python -m tests.bench.side_by_side [--rounds N] [--python PYTHON]`, where PYTHON has them
installed: that of `make oracle` unless told otherwise. All programs run in that one Python, one
after the other in each round, so that what else the machine does hits all of them. All weights are
float32.

* Whole processes on the bundled model: from the start to the end of an answer of one token.
* On a checkpoint of E2B's depth and small widths (`deep_checkpoint`): importing, loading, reading
  2000 tokens, writing, memory.
* On the bundled model: a second turn behind a picture and 2000 tokens, and the same turn read from
  its start. Prompt rates never count what came from a cache.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.bench.deep_checkpoint import write_deep, write_float32
from tests.bench.processes import environment, run
from tests.bench.synthetic import POCKET

ROOT = Path(__file__).parents[2]
ORACLE = ROOT / ".venv-oracle" / "bin" / "python"
PICTURE = ROOT / "examples" / "yellow-star-green-triangle.jpg"
QUESTION = "Who are you?"
OURS, LM, VLM = "ours", "mlx-lm", "mlx-vlm"
PROGRAMS = (OURS, LM, VLM)
_PROBES = {
    OURS: "tests.bench.probes.ours",
    LM: "tests.bench.probes.mlx_lm_probe",
    VLM: "tests.bench.probes.mlx_vlm_probe",
}
ROWS = {
    "process_s": ("start to an answer of one token", "s"),
    "import_s": ("import", "s"),
    "load_s": ("load", "s"),
    "prefill_tokens_per_s": ("read a prompt of 2000", "tokens/s"),
    "decode_ms_per_token": ("write a token, 35 layers", "ms"),
    "second_turn_s": ("first token of a second turn", "s"),
    "cold_turn_s": ("the same, all read again", "s"),
    "read_tokens": ("tokens read in the second turn", ""),
    "peak_bytes": ("most that MLX held", "bytes"),
    "resident_bytes": ("most that the process held", "bytes"),
}

Figures = dict[str, dict[str, list[float]]]


def whole_process(program: str, python: str, folder: Path) -> list[str]:
    """A command line that answers with one token."""
    if program == OURS:
        asked = ["gemma4_mlx.cli", "ask", "-m", str(folder), "--max-tokens", "1", QUESTION]
    else:
        module = program.replace("-", "_")
        asked = [module, "generate", "--model", str(folder), "--max-tokens", "1"]
        asked += ["--prompt", QUESTION]
    return [python, "-m", *asked]


def probe(program: str, python: str, *arguments: Path) -> dict[str, float]:
    """What one of the programs in `probes` measures of itself."""
    command = [python, "-m", _PROBES[program], *map(str, arguments)]
    done = subprocess.run(
        command, cwd=ROOT, env=_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{done.stderr}\nerror: {command} ended with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(python: str, rounds: int, work: Path) -> Figures:
    """Figure -> program -> its values, one a round."""
    deep, small = write_deep(work / "deep"), write_float32(POCKET, work / "pocket")
    figures: Figures = defaultdict(lambda: defaultdict(list))
    os.environ.update(_environment())
    for program in PROGRAMS:  # the first start reads everything from the disk
        run(whole_process(program, python, small))
    for _ in range(rounds):
        for program in PROGRAMS:
            figures["process_s"][program].append(run(whole_process(program, python, small)).total_s)
        for program in PROGRAMS:
            for name, value in probe(program, python, deep).items():
                figures[name][program].append(value)
        for program in (OURS, VLM):
            turns = probe(program, python, small, PICTURE)
            for name in ("second_turn_s", "cold_turn_s", "read_tokens"):
                figures[name][program].append(turns[name])
    return figures


def print_table(figures: Figures) -> None:
    """Medians, and how many times ours the others' are."""
    heads = "".join(f"{name:>12}" for name in PROGRAMS)
    print(f"{'median':<36}{heads}{LM + ' / ours':>16}{VLM + ' / ours':>16}")
    for name, (label, unit) in ROWS.items():
        values = {program: statistics.median(them) for program, them in figures[name].items()}
        cells = "".join(_cell(values.get(program), unit, 12) for program in PROGRAMS)
        ratios = "".join(_cell(_ratio(figures[name], other), "", 16) for other in (LM, VLM))
        print(f"{label:<36}{cells}{ratios}  {'MB' if unit == 'bytes' else unit}")


def _ratio(values: dict[str, list[float]], other: str) -> float | None:
    """The median over the rounds of the ratio within a round."""
    if other not in values:
        return None
    return statistics.median(b / a for a, b in zip(values[OURS], values[other], strict=True))


def _cell(value: float | None, unit: str, width: int) -> str:
    if value is None:
        return f"{'':>{width}}"
    value = value / 1e6 if unit == "bytes" else value
    return f"{value:>{width}.{0 if value >= 1000 else 1 if value >= 100 else 3}f}"


def _environment() -> dict[str, str]:
    """Nothing is fetched, and nothing is said about that."""
    return {
        **environment(),
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
        "PYTHONWARNINGS": "ignore",
    }


def main() -> None:
    """Print the table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--python", default=str(ORACLE), help="that has mlx-lm and mlx-vlm")
    asked: Any = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        figures = measure(asked.python, asked.rounds, Path(work))
    print_table(figures)
    print(json.dumps({name: dict(values) for name, values in figures.items()}))


if __name__ == "__main__":
    main()
