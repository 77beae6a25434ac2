"""What the plan says of a text turn, against what the turn takes: per mode of the per-layer table.

`python -m tests.bench.plan_against_measurement --model DIR`, on Linux. DIR is any checkpoint in
MLX's layout, such as one that `tests.bench.synthetic` made and `gemma4 convert` packed. Each mode
is a process of its own. Two sums are compared: what MLX counts as held at its peak (weights,
caches, activations), and what the system counts for the whole process without pages of files,
which it may drop and read again.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path

from gemma4_mlx.memory.plan import TOKEN_BYTES
from tests.bench.processes import python

FIRST_ID, BEHIND_LAST_ID = 300, 1000  # text ids of any vocabulary
HELD = {"reuse", "runtime"}
"""Lines of a plan that MLX does not count: freed buffers, and what is not MLX's."""

TURN = """
import json, sys
folder, table, *asked = sys.argv[1:]
ids, count = map(json.loads, asked)
import mlx.core as mx
import numpy as np
import gemma4_mlx as g4
from gemma4_mlx.generate import generate_tokens
from gemma4_mlx.inputs import ModelInputs
from gemma4_mlx.memory import plan_turn

model, processor = g4.load(folder, per_layer_table=table)
weights = mx.get_active_memory()
plan = plan_turn(model.plan, context=len(ids) + count, new=len(ids))
cache = model.make_cache(plan.choice.kv)
array = np.array([ids], np.int32)
mx.reset_peak_memory()
for _ in generate_tokens(
    model,
    ModelInputs(array, np.zeros_like(array)),
    sampler=lambda row: mx.argmax(row, axis=-1),
    stop_ids=(),
    max_tokens=count,
    cache=cache,
    choice=plan.choice,
):
    pass
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "weights": weights,
    "caches": sum(one.nbytes for one in cache),
    "peak": mx.get_peak_memory(),
    "kept": mx.get_cache_memory(),
    "anonymous": int(status["RssAnon"].split()[0]) * 1024,
    "most": int(status["VmHWM"].split()[0]) * 1024,
    "lines": {line.key: line.nbytes for line in plan.lines},
    "vocabulary": model.config.text_config.vocab_size,
}))
"""


def measured(model: Path, table: str, ids: list[int], count: int) -> dict:
    command = [*python(TURN), str(model), table, json.dumps(ids), json.dumps(count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"error: the turn with a {table} table ended with {done.returncode}")
    tokenizer = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    return json.loads(done.stdout.splitlines()[-1]) | {"tokens": len(tokenizer["model"]["vocab"])}


def rows(said: dict) -> list[tuple[str, int, int]]:
    """What is compared: name, planned bytes, measured bytes."""
    lines = said["lines"]
    kv = sum(nbytes for key, nbytes in lines.items() if key.startswith("kv_"))
    work = lines.get("reading", 0)
    held = sum(nbytes for key, nbytes in lines.items() if key not in HELD)
    # A checkpoint of random weights has the tokenizer of the bundled model, of few tokens.
    whole = sum(lines.values()) - TOKEN_BYTES * (said["vocabulary"] - said["tokens"])
    return [
        ("weights", held - kv - work, said["weights"]),
        ("keys and values", kv, said["caches"]),
        ("held by MLX at the peak", held, said["peak"]),
        ("the process, without files", whole, said["anonymous"]),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a folder")
    parser.add_argument("--prompt", type=int, default=128, help="tokens to read")
    parser.add_argument("--new", type=int, default=4, help="tokens to write")
    parser.add_argument("--tables", nargs="+", default=["resident", "mapped"])
    options = parser.parse_args()
    draw = random.Random(0)
    ids = [2, *(draw.randrange(FIRST_ID, BEHIND_LAST_ID) for _ in range(options.prompt - 1))]
    print(f"{'':<40}{'planned GB':>12}{'measured':>12}{'off by':>10}")
    for table in options.tables:
        said = measured(options.model, table, ids, options.new)
        for name, planned, seen in rows(said):
            off = planned / seen - 1
            print(
                f"{table + ', ' + name:<40}{planned / 1e9:>12.3f}{seen / 1e9:>12.3f}{off:>+10.1%}"
            )
        kept, most = said["kept"] / 1e9, said["most"] / 1e9
        print(f"{table}: freed buffers kept {kept:.3f} GB, maximum resident set {most:.3f} GB")


if __name__ == "__main__":
    main()
