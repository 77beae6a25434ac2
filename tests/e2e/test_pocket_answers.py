"""The bundled model on pictures, voices and questions it never saw: right answers are counted.

A part of the held-out cases, so that the suite stays quick; `python -m tests.e2e.scores` asks all
of them. The floors leave room for another backend's rounding, not for another model.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest

import gemma4_mlx as g4
from gemma4_mlx.events import MediaReceipt, TextDelta
from tests.e2e.scores import Score, answer, scores
from tests.pocket.heldout import Case, chat_cases, clip_cases, picture_cases, text_cases

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def pocket() -> tuple[Any, Any]:
    """The bundled model. A picture that several questions are about is encoded once."""
    model, processor = g4.load("pocket")
    encode, known = model.encode_images, {}

    def encode_once(pixels: Any, positions: Any) -> Any:
        if pixels is None:
            return encode(pixels, positions)
        key = np.array(pixels).tobytes(), np.array(positions).tobytes()
        if key not in known:
            known[key] = encode(pixels, positions)
            mx.eval(known[key])
        return known[key]

    model.encode_images = encode_once
    return model, processor


def total(found: dict[str, Score], prefix: str = "") -> Score:
    """The tasks whose name begins with `prefix` as one."""
    chosen = [score for task, score in found.items() if task.startswith(prefix)]
    return Score(
        sum(score.right for score in chosen),
        sum(score.asked for score in chosen),
        [pair for score in chosen for pair in score.wrong],
    )


def some(asked: Iterable[Case], every: int) -> Iterable[Case]:
    """Every so-and-so-many-th case."""
    return islice(asked, 0, None, every)


@pytest.mark.parametrize(("budget", "pictures", "floor"), [(70, 18, 0.95), (140, 4, 0.9)])
def test_it_sees(pocket, budget, pictures, floor):
    found = total(scores(*pocket, picture_cases(budget, pictures)))
    assert found.asked >= 2 * pictures
    assert found.share >= floor, found.wrong


def test_it_hears_voices_it_was_not_trained_on(pocket):
    found = total(scores(*pocket, clip_cases()))
    assert found.asked >= 60
    assert found.share >= 0.95, found.wrong


def test_it_answers_questions_on_the_program(pocket):
    found = scores(*pocket, some(text_cases(), 9))
    assert found["program"].share >= 0.98, found["program"].wrong
    assert found["sum"].share == 1.0, found["sum"].wrong
    assert found["paraphrase"].share >= 0.3, found["paraphrase"].wrong


def test_a_picture_and_a_voice_in_one_chat(pocket):
    found = scores(*pocket, some(chat_cases(70, 60), 15))
    assert found["chat"].share >= 0.85, found["chat"].wrong
    assert found["both"].share >= 0.75, found["both"].wrong


EXAMPLE_QUESTIONS = [
    (
        "yellow-star-green-triangle.jpg",
        "What is in the picture?",
        ("yellow star", "green triangle"),
    ),
    (
        "red-star-orange-square-blue-circle.png",
        "What is in the picture?",
        ("red star", "orange square", "blue circle"),
    ),
    ("the-word-seven.wav", "What does the clip say?", ("even",)),
    ("the-word-music.ogg", "What does the clip say?", ("usic",)),
]


@pytest.mark.parametrize(("name", "question", "words"), EXAMPLE_QUESTIONS)
@pytest.mark.parametrize("budget", [70, 140])
def test_the_examples_get_right_answers(pocket, name, question, words, budget):
    kind = "image" if name.endswith(("jpg", "png")) else "audio"
    media = {"type": kind, "path": str(EXAMPLES / name)}
    if kind == "image":
        media["image_tokens"] = budget
    content = [media, {"type": "text", "text": question}]
    said = answer(*pocket, Case("example", [{"role": "user", "content": content}], ""))
    assert all(word in said for word in words), said


def test_pain_01_another_picture_gets_another_answer_and_a_receipt(pocket):
    answers, receipts = set(), []
    for name, *_ in EXAMPLE_QUESTIONS[:2]:
        content = [
            {"type": "image", "path": str(EXAMPLES / name)},
            {"type": "text", "text": "What is in the picture?"},
        ]
        events = list(g4.stream(*pocket, [{"role": "user", "content": content}], max_tokens=64))
        answers.add("".join(event.text for event in events if isinstance(event, TextDelta)))
        receipts += [event for event in events if isinstance(event, MediaReceipt)]
    assert len(answers) == 2
    assert all(receipt.tokens == receipt.rows > 0 for receipt in receipts)
    assert len({receipt.sha256 for receipt in receipts}) == 2
