"""How much memory a machine has, and how much of it a model may take.

Of a Mac's memory Metal recommends to use a part, the rest being for the system and other
programs. Where MLX runs it says which (`mx.device_info`). For a Mac that is somewhere else the
planner takes two thirds below 36 GiB and three quarters from there on, which is the least that
macOS versions have been reported to recommend. Python and its libraries come on top: theirs is no
memory of the GPU. On Linux an eighth is left to the system, of all memory or of what a control
group (a container's limit) allows.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gemma4_mlx.errors import UsageError

GIB = 1024**3

_LARGE_BYTES = 36 * GIB
_BESIDE_BYTES = 400_000_000  # of Python, its libraries and a tokenizer
_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_ASK = "say how much memory it has: --ram GB"


@dataclass(frozen=True, slots=True)
class Machine:
    """What a plan has to keep within.

    Attributes:
        ram_bytes: memory of the whole machine.
        usable_bytes: the most that a model and all it needs may take of it.
        max_buffer_bytes: the largest single array that the GPU takes; None for no such limit.
        name: what to call it.
        item_bytes: of an unpacked weight and of an activation: 2 where MLX runs on a GPU, in
            bf16; 4 on the CPU backend, in float32.
    """

    ram_bytes: int
    usable_bytes: int
    max_buffer_bytes: int | None = None
    name: str = "this machine"
    item_bytes: int = 2

    def __post_init__(self) -> None:
        if not 0 < self.usable_bytes <= self.ram_bytes:
            raise UsageError(
                f"{self.name}: {self.usable_bytes} usable bytes of {self.ram_bytes} bytes of RAM: "
                "expected more than none and at most all",
                _ASK,
            )


def mac(ram_gib: float) -> Machine:
    """A Mac with so much memory, in GiB as Apple counts it.

    Raises:
        UsageError: no amount of memory.
    """
    if not 0 < ram_gib < 1_000_000:
        raise UsageError(f"--ram {ram_gib:g}: expected gigabytes above 0", "such as --ram 16")
    ram_bytes = int(ram_gib * GIB)
    share = (3, 4) if ram_bytes >= _LARGE_BYTES else (2, 3)
    usable_bytes = ram_bytes * share[0] // share[1]
    # Metal's largest buffer has been half of what it recommends to use, or more.
    return _metal(ram_bytes, usable_bytes, usable_bytes // 2, f"a Mac with {ram_gib:g} GB")


def this_machine(device_info: Mapping[str, Any] | None = None) -> Machine:
    """The machine that this runs on.

    Args:
        device_info: what `mx.device_info()` says, where MLX is loaded and runs on a GPU.

    Raises:
        UsageError: it does not tell how much memory it has.
    """
    info = device_info or {}
    ram_bytes = info.get("memory_size") or _ram_bytes()
    recommended = info.get("max_recommended_working_set_size")
    if recommended:
        name = str(info.get("device_name", "this Mac"))
        return _metal(ram_bytes, recommended, info.get("max_buffer_length"), name)
    if sys.platform == "darwin":
        return mac(ram_bytes / GIB)
    return Machine(ram_bytes, ram_bytes - ram_bytes // 8, None, "this machine", item_bytes=4)


def _metal(ram_bytes: int, gpu_bytes: int, buffer_bytes: int | None, name: str) -> Machine:
    return Machine(ram_bytes, min(gpu_bytes + _BESIDE_BYTES, ram_bytes), buffer_bytes, name)


def _ram_bytes() -> int:
    """Memory of this machine, or of the container that this process is confined to."""
    total = _from_sysctl() if sys.platform == "darwin" else _from_sysconf()
    if total <= 0:
        raise UsageError("this system does not tell how much memory it has", _ASK)
    limits = [limit for limit in map(_cgroup_limit, _CGROUP_LIMITS) if limit]
    return min(total, *limits) if limits else total


def _from_sysconf() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return 0


def _from_sysctl() -> int:
    command = ["/usr/sbin/sysctl", "-n", "hw.memsize"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
        return int(said.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0


def _cgroup_limit(path: Path) -> int:
    """The limit that stands in a file; 0 for none ("max", or a number beyond any machine)."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return 0
    return int(text) if text.isdecimal() else 0
