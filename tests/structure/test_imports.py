"""What must start quickly loads nothing heavy."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.structure import source

HEAVY = {"mlx_lm", "transformers", "torch"}
ARRAYS = HEAVY | {"mlx"}

REPORT = "import json, sys; print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
HELP = """
import contextlib, io, sys
sys.argv = ["gemma4", "--help"]
from gemma4_mlx.cli import main
with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
    main()
assert "ask" in out.getvalue(), out.getvalue()
"""


def loaded_by(code: str) -> set[str]:
    """Top-level names of all modules that are loaded once `code` has run in a new process."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{REPORT}"],
        cwd=source.ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import gemma4_mlx", ARRAYS),
        (HELP, ARRAYS),
        ("import tui.cli.chat", ARRAYS),
        ("import tui.app", ARRAYS),
        ("import gemma4_mlx.model", HEAVY),
        ("import gemma4_mlx.loading", HEAVY),
        ("import gemma4_mlx.processing", ARRAYS),
        ("import gemma4_mlx.tokenizer", ARRAYS),
    ],
    ids=["library", "help", "chat-command", "chat", "model", "loading", "processing", "tokenizer"],
)
def test_pain_53_start_is_light(code: str, unwanted: set[str]):
    assert not unwanted & loaded_by(code)


def test_the_report_sees_heavy_imports():
    assert "mlx" in loaded_by("import mlx.core")
