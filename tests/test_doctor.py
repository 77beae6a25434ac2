"""What the doctor finds, check by check, on machines that are well and on others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import mlx.core as mx
import numpy as np
import pytest

from gemma4_mlx import engine_lock
from gemma4_mlx.doctor import (
    Finding,
    backend,
    examine,
    machine,
    media,
    models,
    network,
    precision,
    report,
    sysctl,
    terminal,
)
from gemma4_mlx.doctor.checks import CHECKS, Check, _model_checks, look
from gemma4_mlx.doctor.finding import HURTS
from gemma4_mlx.engine_lock import LARGE_BYTES, EngineLock
from gemma4_mlx.errors import CheckpointError
from gemma4_mlx.memory import Machine
from tests.tiny_checkpoint import write_checkpoint

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
TERMINAL_VARIABLES = [
    *("TERM", "COLORTERM", "TERM_PROGRAM", "LC_TERMINAL", "KITTY_WINDOW_ID", "TMUX", "STY"),
    *("GHOSTTY_RESOURCES_DIR", "SSH_CONNECTION", "SSH_TTY", "NO_COLOR", "LC_ALL", "LC_CTYPE"),
]


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


@pytest.fixture
def environment(monkeypatch):
    """The terminal's environment, empty but for what a test sets."""
    for name in TERMINAL_VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def set_variables(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_variables


def levels(*findings: Finding) -> list[str]:
    return [finding.level for finding in findings]


# Findings


@pytest.mark.parametrize("level", HURTS)
def test_what_hurts_has_a_cure(level):
    with pytest.raises(ValueError, match="chip: a finding that hurts needs a cure"):
        Finding("chip", level, "it smokes")
    assert Finding("chip", level, "it smokes", "pull the plug").cure


def test_a_check_that_fails_is_a_finding():
    def broken() -> Finding:
        raise ZeroDivisionError("by zero")

    found = look(Check("machine", "chip", broken))
    assert (found.topic, found.level) == ("chip", "warning")
    assert "ZeroDivisionError: by zero" in found.text
    assert found.cure


def test_a_check_that_fails_for_a_known_reason_says_that_one():
    def broken() -> Finding:
        raise CheckpointError("the index is damaged", "download it again")

    found = look(Check("models", "model", broken))
    assert (found.text, found.cure) == ("the index is damaged", "download it again")


def test_a_machine_where_nothing_works_gets_a_finding_for_every_check(monkeypatch):
    """No check takes the others with it, and whatever hurts says what to do."""

    def broken(*arguments, **options):
        raise OSError("no")

    for module, name in (
        *((machine, name) for name in ("_chip_name", "total_bytes", "_linux_name")),
        *((machine.platform, name) for name in ("python_version", "libc_ver")),
        *((backend, name) for name in ("backend", "version", "read_bytes_per_s")),
        *((precision, name) for name in ("matmul_error", "quantized_matmul_error")),
        *((media, name) for name in ("import_module",)),
        (media.shutil, "which"),
        (network.shutil, "disk_usage"),
        (terminal.shutil, "get_terminal_size"),
        (models, "models_found"),
        (engine_lock, "current_holder"),
    ):
        monkeypatch.setattr(module, name, broken)
    found = [finding for _, finding in examine()]
    assert [finding.topic for finding in found] == [check.topic for check in CHECKS] + ["model"]
    hurting = [finding for finding in found if finding.level in HURTS]
    assert len(hurting) >= 12
    assert all(finding.cure for finding in hurting)


def test_here_everything_can_be_looked_at():
    found = list(examine())
    assert [finding.topic for _, finding in found][: len(CHECKS)] == [c.topic for c in CHECKS]
    assert {section for section, _ in found} == set(report.SECTIONS)
    assert [finding for _, finding in found if "failure" in finding.data] == []
    json.dumps([dict(finding.data) for _, finding in found])


# The machine


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


# MLX


def test_relative_error_is_the_norm_of_the_difference():
    exact = np.array([3.0, 4.0])
    assert precision.relative_error(exact, exact) == 0
    assert precision.relative_error(np.array([3.0, 4.5]), exact) == pytest.approx(0.1)


def as_tf32(array: mx.array) -> mx.array:
    """float32 with 10 bits behind the point, rounded to nearest, as TF32 has."""
    bits = np.array(array).view(np.uint32)
    return mx.array(((bits + 0x1000) & 0xFFFFE000).view(np.float32))


MATMUL, QUANTIZED_MATMUL = mx.matmul, mx.quantized_matmul


def tf32_matmul(left, right):
    return MATMUL(as_tf32(left), as_tf32(right))


def in_float64(left, right):
    return mx.array((np.array(left, np.float64) @ np.array(right, np.float64)).astype(np.float32))


def test_the_measured_error_is_the_error_that_is_there():
    assert precision.matmul_error(mx.float32, in_float64) < 6e-8
    assert precision.matmul_error(mx.float32, tf32_matmul) == pytest.approx(3e-4, rel=0.2)
    by_a_percent = precision.matmul_error(mx.float32, lambda *both: MATMUL(*both) * 1.01)
    assert by_a_percent == pytest.approx(0.01, rel=1e-3)
    rounded = precision.matmul_error(
        mx.bfloat16, lambda *both: in_float64(*(each.astype(mx.float32) for each in both))
    )
    assert rounded < 6e-8, "rounding the factors to their dtype is not the product's error"


def test_the_measured_error_of_packed_products_is_the_one_that_is_there():
    def by_a_percent(*arrays, **packing):
        return QUANTIZED_MATMUL(*arrays, **packing) * 1.01

    assert precision.quantized_matmul_error(mx.float32) < precision.FLOAT32_ERROR
    wrong = precision.quantized_matmul_error(mx.float32, by_a_percent)
    assert wrong == pytest.approx(0.01, rel=1e-3)


def test_pain_42_tf32_is_found(monkeypatch):
    """M5 multiplies float32 in TF32 unless told otherwise, and nothing says so."""
    monkeypatch.setattr(mx, "matmul", tf32_matmul)
    found = precision.float32()
    assert (found.level, "TF32" in found.text) == ("warning", True)
    assert "MLX_ENABLE_TF32=0" in found.cure
    monkeypatch.undo()
    assert precision.float32().level == "ok"


def test_bfloat16_that_is_added_up_in_bfloat16_is_found(monkeypatch):
    monkeypatch.setattr(precision, "matmul_error", lambda dtype: 0.02)
    assert precision.bfloat16().level == "warning"


@pytest.mark.parametrize(
    ("where", "exact", "half", "level"),
    [
        ("Metal", 1e-6, 1.7e-3, "ok"),
        ("Metal", 3e-4, 1.7e-3, "ok"),
        ("Metal", 1e-6, 0.04, "warning"),
        ("CPU", 1e-6, 0.04, "info"),
        ("CPU", 0.02, 0.04, "error"),
    ],
)
def test_packed_products(monkeypatch, where, exact, half, level):
    errors = {mx.float32: exact, mx.bfloat16: half}
    monkeypatch.setattr(precision, "quantized_matmul_error", lambda dtype: errors[dtype])
    monkeypatch.setattr(precision, "backend", lambda: where)
    found = precision.packed()
    assert found.level == level
    assert ("why float32 is used" in found.text) == (level == "info")


def test_mlx_that_cannot_be_loaded_is_an_error(monkeypatch):
    def missing():
        raise ImportError("libmlx.so: cannot open shared object file")

    monkeypatch.setattr(backend, "backend", missing)
    assert backend.mlx().level == "error"


def test_a_mac_without_metal_is_found(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(backend, "backend", lambda: "CPU")
    assert backend.mlx().level == "warning"
    monkeypatch.setattr(backend, "backend", lambda: "Metal")
    assert backend.mlx().level == "ok"


def test_the_limits_of_a_gpu_are_told(monkeypatch):
    info = {
        "device_name": "Apple M2",
        "max_recommended_working_set_size": 12 * 2**30,
        "max_buffer_length": 9 * 2**30,
    }
    monkeypatch.setattr(mx, "device_info", lambda: info)
    text = "the GPU may take 12.0 GiB, a single array 9.0 GiB"
    assert backend.limits().text == text
    monkeypatch.setattr(backend, "sysctl", lambda name: "14000")
    found = backend.limits()
    assert (found.level, found.text) == ("info", f"{text}; set by hand")
    assert "iogpu.wired_limit_mb=0" in found.cure


def test_bandwidth_is_measured():
    assert 1e7 < backend.read_bytes_per_s(8_000_000) < 1e14


# The terminal


@pytest.mark.parametrize(
    ("variables", "protocol", "is_passed_on"),
    [
        ({"TERM": "xterm-kitty"}, "kitty", True),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty", True),
        ({"TERM": "xterm-ghostty", "TERM_PROGRAM": "ghostty"}, "kitty", True),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iTerm", True),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2", "SSH_TTY": "1"}, "iTerm", True),
        ({"TERM": "tmux-256color", "LC_TERMINAL": "iTerm2", "TMUX": "1"}, "iTerm", False),
        ({"TERM": "screen", "TERM_PROGRAM": "tmux", "TMUX": "1"}, "", False),
        ({"TERM": "foot"}, "sixel", True),
        ({"TERM": "xterm-sixel"}, "sixel", True),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, "", False),
    ],
)
def test_protocols_for_pictures(environment, variables, protocol, is_passed_on):
    environment(**variables)
    assert terminal.previews().data == {"protocol": protocol, "is_passed_on": is_passed_on}


