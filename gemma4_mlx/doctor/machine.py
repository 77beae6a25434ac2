"""The computer, its system and its Python."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path

from gemma4_mlx.byte_sizes import memory_size
from gemma4_mlx.doctor.finding import Finding
from gemma4_mlx.doctor.sysctl import output, sysctl
from gemma4_mlx.memory import Machine, this_machine

OLDEST_MACOS = (14, 0)
OLDEST_GLIBC = (2, 35)
OLDEST_PYTHON = (3, 11)
"""What the wheels of MLX and this package need."""

_LITTLE = 0.1  # of the memory: less than this free, and a model pushes other programs to the disk
_STRAINED = {"2": "warning", "4": "critical"}  # macOS's levels of memory pressure
_WAITING_PERCENT = 10.0


def chip() -> Finding:
    """What computes."""
    name, cores = _chip_name(), os.cpu_count()
    data = {"name": name, "cores": cores, "machine": platform.machine()}
    if sys.platform == "darwin" and not name.startswith(("Apple", "VirtualApple")):
        return Finding(
            "chip",
            "error",
            f"{name}: MLX needs a Mac with Apple Silicon",
            "use a Mac with an M chip, or Linux",
            data,
        )
    return Finding("chip", "ok", f"{name}, {cores} cores", data=data)


def memory() -> Finding:
    """How much there is, and how much of it nobody uses."""
    total, free = total_bytes(), free_bytes()
    pressure = _pressure()
    data = {"total_bytes": total, "free_bytes": free, "pressure": pressure or "normal"}
    text = f"{memory_size(total)}, of which {memory_size(free)} are free"
    cure = "close programs that you do not need, or take a smaller model"
    if pressure:
        return Finding("memory", "warning", f"{text}; memory pressure: {pressure}", cure, data)
    if free < _LITTLE * total:
        return Finding("memory", "warning", f"{text}, which is little", cure, data)
    return Finding("memory", "ok", text, data=data)


def system() -> Finding:
    """The operating system."""
    if sys.platform == "darwin":
        name, version, oldest = "macOS", platform.mac_ver()[0], OLDEST_MACOS
        text, cure = f"macOS {version}", "update macOS in System Settings"
    else:
        name, version = platform.libc_ver()
        oldest, text = OLDEST_GLIBC, f"{_linux_name()}, {name} {version}".rstrip(", ")
        cure = "update the system, or use a container with a newer one"
    data = {"name": text, "version": version, "needs": _dotted(oldest)}
    if numbers(version) < oldest:
        need = f"{text}: MLX needs {name or 'glibc'} {_dotted(oldest)} or later"
        return Finding("system", "error", need, cure, data)
    return Finding("system", "ok", text, data=data)


def python() -> Finding:
    """Which Python runs this, and whether it is the machine's own kind."""
    version, machine = platform.python_version(), platform.machine()
    data = {
        "version": version,
        "machine": machine,
        "executable": sys.executable,
        "is_translated": sysctl("sysctl.proc_translated") == "1",
    }
    text = f"{version} ({machine})"
    if data["is_translated"]:
        return Finding(
            "python",
            "error",
            f"{text} runs under Rosetta, where there is no MLX",
            "install a Python for arm64 (python.org, uv or /opt/homebrew), remove .venv and make "
            "it anew",
            data,
        )
    if numbers(version) < OLDEST_PYTHON:
        return Finding(
            "python",
            "error",
            f"{text}: {_dotted(OLDEST_PYTHON)} or later is needed",
            "make .venv anew with a newer one: make -B test PYTHON=python3.12",
            data,
        )
    return Finding("python", "ok", text, data=data)


def total_bytes() -> int:
    """Memory of the machine."""
    return this_machine().ram_bytes


def machine_of_mlx() -> Machine:
    """The machine as the planner wants to know it: what MLX may take of it."""
    import mlx.core as mx

    return this_machine(mx.device_info() if mx.default_device() == mx.gpu else None)


def free_bytes() -> int:
    """Memory that is free or could be at once."""
    if sys.platform == "darwin":
        return _free_in_vm_stat(output("/usr/bin/vm_stat"))
    return _free_in_meminfo(Path("/proc/meminfo").read_text(encoding="ascii"))


def numbers(version: str) -> tuple[int, ...]:
    """A version as numbers to compare: 14.5.1 -> (14, 5, 1)."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _free_in_meminfo(text: str) -> int:
    """From /proc/meminfo."""
    (kilobytes,) = re.findall(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    return int(kilobytes) * 1024


def _free_in_vm_stat(text: str) -> int:
    """From vm_stat: pages that are free, or hold what can be read again."""
    (page_bytes,) = re.findall(r"page size of (\d+) bytes", text)
    kinds = "free|inactive|speculative"
    pages = re.findall(rf"^Pages (?:{kinds}):\s+(\d+)\.", text, re.MULTILINE)
    return sum(map(int, pages)) * int(page_bytes)


def _pressure() -> str:
    """In a word, how short of memory the system is; empty if it is not."""
    if sys.platform == "darwin":
        return _STRAINED.get(sysctl("kern.memorystatus_vm_pressure_level"), "")
    file = Path("/proc/pressure/memory")
    try:
        said = re.findall(r"^some avg10=([\d.]+)", file.read_text(encoding="ascii"), re.MULTILINE)
    except OSError:
        return ""
    waiting = max(map(float, said), default=0.0)
    return f"programs wait for it {waiting:.0f} % of the time" if waiting > _WAITING_PERCENT else ""


def _chip_name() -> str:
    if sys.platform == "darwin":
        return sysctl("machdep.cpu.brand_string") or platform.machine()
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    names = re.findall(r"^(?:model name|Model)\s*:\s*(.+)$", text, re.MULTILINE)
    return names[0].strip() if names else platform.machine()


def _linux_name() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
