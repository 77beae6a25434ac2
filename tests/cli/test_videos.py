"""Videos on the command line: what they are, what they cost, and what of them is left out."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from PIL import Image

from gemma4_mlx.cli import main
from gemma4_mlx.cli.answer import Answer
from gemma4_mlx.cli.attachments import attachment, in_frames
from gemma4_mlx.cli.notes import Notes
from gemma4_mlx.events import Finished, MediaReceipt, PromptProgress
from gemma4_mlx.messages import AudioPart, ImagePart, VideoPart
from tests.processing.video_files import write_sound, write_video


def run(*arguments):
    return CliRunner().invoke(main, [str(each) for each in arguments])


@pytest.fixture
def film(tmp_path):
    return write_video(tmp_path / "film.mp4", 3, 4, sound_s=0.75)


def test_a_file_is_what_it_holds_and_not_what_it_is_called(tmp_path, film):
    Image.new("RGB", (8, 8)).save(tmp_path / "still.mp4", format="PNG")
    (tmp_path / "still.heic").write_bytes(b"\0\0\0\x20ftypheic" + bytes(20))
    kinds = {
        film.rename(tmp_path / "film.jpg"): VideoPart,
        write_video(tmp_path / "a.mkv", 2): VideoPart,
        write_sound(tmp_path / "talk.mp4", 0.5): AudioPart,
        write_sound(tmp_path / "talk.m4a", 0.5): AudioPart,
        tmp_path / "still.mp4": ImagePart,
        tmp_path / "still.heic": ImagePart,
    }
    assert {path.name: type(attachment(path)) for path in kinds} == {
        path.name: kind for path, kind in kinds.items()
    }


def test_cost_tells_how_far_apart_frames_are(film):
    done = run("cost", film)
    assert (done.exit_code, done.stderr) == (0, "")
    words = "0.8 s, 3 frames, one every 0.25 s, 64x48, seen at 432x336, 19 of them for the sound"
    assert done.stdout == f"  208 tokens  {film}  {words}\n"


@pytest.mark.parametrize(
    ("frames", "seconds", "words"),
    [
        (32, 3600.0, "32 frames, one every 112.5 s"),
        (32, 8.0, "32 frames, one every 0.25 s"),
        (1, 0.1, "1 frame"),
    ],
)
def test_the_spacing_is_told(frames, seconds, words):
    assert in_frames(frames, seconds) == words


@pytest.mark.parametrize("command", ["cost", "ask"])
def test_pain_60_a_video_that_is_cut_off_costs_no_model(tmp_path, command):
    path = write_video(tmp_path / "a.mkv", 200)
    path.write_bytes(path.read_bytes()[:-2000])
    arguments = ["cost", path] if command == "cost" else ["ask", "-m", "none", "-a", path, "Hm?"]
    done = run(*arguments)
    assert done.exit_code == 5
    assert "a.mkv is cut off" in done.stderr


def test_pain_01_what_is_left_out_is_told(capsys):
    answer = Answer(Notes(), as_json=False, load_s=0.0)
    left_out = MediaReceipt("video", "a.mp4", 64, 64, frames=1, seconds=1.0, left_out="sound")
    answer.tell([left_out, Finished("stop")])
    note = "note: a.mp4: without its sound, for this model does not hear\n"
    assert capsys.readouterr().err == note
    answer.tell([MediaReceipt("image", "a.gif", 64, 64, left_out="frames 2 to 9")])
    note = "note: a.gif: without its frames 2 to 9, for only the first is seen\n"
    assert capsys.readouterr().err == note


def test_whoever_watches_is_told_what_is_encoded_and_read(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    answer = Answer(Notes(), as_json=False, load_s=0.0)
    answer.tell([PromptProgress(0, 40, encoded=1, to_encode=3)])
    assert "looking at what is attached, 2 of 3" in capsys.readouterr().err
    answer.tell([PromptProgress(0, 40, encoded=3, to_encode=3)])
    assert "reading 0 of 40 tokens" in capsys.readouterr().err
    answer.tell([PromptProgress(40, 40)])
    assert "reading" not in capsys.readouterr().err


def test_pocket_sees_frames_and_hears_the_sound(film):
    done = run(
        "ask", "-a", film, "--max-tokens", "2", "--temperature", "0", "--json", "What is it?"
    )
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    video, sound = printed["media"]
    assert (video["kind"], video["name"], video["frames"]) == ("video", "film.mp4", 3)
    assert (video["tokens"], video["rows"], video["seconds"]) == (189, 189, 0.75)
    assert (sound["kind"], sound["tokens"], sound["seconds"]) == ("audio", 19, 0.75)
    assert printed["usage"]["prompt_tokens"] > 189 + 19
