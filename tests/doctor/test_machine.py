"""The machine, its system and its Python: well, old, short of memory, under Rosetta."""

from __future__ import annotations

import os
import sys

import pytest

from gemma4_mlx.doctor import Finding, machine, sysctl

M2 = {
    "machdep.cpu.brand_string": "Apple M2",
    "kern.memorystatus_vm_pressure_level": "1",
    "sysctl.proc_translated": "0",
}
VM_STAT = """\
Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                               10000.
Pages active:                            300000.
Pages inactive:                          200000.
Pages speculative:                        90000.
Pages wired down:                        100000.
"Translation faults":                 123456789.
"""


@pytest.fixture
def on_mac(monkeypatch):
    """As if on a Mac that answers so; on_mac(name=value) changes what it says."""
    said = dict(M2)
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(machine, "sysctl", lambda name: said.get(name, ""))
    monkeypatch.setattr(machine, "output", lambda *command: VM_STAT)
    monkeypatch.setattr(machine, "total_bytes", lambda: 16 * 2**30)
    monkeypatch.setattr(machine.platform, "machine", lambda: "arm64")
    monkeypatch.setattr(machine.platform, "mac_ver", lambda: ("15.1", ("", "", ""), "arm64"))
    return said.update


def levels(*findings: Finding) -> list[str]:
    return [finding.level for finding in findings]


def test_a_mac_that_is_well(on_mac):
    found = [machine.chip(), machine.memory(), machine.system(), machine.python()]
    assert levels(*found) == ["ok"] * 4
    assert [finding.text for finding in found[:3]] == [
        f"Apple M2, {os.cpu_count()} cores",
        "16.0 GiB, of which 4.6 GiB are free",
        "macOS 15.1",
    ]


def test_an_intel_mac_has_no_mlx(on_mac):
    on_mac({"machdep.cpu.brand_string": "Intel(R) Core(TM) i7"})
    assert machine.chip().level == "error"


def test_python_under_rosetta_is_found(on_mac, monkeypatch):
    """A Python for Intel runs on Apple Silicon, and no MLX in it."""
    on_mac({"sysctl.proc_translated": "1", "machdep.cpu.brand_string": "VirtualApple @ 2.50GHz"})
    monkeypatch.setattr(machine.platform, "machine", lambda: "x86_64")
    found = machine.python()
    assert (found.level, "Rosetta" in found.text, "arm64" in found.cure) == ("error", True, True)
    assert machine.chip().level == "ok"


def test_old_systems_are_found(on_mac, monkeypatch):
    monkeypatch.setattr(machine.platform, "mac_ver", lambda: ("13.6.1", ("", "", ""), "arm64"))
    monkeypatch.setattr(machine.platform, "python_version", lambda: "3.10.4")
    assert levels(machine.system(), machine.python()) == ["error", "error"]
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(machine.platform, "libc_ver", lambda: ("glibc", "2.31"))
    found = machine.system()
    assert (found.level, "needs glibc 2.35" in found.text) == ("error", True)


def test_memory_pressure_and_little_memory_are_found(on_mac, monkeypatch):
    on_mac({"kern.memorystatus_vm_pressure_level": "4"})
    assert "memory pressure: critical" in machine.memory().text
    on_mac({"kern.memorystatus_vm_pressure_level": "1"})
    monkeypatch.setattr(machine, "total_bytes", lambda: 64 * 2**30)
    found = machine.memory()
    assert (found.level, found.text.endswith("which is little")) == ("warning", True)


def test_free_memory_on_linux_is_what_could_be_had():
    text = "MemTotal: 100 kB\nMemFree:   5 kB\nMemAvailable:   70 kB\n"
    assert machine._free_in_meminfo(text) == 70 * 1024


@pytest.mark.parametrize("command", [["/nowhere/at-all"], ["false"], ["printf", r"\377"]])
def test_a_command_that_fails_says_nothing(command):
    assert sysctl.output(*command) == ""
