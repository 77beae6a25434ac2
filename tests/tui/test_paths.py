"""Text to files: every way in which a terminal hands over a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui.attachments.paths import media_kind, media_paths, resolve, split_paths


@pytest.fixture
def folder(tmp_path):
    names = ["a.png", "b c.JPG", "it's.png", "voice.wav", "notes.txt", "Shot 9.41\u202fAM.png"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


WAYS = {
    "bare": "{}/a.png",
    "bare with a space": "{}/b c.JPG",
    "escaped": "{}/b\\ c.JPG",
    "double quotes": '"{}/b c.JPG"',
    "single quotes": "'{}/b c.JPG'",
    "file address": "file://{}/b%20c.JPG",
    "around it blanks and a newline": "  {}/a.png \n",
    "a lone quote": "{}/it's.png",
    "a quote, escaped": "{}/it\\'s.png",
    "a narrow space": "{}/Shot 9.41\u202fAM.png",
    "a narrow space that became a plain one": "{}/Shot 9.41 AM.png",
    "the same, escaped": "{}/Shot\\ 9.41\\ AM.png",
}


@pytest.mark.parametrize("text", WAYS.values(), ids=WAYS)
def test_pain_56_one_pasted_name_is_one_file(folder, text):
    paths = media_paths(text.format(folder))
    assert len(paths) == 1
    assert paths[0].is_file()


def test_several_names_in_a_line_or_in_lines(folder):
    expected = [folder / "a.png", folder / "voice.wav"]
    assert media_paths(f"{folder}/a.png {folder}/voice.wav") == expected
    assert media_paths(f"{folder}/a.png\n{folder}/voice.wav\n") == expected


PROSE = {
    "a question on a file": "{0}/a.png what is this?",
    "one of two is missing": "{0}/a.png {0}/missing.png",
    "not a picture": "{0}/notes.txt",
    "a folder": "{0}",
    "just a name": "what is a.png",
    "nothing": "",
    "a null character": "a\0b",
    "longer than any name": "x" * 5000,
    "nobody's home": "~nobody-of-that-name/a.png",
}


@pytest.mark.parametrize("text", PROSE.values(), ids=PROSE)
def test_all_other_text_stays_text(folder, text):
    assert media_paths(text.format(folder)) == []


def test_home_is_expanded(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder))
    assert resolve("~/a.png") == folder / "a.png"


def test_odd_spaces_are_not_guessed_when_two_files_fit(folder):
    (folder / "Shot 9.41\u00a0AM.png").write_bytes(b"x")
    assert not resolve(f"{folder}/Shot 9.41 AM.png").exists()


def test_missing_files_are_named_too():
    assert split_paths("'no such.png'") == [Path("no such.png")]


def test_kinds_go_by_suffix_in_any_case():
    assert media_kind(Path("A.PNG")) == "image"
    assert media_kind(Path("a.Wav")) == "audio"
    assert media_kind(Path("a.pdf")) is None
