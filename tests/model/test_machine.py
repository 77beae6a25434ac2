"""How much memory there is, as each system tells it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gemma4_mlx.errors import UsageError
from gemma4_mlx.memory import GIB, Machine, mac, this_machine
from gemma4_mlx.memory import machine as module


@pytest.mark.parametrize(
    ("gib", "usable"), [(8, 5.33), (16, 10.67), (24, 16), (32, 21.33), (36, 27), (64, 48)]
)
def test_a_mac_gives_a_model_what_metal_recommends_at_least(gib, usable):
    machine = mac(gib)
    beside = 400_000_000  # of Python, which is not the GPU's
    assert (machine.usable_bytes - beside) / GIB == pytest.approx(usable, abs=0.01)
    assert machine.item_bytes == 2
    assert machine.name == f"a Mac with {gib} GB"


@pytest.mark.parametrize("gib", [0, -8, float("nan"), float("inf")])
def test_memory_that_no_machine_has(gib):
    with pytest.raises(UsageError, match="expected gigabytes above 0"):
        mac(gib)


def test_metal_s_own_figures_come_first():
    info = {
        "memory_size": 16 * GIB,
        "max_recommended_working_set_size": 12 * GIB,
        "max_buffer_length": 9 * GIB,
        "device_name": "Apple M3",
    }
    expected = Machine(16 * GIB, 12 * GIB + 400_000_000, 9 * GIB, "Apple M3")
    assert this_machine(info) == expected
    assert this_machine(info | {"max_recommended_working_set_size": 16 * GIB}).usable_bytes == (
        16 * GIB
    )


def linux(monkeypatch, pages: int, limit: str, folder: Path) -> None:
    path = folder / "memory.max"
    path.write_text(limit)
    sizes = {"SC_PHYS_PAGES": pages, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(module.sys, "platform", "linux")
    monkeypatch.setattr(module.os, "sysconf", sizes.__getitem__)
    monkeypatch.setattr(module, "_CGROUP_LIMITS", (folder / "absent", path))


@pytest.mark.parametrize(
    ("limit", "gib"), [("max\n", 16), (f"{4 * GIB}\n", 4), (f"{2**63 - 4096}\n", 16)]
)
def test_linux_says_it_by_pages_and_limits(monkeypatch, tmp_path, limit, gib):
    linux(monkeypatch, 16 * GIB // 4096, limit, tmp_path)
    machine = this_machine()
    assert machine.ram_bytes == gib * GIB
    assert machine.usable_bytes == gib * GIB * 7 // 8
    assert (machine.max_buffer_bytes, machine.item_bytes) == (None, 4)


def test_macos_says_it_by_sysctl(monkeypatch):
    def sysctl(command, **_):
        assert command[-1] == "hw.memsize"
        return subprocess.CompletedProcess(command, 0, stdout=f"{24 * GIB}\n")

    monkeypatch.setattr(module.sys, "platform", "darwin")
    monkeypatch.setattr(module.subprocess, "run", sysctl)
    assert this_machine() == mac(24)


@pytest.mark.parametrize(
    "failure", [OSError(2, "no such file"), subprocess.TimeoutExpired("sysctl", 10)]
)
def test_a_mac_that_does_not_say(monkeypatch, failure):
    def sysctl(command, **_):
        raise failure

    monkeypatch.setattr(module.sys, "platform", "darwin")
    monkeypatch.setattr(module.subprocess, "run", sysctl)
    with pytest.raises(UsageError, match="does not tell how much memory"):
        this_machine()


@pytest.mark.parametrize("names", [{"SC_PHYS_PAGES": -1}, {}], ids=["unknown", "no such name"])
def test_a_system_that_does_not_say(monkeypatch, tmp_path, names):
    def sysconf(name):
        if name not in names:
            raise ValueError("unrecognized configuration name")
        return names[name]

    names = names and names | {"SC_PAGE_SIZE": 4096}
    linux(monkeypatch, 0, "max", tmp_path)
    monkeypatch.setattr(module.os, "sysconf", sysconf)
    with pytest.raises(UsageError, match="does not tell how much memory") as caught:
        this_machine()
    assert "--ram GB" in caught.value.hint
