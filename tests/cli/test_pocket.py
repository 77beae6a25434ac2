"""`gemma4 ask` with the bundled model, from the question to the printed answer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from PIL import Image, ImageDraw

from gemma4_mlx.cli import main

EXAMPLES = Path(__file__).parents[2] / "examples"


def ask(*arguments, stdin=""):
    return CliRunner().invoke(
        main, ["ask", *map(str, arguments)], input=stdin, env={"GEMMA4_MODEL": None}
    )


def answered(*arguments):
    done = ask(*arguments, "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("media") / "circle.png"
    image = Image.new("RGB", (300, 200), "white")
    ImageDraw.Draw(image).ellipse((90, 40, 210, 160), fill="red")
    image.save(path)
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("media") / "noise.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.1, 0.1, 24_000), 48_000)
    return path


@pytest.mark.parametrize(
    ("name", "question", "words"),
    [
        ("yellow-star-green-triangle.jpg", "What is in the picture?", "yellow star green triangle"),
        ("the-word-seven.wav", "What does the clip say?", "seven"),
        ("the-word-music.ogg", "Transcribe this.", "music"),
    ],
)
def test_it_is_right_about_the_examples(name, question, words):
    said = answered("-a", EXAMPLES / name, question)["text"].lower()
    assert all(word in said for word in words.split()), said


def test_it_is_right_about_sums():
    assert "7" in answered("What is 3 + 4?")["text"]


def test_stdout_is_the_answer_alone():
    done = ask("Who are you?")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.strip()
    assert done.stdout.endswith("\n")
    assert "<" not in done.stdout


def test_an_answer_ends_by_itself_and_is_measured():
    printed = answered("Who are you?")
    assert printed["finish_reason"] == "stop"
    assert printed["usage"]["completion_tokens"] > 1
    assert printed["usage"]["reused_tokens"] == 0
    assert all(value > 0 for value in printed["timings"].values())
    assert printed["memory"]["peak_bytes"] > 0


def test_a_picture_is_accounted_for(picture):
    alone = answered("What is this?")["usage"]["prompt_tokens"]
    printed = answered("-a", picture, "--image-tokens", "70", "What is this?")
    (media,) = printed["media"]
    assert (media["kind"], media["name"]) == ("image", "circle.png")
    assert (media["width"], media["height"], media["image_tokens"]) == (300, 200, 70)
    assert media["tokens"] == media["rows"] == 60
    assert len(media["sha256"]) == 64
    assert printed["usage"]["prompt_tokens"] == alone + media["tokens"] + 2  # begin and end


def test_a_clip_is_accounted_for(clip):
    (media,) = answered("-a", clip, "What was said?")["media"]
    assert (media["kind"], media["name"], media["seconds"]) == ("audio", "noise.wav", 0.5)
    assert media["tokens"] == media["rows"] == 13


def test_equal_seeds_give_equal_answers():
    said = {
        seed: [answered("--temperature", 2, "--seed", seed, "Hi")["text"] for _ in range(2)]
        for seed in (1, 2)
    }
    assert said[1][0] == said[1][1]
    assert said[2][0] == said[2][1]
    assert said[1] != said[2]


def test_pain_50_a_full_context_says_so():
    done = ask(stdin="word " * 200_000)
    assert (done.exit_code, done.stdout) == (6, "")
    assert done.stderr.startswith("error: the conversation has ")
    assert "\nhint: " in done.stderr