def test_colours_and_their_cures(environment):
    environment(TERM="xterm-256color")
    assert "COLORTERM" in terminal.colours().cure
    environment(TMUX="/tmp/tmux,1,0")
    assert "tmux.conf" in terminal.colours().cure
    environment(COLORTERM="truecolor")
    assert terminal.colours().level == "ok"
    environment(NO_COLOR="1")
    assert "NO_COLOR" in terminal.colours().text


@pytest.mark.parametrize(
    ("term", "size", "level", "says"),
    [
        ("xterm-256color", (80, 24), "ok", "xterm-256color, 80 x 24 in tmux over ssh"),
        ("xterm-256color", (59, 24), "warning", "the chat needs 60 x 20"),
        ("xterm-256color", (80, 19), "warning", "the chat needs 60 x 20"),
        ("dumb", (80, 24), "warning", "no chat"),
        ("", (80, 24), "warning", "no chat"),
    ],
)
def test_the_terminal(environment, monkeypatch, term, size, level, says):
    environment(TERM=term, TMUX="1", SSH_CONNECTION="1 2 3 4")
    monkeypatch.setattr(terminal.shutil, "get_terminal_size", lambda: os.terminal_size(size))
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(isatty=lambda: True))
    found = terminal.terminal()
    assert found.level == level
    assert says in found.text


