"""Clips are played by what there is."""

from __future__ import annotations

import sys

import pytest

from gemma4_mlx.errors import AttachmentError
from tests.tui.driver import clip
from tui.attachments.player import Player


def script(folder):
    """A program that plays for as long as it is let."""
    path = folder / "afplay"
    path.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    path.chmod(0o755)
    return path


def test_a_clip_is_played_by_the_first_program_there_is(tmp_path, monkeypatch):
    script(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    playing = Player(environ={}).play(clip(tmp_path))
    assert not playing.is_over
    playing.stop()
    playing.stop()
    assert playing.is_over


@pytest.mark.parametrize(
    ("name", "program"),
    [("a.ogg", "ffplay"), ("a.OGG", "ffplay"), ("a.MP3", "afplay"), ("a.m4a", "afplay")],
)
def test_a_mac_leaves_to_others_what_it_does_not_know(tmp_path, monkeypatch, name, program):
    begun = []
    monkeypatch.setattr(
        "tui.attachments.player.subprocess.Popen", lambda command, **_: begun.append(command)
    )
    here = {"afplay", "ffplay"}
    Player(find=lambda each: each if each in here else None, environ={}).play(tmp_path / name)
    assert begun[0][0] == program and begun[0][-1] == str(tmp_path / name)


def test_where_nothing_plays_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(AttachmentError, match="nothing here can play"):
        Player(find=lambda name: None, environ={}).play(clip(tmp_path))
    with pytest.raises(AttachmentError, match="on the other machine"):
        Player(environ={"SSH_CONNECTION": "1"}).play(clip(tmp_path))
