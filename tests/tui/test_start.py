"""The first frame: quick, and without a model's libraries."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest
from click.testing import CliRunner

from gemma4_mlx.cli import ask
from gemma4_mlx.engine import FakeEngine
from tui.cli.chat import _show, chat
from tui.settings.options import ChatOptions
from tui.settings.preferences import Preferences

FIRST_FRAME = """
import asyncio, sys
from tui.app import ChatApp
from gemma4_mlx.engine import FakeEngine

async def main():
    async with ChatApp(FakeEngine()).run_test() as pilot:
        await pilot.pause()
        assert pilot.app.screen.query("Prompt")

asyncio.run(main())
print(" ".join(sorted({name.partition(".")[0] for name in sys.modules})))
"""
HEAVY = {"mlx", "mlx_lm", "transformers", "torch", "tokenizers", "jinja2", "numpy", "PIL"}
HEAVY |= {"soundfile", "huggingface_hub", "tomlkit", "markdown_it", "pygments"}


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_the_first_frame_loads_nothing_heavy():
    assert set(run(FIRST_FRAME).split()) & HEAVY == set()


def test_the_collector_works_again_when_the_chat_is_there(monkeypatch):
    monkeypatch.setattr("tui.cli.chat.run", lambda app, engine: int(gc.isenabled()))
    try:
        assert _show(FakeEngine(), ChatOptions(), Preferences()) == 1
    finally:
        gc.unfreeze()


def test_the_help_loads_no_textual():
    code = "import sys, tui.cli.chat; print(' '.join(sys.modules))"
    assert {"textual", "rich", "numpy", "mlx"} & set(run(code).split()) == set()


def test_options_mean_the_same_as_those_of_ask():
    theirs = {option.name: option for option in ask.params}
    ours = {option.name: option for option in chat.params}
    assert set(theirs) - set(ours) == {"prompt", "as_json", "split"}  # one sees the parts in a chat
    assert set(ours) - set(theirs) == {"continue_last", "keep_chats", "plain"}
    for name, option in ours.items():
        if name not in theirs:
            continue
        other = theirs[name]
        assert (option.opts, option.multiple) == (other.opts, other.multiple)
        # The chat's settings have a say where the command line is silent.
        assert name == "thinking" or option.default == other.default
        assert option.type.to_info_dict() == other.type.to_info_dict()


def test_without_a_terminal_the_chat_says_what_to_use():
    result = CliRunner().invoke(chat, [])
    assert result.exit_code == 2
    assert "gemma4 ask" in result.output


@pytest.mark.parametrize(
    "arguments", [["--image-tokens", "300"], ["--max-tokens", "0"], ["--top-p", "2"], ["x"]]
)
def test_wrong_options_are_usage_errors(arguments):
    assert CliRunner().invoke(chat, arguments).exit_code == 2