def test_output_that_goes_elsewhere_says_nothing_of_the_terminal(environment, monkeypatch):
    environment(TERM="xterm-256color")
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(isatty=lambda: False))
    assert terminal.terminal().level == "info"


@pytest.mark.parametrize(
    ("encoding", "level"),
    [("UTF-8", "ok"), ("utf8", "ok"), ("ascii", "warning"), (None, "warning")],
)
def test_letters(monkeypatch, encoding, level):
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(encoding=encoding))
    assert terminal.letters().level == level


# Pictures and clips


def test_a_decoder_that_is_missing_is_named(monkeypatch):
    import soundfile
    from PIL import features

    known = soundfile.available_formats()
    monkeypatch.setattr(soundfile, "available_formats", lambda: {**known} | {"MP3": ""})
    assert media.clips().level == "ok"
    del known["MP3"]
    monkeypatch.setattr(soundfile, "available_formats", lambda: known)
    found = media.clips()
    assert (found.level, found.text.endswith("does not decode MP3")) == ("warning", True)
    monkeypatch.setattr(features, "check", lambda feature: feature != "webp")
    found = media.pictures()
    assert (found.level, found.text) == ("warning", "this Pillow does not decode WebP")


@pytest.mark.parametrize(("module", "check"), [("soundfile", "clips"), ("PIL", "pictures")])
def test_a_library_that_cannot_be_loaded_is_an_error(monkeypatch, module, check):
    monkeypatch.setitem(sys.modules, module, None)
    assert getattr(media, check)().level == "error"


def test_heic(monkeypatch):
    monkeypatch.setattr(media, "version", lambda name: "1.1.0")
    monkeypatch.setattr(media, "import_module", lambda name: None)
    assert media.heic().text == "HEIC, by pi-heif 1.1.0"
    monkeypatch.setattr(media, "import_module", import_module)
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    assert "gemma4-mlx[heic]" in media.heic().cure


@pytest.mark.parametrize(
    ("there", "cure"),
    [("afconvert", "afconvert -f WAVE"), ("ffmpeg", "ffmpeg -i"), ("", "install")],
)
def test_m4a_is_converted_with_what_is_there(monkeypatch, there, cure):
    monkeypatch.setattr(media.shutil, "which", lambda name: name if name == there else None)
    assert media.m4a().cure.startswith(cure)


# Models


