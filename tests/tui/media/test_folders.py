"""Files that can be attached, and names for new ones."""

from __future__ import annotations

import pytest

from tui.attachments.folder_list import FolderWalk, list_folder
from tui.attachments.scratch import new_path


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.wav", "notes.txt", ".hidden.png", "sub/c.jpg", "sub/deep/d.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def test_a_folder_lists_folders_and_media(folder):
    assert {entry.name for entry in list_folder(folder)} == {"sub/", "a.png", "b.wav"}
    everything = {entry.name for entry in list_folder(folder, everything=True)}
    assert everything == {"sub/", "a.png", "b.wav", "notes.txt", ".hidden.png"}


def test_folders_below_are_walked_the_nearest_first(folder):
    (folder / "sub" / "circle").symlink_to(folder)
    found = [entry.name for entry in FolderWalk(folder)]
    assert set(found[:3]) == {"sub/", "a.png", "b.wav"}
    assert set(found[3:6]) == {"circle/", "c.jpg", "deep/"} and found[6:] == ["d.png"]


def test_what_macos_shows_as_one_file_is_not_looked_into(folder):
    for name in ("Photos Library.photoslibrary", "Paint.app", "holiday.2024"):
        (folder / name).mkdir()
        (folder / name / "inside.png").write_bytes(b"x")
    found = [entry.path for entry in FolderWalk(folder)]
    assert folder / "Photos Library.photoslibrary" in found
    assert [path for path in found if path.name == "inside.png"] == [
        folder / "holiday.2024" / "inside.png"
    ]


def test_names_of_new_files_are_free(tmp_path):
    first = new_path(tmp_path / "x", "voice", ".wav")
    first.touch()
    assert new_path(tmp_path / "x", "voice", ".wav") != first
