"""What a question of text alone loads before it is answered, and what it leaves alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ASK = """
import contextlib, gc, json, sys
sys.argv = ["gemma4", "ask", "Hello", "--max-tokens", "1"]
from gemma4_mlx.cli import main
with contextlib.suppress(SystemExit):
    main()
print()
print(json.dumps({"modules": sorted(sys.modules), "kept": gc.get_freeze_count()}))
"""

# Each costs five milliseconds or more.
FOR_MEDIA = {"PIL", "soundfile", "av", "pi_heif", "gemma4_mlx.processing.senses"}
FOR_THE_HUB = {"huggingface_hub", "httpx", "requests", "ssl"}
FOR_OTHER_COMMANDS = {"tui", "convert", "textual", "rich", "tomlkit", "markdown_it", "sqlite3"}
FOR_WHAT_OTHERS_BRING = {"importlib.metadata", "email"}
NEVER = {"mlx_lm", "transformers", "torch", "scipy", "pydantic"}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def asked(scratch: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        env={**os.environ, "TMPDIR": str(scratch)}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "unwanted",
    [FOR_MEDIA, FOR_THE_HUB, FOR_OTHER_COMMANDS, FOR_WHAT_OTHERS_BRING, NEVER],
    ids=["media", "hub", "other-commands", "what-others-bring", "never"],
)
def test_pain_53_a_question_loads_what_it_needs(asked: dict[str, Any], unwanted: set[str]):
    assert "gemma4_mlx.processing.processor" in asked["modules"]
    assert not unwanted & set(asked["modules"])


def test_nothing_is_compiled_that_would_need_a_compiler(asked: dict[str, Any], scratch: Path):
    # MLX's CPU backend calls one for functions that are to be fused, and keeps the results here.
    assert "mlx.core" in asked["modules"]
    assert not [path for path in scratch.rglob("*") if path.suffix in (".cpp", ".so")]


def test_what_was_loaded_is_never_searched_for_garbage(asked: dict[str, Any]):
    assert asked["kept"] > 10_000
