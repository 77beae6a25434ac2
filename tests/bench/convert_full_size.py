"""How long converting a checkpoint of full size takes, and how much memory: ours, mlx-lm, mlx-vlm.

`python -m tests.bench.convert_full_size --variant E2B --work DIR [--python PYTHON]`, on Linux.
The source has the published names and shapes and random values; DIR needs room for it and for one
result (E2B: 14 GB). PYTHON is an interpreter that has mlx-lm and mlx-vlm; without it only ours is
measured. Runs take turns, and each begins with what was written before on the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.synthetic import CONFIGS, write_source

POLL_S = 0.02
OURS = "gemma4 convert"

MLX_LM = """
import sys
from mlx_lm import convert
convert(sys.argv[1], sys.argv[2], quantize=True, q_group_size=64, q_bits=4)
"""
MLX_VLM = """
import sys
from mlx_vlm import convert
convert(sys.argv[1], sys.argv[2], quantize=True, q_group_size=64, q_bits=4)
"""


@dataclass(frozen=True)
class Figures:
    """One run: seconds on the clock and of processors, peaks of memory, bytes of its weights."""

    program: str
    total_s: float
    cpu_s: float
    anonymous_bytes: int
    file_bytes: int
    written_bytes: int

    def row(self) -> str:
        return (
            f"{self.program:<32}{self.total_s:>8.1f}{self.cpu_s:>8.1f}"
            f"{self.anonymous_bytes / 1e9:>9.2f}{self.file_bytes / 1e9:>9.2f}"
            f"{self.written_bytes / 1e9:>9.2f}"
        )


def commands(python: str | None, *, search: bool) -> dict[str, list[str]]:
    """By name; source and destination are appended."""
    ours = [sys.executable, "-m", "convert.cli", "--no-card"]
    found = {OURS: ours, f"{OURS} --recipe plain-4": [*ours, "--recipe", "plain-4"]}
    if search:
        found[f"{OURS} --search"] = [*ours, "--search"]
    if python is not None:
        found["mlx_lm.convert (text alone)"] = [python, "-c", MLX_LM]
        found["mlx_vlm.convert"] = [python, "-c", MLX_VLM]
    return found


def measure(name: str, command: list[str], source: Path, dest: Path) -> Figures:
    """Run a conversion; what it wrote is deleted."""
    os.sync()
    before = _children_cpu_s()
    started_s = time.monotonic()
    with open(dest.with_suffix(".log"), "wb") as log:
        process = subprocess.Popen([*command, str(source), str(dest)], stdout=log, stderr=log)
        anonymous = mapped = 0
        while process.poll() is None:
            sizes = _resident(process.pid)
            anonymous, mapped = max(anonymous, sizes[0]), max(mapped, sizes[1])
            time.sleep(POLL_S)
    total_s = time.monotonic() - started_s
    if process.returncode != 0:
        sys.exit(f"{name} ended with {process.returncode}: {log.name}")
    written = sum(path.stat().st_size for path in dest.glob("*.safetensors"))
    cpu_s = _children_cpu_s() - before
    return Figures(name, total_s, cpu_s, anonymous, mapped, written)


def _resident(pid: int) -> tuple[int, int]:
    """Bytes that are the process's own, and those of mapped files."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:  # it has just ended
        return 0, 0
    sizes = dict(line.split(":", 1) for line in lines)
    return tuple(int(sizes.get(name, "0 kB").split()[0]) << 10 for name in ("RssAnon", "RssFile"))


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", choices=CONFIGS, default="E2B")
    parser.add_argument("--work", type=Path, required=True, help="a folder with room")
    parser.add_argument("--source", type=Path, help="made by tests.bench.synthetic, stays there")
    parser.add_argument("--python", help="an interpreter that has mlx-lm and mlx-vlm")
    parser.add_argument("--runs", type=int, default=1, help="of each program, taking turns")
    parser.add_argument("--search", action="store_true", help="measure that, too")
    parser.add_argument("--sparse", action="store_true", help="a source of zeros, without a disk")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    source = options.source or options.work / "source"
    if options.source is None:
        write_source(source, options.variant, sparse=options.sparse)
    runs: dict[str, list[Figures]] = {}
    print(f"{'':<32}{'seconds':>8}{'cpu s':>8}{'own GB':>9}{'file GB':>9}{'written':>9}")
    for _ in range(options.runs):
        for name, command in commands(options.python, search=options.search).items():
            dest = options.work / "result"
            runs.setdefault(name, []).append(measure(name, command, source, dest))
            print(f"{runs[name][-1].row()}  load {os.getloadavg()[0]:.1f}", flush=True)
            shutil.rmtree(dest)
    if options.source is None:
        shutil.rmtree(source)
    medians = {name: statistics.median(run.total_s for run in each) for name, each in runs.items()}
    document = {"variant": options.variant, "cores": os.cpu_count(), "median_s": medians}
    print(json.dumps(document | {"runs": [asdict(run) for each in runs.values() for run in each]}))


if __name__ == "__main__":
    main()
