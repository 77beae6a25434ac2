"""All checks together: none takes the others with it, and what hurts has a cure."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
    terminal,
)
from gemma4_mlx.doctor.checks import CHECKS, Check, look
from gemma4_mlx.doctor.finding import HURTS
from gemma4_mlx.errors import CheckpointError


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


def test_doctor_needs_no_mlx_to_be_imported():
    code = "import gemma4_mlx.doctor, sys; assert 'mlx' not in sys.modules"
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, timeout=60)
