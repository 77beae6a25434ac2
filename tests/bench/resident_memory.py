"""How much memory a text turn takes: ours, with the per-layer table in its file or not, and mlx-lm.

`python -m tests.bench.resident_memory --model DIR [--python PYTHON_WITH_MLX_LM]`, on Linux. DIR is
any checkpoint in MLX's layout, such as one that `tests.bench.synthetic` made and `gemma4 convert`
packed. Each row is a process of its own that loads model and tokenizer, reads the same token ids
and writes greedily; the memory is what the system counts for it.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.bench.processes import python

POLL_S = 0.02
FIRST_ID, BEHIND_LAST_ID = 300, 1000  # text ids of any vocabulary

OURS = """
import json, sys, time
folder, table, dtype, *asked = sys.argv[1:]
ids, count = map(json.loads, asked)
import mlx.core as mx
import numpy as np
import gemma4_mlx as g4
from gemma4_mlx.generate import generate_tokens
from gemma4_mlx.inputs import ModelInputs

start = time.perf_counter()
model, processor = g4.load(folder, dtype=getattr(mx, dtype), per_layer_table=table)
loaded = time.perf_counter()
array = np.array([ids], np.int32)
steps = generate_tokens(
    model,
    ModelInputs(array, np.zeros_like(array)),
    sampler=lambda row: mx.argmax(row, axis=-1),
    stop_ids=(),
    max_tokens=count,
)
times = [time.perf_counter() for _ in steps]
print(json.dumps([loaded - start, times[0] - loaded, (times[-1] - times[0]) / (len(times) - 1)]))
"""

THEIRS = """
import json, sys, time
folder, *asked = sys.argv[1:]
ids, count = map(json.loads, asked)
import mlx.core as mx
from mlx_lm import load
from mlx_lm.generate import generate_step

start = time.perf_counter()
model, tokenizer = load(folder)
loaded = time.perf_counter()
steps = generate_step(mx.array(ids), model, max_tokens=count)
times = [time.perf_counter() for _ in steps]
print(json.dumps([loaded - start, times[0] - loaded, (times[-1] - times[0]) / (len(times) - 1)]))
"""


@dataclass(frozen=True)
class Residence:
    """One process, as the system counted it.

    Attributes:
        most_bytes: the maximum resident set.
        anonymous_bytes, file_bytes: the most of what has no file behind it, and of what has, which
            the system may drop and read again.
        load_s, first_token_s, token_s: as the process timed itself.
    """

    name: str
    most_bytes: int
    anonymous_bytes: int
    file_bytes: int
    load_s: float
    first_token_s: float
    token_s: float

    def row(self) -> str:
        sizes = (self.most_bytes, self.anonymous_bytes, self.file_bytes)
        cells = "".join(f"{size / 1e9:>11.3f}" for size in sizes)
        times = (self.load_s, self.first_token_s, self.token_s)
        return f"{self.name:<30}{cells}" + "".join(f"{seconds:>10.2f}" for seconds in times)


def watch(name: str, command: list[str]) -> Residence:
    """Run a command to its end, looking at its memory all the while."""
    most: dict[str, int] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            while process.poll() is None:
                for key, size in _counted(process.pid).items():
                    most[key] = max(size, most.get(key, 0))
                time.sleep(POLL_S)
        finally:
            process.kill()
        assert process.stdout is not None
        said = process.stdout.read()
    if process.returncode != 0:
        sys.exit(f"error: {name} ended with {process.returncode}")
    times = json.loads(said.splitlines()[-1])
    return Residence(name, most["VmHWM"], most["RssAnon"], most["RssFile"], *times)


def _counted(pid: int) -> dict[str, int]:
    """Bytes by the system's names; nothing once the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    fields = dict(line.split(":", 1) for line in lines)
    keys = ("VmHWM", "RssAnon", "RssFile")
    return {key: int(fields[key].split()[0]) * 1024 for key in keys if key in fields}


def commands(options: argparse.Namespace) -> dict[str, list[str]]:
    """What is compared, by name."""
    draw = random.Random(0)
    ids = [2, *(draw.randrange(FIRST_ID, BEHIND_LAST_ID) for _ in range(options.prompt - 1))]
    asked = [json.dumps(ids), json.dumps(options.new)]
    chosen = {
        f"ours, {table}, {dtype}": [*python(OURS), str(options.model), table, dtype, *asked]
        for dtype in options.dtypes
        for table in ("resident", "mapped")
    }
    if options.python:
        chosen["mlx-lm"] = [options.python, "-c", THEIRS, str(options.model), *asked]
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a folder")
    parser.add_argument("--python", help="one that has mlx-lm; without it ours are measured alone")
    parser.add_argument("--dtypes", nargs="+", default=["bfloat16", "float32"])
    parser.add_argument("--prompt", type=int, default=32, help="tokens to read")
    parser.add_argument("--new", type=int, default=8, help="tokens to write, two at least")
    options = parser.parse_args()
    print(f"{'':<30}{'most GB':>11}{'anonymous':>11}{'of files':>11}", end="")
    print(f"{'load s':>10}{'first s':>10}{'s/token':>10}")
    for name, command in commands(options).items():
        print(watch(name, command).row(), flush=True)


if __name__ == "__main__":
    main()
