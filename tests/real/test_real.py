"""What only a Mac with published weights can check: `make test-real MODEL=google/gemma-4-E2B-it`.

Skipped where no checkpoint is named. Please send what it prints.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path
from time import perf_counter
from typing import Any

import mlx.core as mx
import pytest

import gemma4_mlx as g4
from gemma4_mlx.events import Finished, TextDelta
from gemma4_mlx.loading import find_checkpoint
from gemma4_mlx.model_name import DEMO_MODEL
from gemma4_mlx.weights import parameters

pytestmark = pytest.mark.real

MODEL = os.environ.get("GEMMA4_REAL_MODEL", "")
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def real() -> tuple[Any, Any]:
    if not MODEL or MODEL == DEMO_MODEL:
        pytest.skip("no published checkpoint is named: make test-real MODEL=...")
    started_s = perf_counter()
    model, processor = g4.load(MODEL, dtype=mx.bfloat16)
    size_gb = sum(array.nbytes for array in parameters(model).values()) / 1e9
    say(f"{MODEL} on {platform.platform()}, {mx.device_info().get('device_name', 'CPU')}")
    say(f"loaded {size_gb:.2f} GB in {perf_counter() - started_s:.1f} s")
    return model, processor


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the point of `make test-real`


def ask(real: tuple[Any, Any], *content: dict[str, Any]) -> str:
    text = ""
    messages = [{"role": "user", "content": list(content)}]
    for event in g4.stream(*real, messages, max_tokens=200, temperature=0.0):
        if isinstance(event, TextDelta):
            text += event.text
        elif isinstance(event, Finished):
            rates = event.timings
            say(
                f"  {event.usage.prompt_tokens} in at {rates.prefill_tokens_per_s:.0f} tok/s, "
                f"{event.usage.completion_tokens} out at {rates.decode_tokens_per_s:.1f} tok/s, "
                f"first after {rates.first_token_s:.2f} s, peak {event.peak_bytes / 1e9:.2f} GB"
            )
            assert event.reason == "stop"
    say(f"  {text!r}")
    return text.lower()


def test_every_byte_of_the_checkpoint_is_used(real):
    folder = find_checkpoint(MODEL)
    on_disk = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    in_memory = sum(array.nbytes for array in parameters(real[0]).values())
    # Dead keys and values of KV-shared layers are all that may be left out.
    assert 0.97 * on_disk < in_memory <= on_disk


def test_a_greedy_answer_makes_sense(real):
    said = ask(real, {"type": "text", "text": "What is the capital of France? One word."})
    assert "paris" in said


@pytest.mark.parametrize("budget", [70, 280, 1120])
def test_a_picture_is_described_rightly(real, budget):
    path = str(EXAMPLES / "red-star-orange-square-blue-circle.png")
    said = ask(
        real,
        {"type": "image", "path": path, "image_tokens": budget},
        {"type": "text", "text": "Name the shapes and their colours."},
    )
    assert all(word in said for word in ("star", "square", "circle", "red", "orange", "blue"))


def test_a_clip_is_heard_rightly(real):
    if not real[1].hears:
        pytest.skip("this variant has no ears")
    path = str(EXAMPLES / "the-word-seven.wav")
    said = ask(
        real,
        {"type": "audio", "path": path},
        {"type": "text", "text": "Transcribe the clip."},
    )
    assert "seven" in said or "7" in said
