"""What is typed in the chat line by line, and what becomes of it."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from gemma4_mlx.events import (
    ModelReady,
)
from tests.processing.video_files import write_video
from tests.tui.driver import clip, picture
from tests.tui.plain.talk import ANSWER, said, talk
from tui.plain.console import Console


def test_lines_that_end_in_a_backslash_go_on():
    chat = talk("One\\", "two\\", "", "three", turns=[ANSWER, ANSWER])
    assert chat.asked == [said("One\ntwo\n".strip()), said("three")]
    assert "more: two\\" in chat.text


def test_a_path_alone_is_attached_if_that_is_wanted(tmp_path):
    shapes = str(picture(tmp_path))
    wanted = talk(f"'{shapes}'", "", "What is it?", turns=[ANSWER], is_terminal=True)
    assert "Attach shapes.png? Enter attaches, n sends it as text: " in wanted.text
    assert wanted.asked[0][0]["path"].endswith("/shapes.png")
    unwanted = talk(shapes, "n", turns=[ANSWER], is_terminal=True)
    assert unwanted.asked == [said(shapes)]
    at_once = talk(shapes, "What is it?", turns=[ANSWER], is_terminal=True)
    assert at_once.asked[0][0]["path"].endswith("/shapes.png")
    assert at_once.asked[0][1] == said("What is it?")[0]
    left = talk(shapes, EOFError, turns=[ANSWER], is_terminal=True)
    assert left.asked == [] and "Attached" not in left.text
    (tmp_path / "broken.png").write_text("no picture")
    broken = talk(str(tmp_path / "broken.png"), "What is it?", turns=[ANSWER], is_terminal=True)
    assert broken.asked == []
    piped = talk(shapes, "What is it?", turns=[ANSWER])
    assert piped.asked[0][0]["path"].endswith("/shapes.png")


def test_a_file_that_cannot_be_used_is_said_and_not_attached(tmp_path):
    (tmp_path / "broken.png").write_text("no picture")
    chat = talk(f"/image {tmp_path / 'broken.png'}", "/image nowhere.png", "/drop")
    assert any(line.startswith("broken.png ") for line in chat.lines)
    assert not any(line.startswith("Attached") for line in chat.lines)
    assert "No such file: nowhere.png." in chat.lines
    assert "/drop: nothing is attached." in chat.lines


def test_a_model_that_does_not_hear_is_given_no_clip(tmp_path):
    deaf = ModelReady("deaf", True, False, 280, 4096)
    chat = talk(f"/audio {clip(tmp_path)}", loading=[deaf])
    assert "voice.wav: deaf cannot hear clips." in chat.lines


def test_a_video_is_told_with_what_its_sound_costs_if_that_is_heard(tmp_path):
    film = write_video(tmp_path / "film.mp4", 20, 10, sound_s=2.0)
    heard = talk(str(film), "What happens?", turns=[ANSWER])
    deaf = talk(str(film), loading=[ModelReady("deaf", True, False, 280, 4096)])
    both, frames = (
        next(line for line in chat.lines if line.startswith("Attached 1. film.mp4: "))
        for chat in (heard, deaf)
    )
    assert heard.asked[0][0]["type"] == "video"
    assert int(both.split()[3]) == int(frames.split()[3]) + 50
    assert "0:02, 20 frames" in both


def test_budgets_and_drops(tmp_path):
    chat = talk(
        "/budget 70",
        f"/image {picture(tmp_path, 'a.png')} {picture(tmp_path, 'b.png')}",
        "/budget 1120 2",
        "/drop 1",
        "/budget 3000",
        "What?",
        turns=[ANSWER],
    )
    assert [part.get("image_tokens") for part in chat.asked[0]] == [1120, None]
    assert "1. b.png: 1064 tokens, 640x480 seen as" in chat.text
    assert "/budget takes one of 70, 140, 280, 560, 1120, auto." in chat.lines


def test_ctrl_c_at_the_prompt_leaves_the_second_time():
    chat = talk("half\\", KeyboardInterrupt, "Hi", KeyboardInterrupt, KeyboardInterrupt, "never")
    assert chat.asked == [said("Hi")]
    assert chat.text.count("Ctrl+C once more leaves, and so does Ctrl+D.") == 2
    assert chat.steps == ["never"]


def test_what_is_no_text_is_said_and_nothing_is_asked():
    error = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid")
    chat = talk(error, "Hi", turns=[ANSWER])
    assert "That was no text in UTF-8." in chat.lines
    assert chat.asked == [said("Hi")]


@pytest.mark.parametrize(
    ("module", "can_prefill"),
    [
        (SimpleNamespace(__doc__="GNU readline", backend="readline"), True),
        (SimpleNamespace(__doc__="GNU readline"), True),
        (SimpleNamespace(__doc__="the same", backend="editline"), False),
        (SimpleNamespace(__doc__="Importing this module enables libedit"), False),
        (None, False),
    ],
)
def test_a_line_is_handed_over_only_where_the_editor_keeps_it(module, can_prefill):
    """A Mac's own editor of lines empties the line after the hook that fills it."""
    asked = []
    console = Console(lambda prompt: asked.append(prompt) or "typed", io.StringIO())
    hooks = []
    if module is not None:
        module.set_startup_hook = hooks.append
    console._readline = module
    assert console.can_prefill is can_prefill
    assert console.ask("> ", prefill="as it was") == "typed"
    assert bool(hooks) is can_prefill