def test_offline_is_told(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert network.hub().data["is_offline"] is True
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert network.hub().data["is_offline"] is False


def test_a_full_disk_is_found(monkeypatch):
    usage = SimpleNamespace(free=10**9, total=10**12)
    monkeypatch.setattr(network.shutil, "disk_usage", lambda place: usage)
    found = network.disk()
    assert (found.level, "HF_HUB_CACHE" in found.cure) == ("warning", True)


def test_who_has_a_large_model_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(engine_lock, "lock_path", lambda: tmp_path / "engine.lock")
    large = tmp_path / "large"
    large.mkdir()
    with (large / "model.safetensors").open("wb") as file:
        file.truncate(LARGE_BYTES)
    assert models.engine().data == {"pid": None}
    with EngineLock() as lock:
        lock.take("mine", large)
        assert (models.engine().data["pid"], models.engine().data["model"]) == (os.getpid(), "mine")


def test_a_place_without_locks_is_found(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(engine_lock, "lock_path", lambda: tmp_path / "file" / "engine.lock")
    assert models.engine().level == "warning"


def test_the_bundled_model_is_found_and_whole():
    found = models.models_found()
    assert "pocket" in found
    finding = models.model("pocket", found["pocket"])
    assert finding.level == "ok"
    assert finding.data["weights_bytes"] > 1_000_000
    assert finding.text.startswith("pocket fits: ")
    assert finding.data["total_bytes"] < finding.data["limit_bytes"]


@pytest.mark.parametrize(
    ("verdict", "asked", "level", "says"),
    [
        ("too big", True, "error", "pocket is too big: 9.5 GB of 8.0 GB, with 4096 tokens"),
        ("too big", False, "warning", "pocket is too big: 9.5 GB of 8.0 GB, with 4096 tokens"),
        ("tight", True, "info", "pocket fits tightly: 9.5 GB of 8.0 GB, with 4096 tokens"),
        ("fits", True, "ok", "pocket fits: 9.5 GB of 8.0 GB, with 4096 tokens"),
    ],
)
def test_what_the_planner_says_is_told(monkeypatch, verdict, asked, level, says):
    plan = SimpleNamespace(
        verdict=verdict, total_bytes=9.5e9, limit_bytes=8_000_000_000, context=4096
    )
    monkeypatch.setattr(models, "plan_model", lambda *arguments: plan)
    found = models.model("pocket", models.models_found()["pocket"], is_asked=asked)
    assert (found.level, found.text, found.data["verdict"]) == (level, says, verdict)


def test_the_planner_is_asked_about_this_machine(monkeypatch):
    small = Machine(2 * 10**8, 10**8, item_bytes=4)
    monkeypatch.setattr(models, "machine_of_mlx", lambda: small)
    found = models.model("pocket", models.models_found()["pocket"])
    assert (found.data["verdict"], found.data["limit_bytes"]) == ("too big", 10**8)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The hub's cache, in which cache(id, commit) puts a snapshot without weights."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))

    def add(hub_id: str, commit: str) -> Path:
        repo = tmp_path / f"models--{hub_id.replace('/', '--')}"
        return write_checkpoint(repo / "snapshots" / commit)

    return add


def test_models_of_the_hub_are_found(cache):
    older, newer = cache("nobody/a", "1" * 40), cache("nobody/a", "2" * 40)
    other = cache("nobody/b", "3" * 40)
    os.utime(older, (1, 1))
    found = models.models_found("nobody/b")
    assert set(found) == {"pocket", "nobody/a", "nobody/b"}
    assert (found["nobody/a"], found["nobody/b"]) == (newer, other)
    cut_short = {each.topic: look(each) for each in _model_checks(None)}["model"]
    assert cut_short.level == "warning"
    assert cut_short.cure


def test_a_model_that_is_asked_for_and_not_there_is_an_error():
    found = {each.topic: look(each) for each in _model_checks("nobody/nothing")[1:]}
    assert found["model"].level == "error"
    assert "gemma4 models get nobody/nothing" in found["model"].cure


def test_a_folder_that_is_no_checkpoint_is_found(tmp_path):
    folder = write_checkpoint(tmp_path / "weightless")
    for asked, level in ((True, "error"), (False, "warning")):
        found = models.model("mine", folder, is_asked=asked)
        assert (found.level, "no model.safetensors" in found.text) == (level, True)
        assert found.cure


def test_doctor_needs_no_mlx_to_be_imported():
    code = "import gemma4_mlx.doctor, sys; assert 'mlx' not in sys.modules"
    root = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, timeout=60)
