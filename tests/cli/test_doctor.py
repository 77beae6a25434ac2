"""`gemma4 doctor`: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from gemma4_mlx import __version__
from gemma4_mlx.cli import main
from gemma4_mlx.doctor import checks
from gemma4_mlx.doctor.checks import CHECKS, Check
from gemma4_mlx.doctor.finding import Finding
from gemma4_mlx.doctor.report import MARKS, SECTIONS, lines, summary

ROOT = Path(__file__).parents[2]
LONG = "a long story about what was found, and where, and in which state it was, " * 2
SICK = (
    Finding("chip", "ok", "Apple M2", data={"cores": 8}),
    Finding("memory", "warning", LONG, "close something else before you go on with this one"),
    Finding("python", "error", "it runs under Rosetta", "install another"),
    Finding("packed", "info", "off by 3 %"),
)
TOPICS = [
    *("chip", "memory", "system", "python"),
    *("mlx", "limits", "float32", "bfloat16", "packed", "bandwidth"),
    *("terminal", "colours", "letters", "previews"),
    *("pictures", "heic", "clips", "video", "microphone"),
    *("hub", "disk", "engine"),
]
"""What programs look for in the JSON; a name that is gone breaks them."""


@pytest.fixture
def run(monkeypatch):
    """run(findings, *arguments) -> click's result."""

    def run_with(findings, *arguments, charset="utf-8", color=False, **environment):
        section = {"packed": "mlx"}
        fakes = tuple(
            Check(section.get(one.topic, "machine"), one.topic, lambda one=one: one)
            for one in findings
        )
        monkeypatch.setattr(checks, "CHECKS", fakes)
        monkeypatch.setattr(checks, "_model_checks", lambda asked: [])
        runner = CliRunner(charset=charset, env=environment)
        return runner.invoke(main, ["doctor", *arguments], prog_name="gemma4", color=color)

    return run_with


def test_the_report_is_quiet_and_whole(run):
    done = run(SICK, COLUMNS="80")
    assert (done.exit_code, done.stderr) == (1, "")
    assert (
        done.stdout
        == """\
Machine
✓ chip        Apple M2
! memory      warning: a long story about what was found, and where, and in
              which state it was, a long story about what was found, and where,
              and in which state it was,
              > close something else before you go on with this one
✗ python      error: it runs under Rosetta
              > install another

MLX
· packed      off by 3 %

1 error and 1 warning
"""
    )


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(run, columns):
    done = run(SICK, COLUMNS=str(columns))
    assert max(len(line) for line in done.stdout.splitlines()) <= columns
    assert " ".join(SICK[1].cure.split()) in " ".join(done.stdout.split())


def test_only_errors_make_it_fail(run):
    assert run(SICK[:2]).exit_code == 0
    assert run(SICK).exit_code == 1
    assert run(SICK[:2], "--json").exit_code == 0
    assert run(SICK, "--json").exit_code == 1


def test_json_is_one_object_with_everything(run):
    done = run(SICK, "--json")
    said = json.loads(done.stdout)
    assert (said["version"], said["ok"]) == (__version__, False)
    assert said["findings"][0] == {
        "section": "machine",
        "topic": "chip",
        "level": "ok",
        "text": "Apple M2",
        "cure": "",
        "data": {"cores": 8},
    }
    assert [finding["level"] for finding in said["findings"]] == [one.level for one in SICK]


def test_topics_stay():
    assert [check.topic for check in CHECKS] == TOPICS


def test_every_level_has_a_mark_of_its_own():
    assert len(set(MARKS.values())) == len(MARKS) == 4


@pytest.mark.parametrize("width", [1, 20])
def test_a_terminal_too_narrow_for_anything_still_gets_the_words(width):
    words = " ".join(line.text for line in lines(SICK[1], width)).split()
    assert words[:3] == ["memory", "warning:", "a"]


def test_nothing_wrong_is_said_in_words():
    assert summary(SICK[:1]) == "no errors and no warnings"


def test_here_everything_can_be_looked_at_and_no_secret_is_shown(tmp_path):
    """A whole run as a process; the text has nothing that the JSON has not."""
    secrets = {"HF_TOKEN": "hf_abcdefgh", "HTTPS_PROXY": "http://me:pass@proxy:1"}
    done = subprocess.run(
        [sys.executable, "-m", "gemma4_mlx.cli", "doctor", "--json"],
        env={**os.environ, **secrets, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"hf_abcdefgh" not in done.stdout
    assert b"me:pass" not in done.stdout
    found = json.loads(done.stdout)["findings"]
    assert [finding["topic"] for finding in found] == [*TOPICS, "model"]
    assert {finding["section"] for finding in found} == set(SECTIONS)
    assert [finding for finding in found if "failure" in finding["data"]] == []
    hub = next(finding for finding in found if finding["topic"] == "hub")
    assert (hub["data"]["has_token"], hub["data"]["has_proxy"]) == (True, True)


def test_a_terminal_without_those_letters_gets_others(run):
    done = run(SICK, charset="ascii")
    assert done.stdout_bytes.startswith(b"Machine\n+ chip  ")
    assert b"\nx python  " in done.stdout_bytes


def test_marks_are_coloured_unless_that_is_unwanted(run):
    assert "\x1b[32m✓\x1b[0m chip" in run(SICK, color=True).stdout
    assert "\x1b" not in run(SICK, color=True, NO_COLOR="1").stdout
