"""The command line over a model that follows a script: `python -m tests.cli.scripted SCRIPT ...`.

Everything is real but the weights: messages, channels, the turn's events, the printing.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from gemma4_mlx import errors, loading
from gemma4_mlx import turn as turn_module
from gemma4_mlx.cli import main
from gemma4_mlx.inputs import ModelInputs
from gemma4_mlx.messages import parse_messages
from tests.toys import ToyTokenizer

TOKENIZER = ToyTokenizer()
WORD = "tick "
SCRIPTS: dict[str, Iterable[str]] = {
    "answer": ["Grüß dich! 🎉", "<turn|>"],
    "newlines": ["\nTwo\n\nlines\n\n\n", "<turn|>"],
    "thought": ["<|channel>", "thought\nHm.\n", "<channel|>", "Yes.", "<turn|>"],
    "call": [
        "<|tool_call>",
        "call:now{zone:",
        '<|"|>',
        "UTC",
        '<|"|>',
        "}",
        "<tool_call|>",
        "<turn|>",
    ],
    "escape": ["\x1b]0;title\x07\r\x9b2JHi", "<turn|>"],
    "nothing": ["<turn|>"],
    "endless": cycle([WORD]),
    "slow": cycle([WORD]),
}
SIGNAL_FILE = "GEMMA4_TEST_SIGNAL_FILE"
"""Names a file that is made when "hang" begins to load, which takes it a minute, or "slow" to
write, which takes it ever so long."""


class ScriptedProcessor:
    """Prompts are the messages' text."""

    tokenizer = TOKENIZER

    def __call__(self, messages: Any, **_: Any) -> ModelInputs:
        texts = [message.text for message in parse_messages(messages)]
        ids = np.array([TOKENIZER.spell(*texts)], np.int32)
        return ModelInputs(ids, np.zeros_like(ids))


def generate(name: str, max_tokens: int) -> Iterator[int]:
    tokens = (token for piece in SCRIPTS[name] for token in TOKENIZER.spell(piece))
    for token, _ in zip(tokens, range(max_tokens), strict=False):
        yield token
        if name == "slow":
            signal()
            time.sleep(0.001)


def fail(name: str) -> None:
    if name == "hang":
        signal()
        time.sleep(60)
    if hasattr(errors, name):
        raise getattr(errors, name)("It broke.", "mend it")
    if name == "RuntimeError":
        raise RuntimeError("a fault")


def signal() -> None:
    if path := os.environ.get(SIGNAL_FILE):
        Path(path).touch()


def replacements(name: str) -> dict[Any, dict[str, Any]]:
    """What to put in the place of the model: module -> attribute -> value."""
    config = SimpleNamespace(context_length=10**9, media_token_ids=())
    model = SimpleNamespace(config=config, generation_config={}, plan=None)

    def load(model_name: str, *, on_progress: Any) -> Any:
        fail(name)
        on_progress(1, 2)
        on_progress(2, 2)
        return model, ScriptedProcessor()

    def generate_tokens(*_: Any, max_tokens: int, **__: Any) -> Iterator[int]:
        return generate(name, max_tokens)

    return {loading: {"load": load}, turn_module: {"generate_tokens": generate_tokens}}


if __name__ == "__main__":
    for module, attributes in replacements(sys.argv[1]).items():
        vars(module).update(attributes)
    main(sys.argv[2:], prog_name="gemma4")
