"""What is suggested for what is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui.attachments.completion import (
    MOST_SUGGESTIONS,
    file_query,
    ghost_arguments,
    suggest_commands,
    suggest_files,
)
from tui.attachments.folder_list import FolderWalk
from tui.commands import COMMANDS


@pytest.mark.parametrize(
    ("text", "first"),
    [("/b", "/budget "), ("/HEL", "/help"), ("/detail", "/budget "), ("/rec", "/record")],
)
def test_a_command_is_suggested_by_its_start_or_another_word_for_it(text, first):
    assert suggest_commands(text)[0].text == first


def test_a_slash_alone_suggests_all():
    assert len(suggest_commands("/")) == len(COMMANDS)


@pytest.mark.parametrize("text", ["", "/etc/hosts", "/image x", " /help", "a /help", "/nonsense"])
def test_no_command_is_suggested_elsewhere(text):
    assert suggest_commands(text) == []


@pytest.mark.parametrize(
    ("text", "ghost"), [("/think ", "on|off"), ("/think o", ""), ("/think", ""), ("/huh ", "")]
)
def test_arguments_are_hinted_while_there_are_none(text, ghost):
    assert ghost_arguments(text) == ghost


@pytest.mark.parametrize(
    ("line", "query"),
    [
        ("@", (0, "")),
        ("see @pic", (4, "pic")),
        ("see @a/b", (4, "a/b")),
        ('see @"my folder/a b', (4, "my folder/a b")),
        ("me@home", None),
        ("@pic and more", None),
        ("", None),
    ],
)
def test_a_file_is_asked_for_by_an_at_sign_that_begins_a_word(line, query):
    assert file_query(line) == query


@pytest.fixture
def folder(tmp_path):
    names = ("receipt.png", "voice.wav", "notes.txt", ".secret.png", "my pics/lisbon.jpg")
    for name in (*names, "my pics/deep/tram.webp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def labels(query: str, folder: Path) -> list[str]:
    return [each.label for each in suggest_files(query, folder)[0]]


def test_nothing_typed_lists_the_folder_and_the_usual_places(folder, monkeypatch):
    home = folder / "home"
    (home / "Downloads").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    found = labels("", folder)
    assert found[:2] == ["home/", "my pics/"]
    assert set(found[2:]) == {"receipt.png", "voice.wav", "~/Downloads/"}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("rct", ["receipt.png"]),
        ("LISB", ["my pics/lisbon.jpg"]),
        ("tram", ["my pics/deep/tram.webp"]),
        ("my pics/", ["deep/", "lisbon.jpg"]),
        ("my pics/li", ["lisbon.jpg"]),
        ("my pics/../rec", ["receipt.png"]),
        (".sec", [".secret.png"]),
        ("zzz", []),
        ("no such folder/", []),
        ("~nobody-of-that-name/", []),
        ("\0", []),
    ],
)
def test_letters_find_files_here_and_below(folder, query, found):
    assert labels(query, folder) == found


def test_an_absolute_folder_is_looked_into(folder):
    assert labels(f"{folder}/my pics/tr", Path("/")) == []
    assert labels(f"{folder}/my pics/deep/", Path("/")) == ["tram.webp"]


def test_a_folder_is_typed_on_and_a_file_is_taken(folder):
    inner = suggest_files("my", folder)[0][0]
    assert (inner.text, inner.path) == ('@"my pics/', None)
    file = suggest_files("receipt", folder)[0][0]
    assert (file.text, file.path, file.detail) == ("", folder / "receipt.png", "1 bytes")


def test_files_are_found_however_deep_but_not_where_programs_keep_theirs(tmp_path):
    deep = tmp_path / "a" / "b" / "c" / "d" / "e"
    others = [tmp_path / "node_modules", tmp_path / ".hidden", tmp_path / "a" / "venv"]
    for place in (deep, *others):
        place.mkdir(parents=True)
        (place / "tram.webp").write_bytes(b"x")
    (tmp_path / "a" / "again").symlink_to(tmp_path)  # would never end
    found, remark = suggest_files("tram", tmp_path)
    assert ([each.label for each in found], remark) == (["a/b/c/d/e/tram.webp"], "")


def test_a_search_that_would_take_long_ends_and_says_so(tmp_path, monkeypatch):
    for number in range(200):
        (tmp_path / f"{number:03}.png").write_bytes(b"x")
    monkeypatch.setattr("tui.attachments.folder_list.MOST_WALKED", 100)
    found, remark = suggest_files("png", tmp_path)
    assert len(found) == MOST_SUGGESTIONS
    assert remark.startswith("only the nearest 101 names were searched")
    ticks = iter(range(100))
    walk = FolderWalk(tmp_path, clock=lambda: next(ticks))
    assert len(list(walk)) == 63 and walk.is_cut
    walk = FolderWalk(tmp_path, is_wanted=lambda: False)
    assert len(list(walk)) == 63 and walk.is_cut
