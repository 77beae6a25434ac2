"""What is on the clipboard, as the programs of each system tell it."""

from __future__ import annotations

import io
import sys

import pytest
from PIL import Image

from gemma4_mlx.errors import AttachmentError
from tests.tui.driver import clip, picture
from tui.attachments.clipboard import Clipboard, Copied, run_program


def png() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (4, 2), "red").save(content, "PNG")
    return content.getvalue()


def jpeg() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (4, 2), "red").save(content, "JPEG")
    return content.getvalue()


def linux(folder, offers: dict[str, bytes], program: str = "wl-paste") -> Clipboard:
    """A clipboard on Linux that has these types."""

    def run(command):
        if command[-1] in ("--list-types", "TARGETS"):
            return "\n".join(offers).encode()
        return offers[command[-1]]

    display = "WAYLAND_DISPLAY" if program == "wl-paste" else "DISPLAY"
    return Clipboard(
        folder,
        run=run,
        find=lambda name: name if name == program else None,
        platform="linux",
        environ={display: ":0"},
    )


def mac(folder, said: str, written: bytes = b"") -> Clipboard:
    """A clipboard on a Mac of which the script says this."""

    def run(command):
        assert command[:3] == ["osascript", "-l", "JavaScript"]
        if written:
            (folder / command[-1]).write_bytes(written)
        return said.encode()

    return Clipboard(folder, run=run, platform="darwin", environ={})


@pytest.mark.parametrize("program", ["wl-paste", "xclip"])
@pytest.mark.parametrize(("kind", "content"), [("image/png", png()), ("image/jpeg", jpeg())])
def test_pain_56_a_copied_picture_becomes_a_png_file(tmp_path, program, kind, content):
    offers = {"TARGETS": b"", kind: content, "text/plain": b"<img>"}
    copied = linux(tmp_path / "new", offers, program).read()
    assert [path.suffix for path in copied.paths] == [".png"]
    with Image.open(copied.paths[0]) as image:
        assert (image.format, image.size) == ("PNG", (4, 2))


def test_two_pictures_in_one_second_are_two_files(tmp_path):
    board = linux(tmp_path, {"image/png": png()})
    assert board.read().paths != board.read().paths


def test_copied_files_are_the_files_and_not_their_icons(tmp_path):
    path = picture(tmp_path, "a b.png")
    offers = {"text/uri-list": f"{path.as_uri()}\r\n".encode(), "image/png": png()}
    assert linux(tmp_path, offers).read() == Copied(paths=(path,))


def test_other_copied_files_are_text(tmp_path):
    path = tmp_path / "notes.txt"
    path.touch()
    copied = linux(tmp_path, {"text/uri-list": path.as_uri().encode()}).read()
    assert copied == Copied(text=path.as_uri())


def test_copied_text_is_text(tmp_path):
    assert linux(tmp_path, {"text/plain": "grüß\n".encode()}).read() == Copied(text="grüß\n")


def test_an_empty_clipboard_is_empty(tmp_path):
    assert linux(tmp_path, {}).read() == Copied()
    assert mac(tmp_path, "nothing\n").read() == Copied()


def test_a_mac_hands_over_files_pictures_and_text(tmp_path):
    first, second = picture(tmp_path, "a.png"), clip(tmp_path, "b c.wav")
    assert mac(tmp_path, f"files\n{first}\n{second}\n").read().paths == (first, second)
    saved = mac(tmp_path, "picture\n", png()).read().paths[0]
    assert saved.parent == tmp_path and saved.read_bytes() == png()
    assert mac(tmp_path, "text\nfiles\nline two\n\n").read() == Copied(text="files\nline two\n")


def test_a_mac_that_does_not_tell_has_no_empty_clipboard(tmp_path):
    """The script was ended, because somebody was asked for leave, or it failed."""
    with pytest.raises(AttachmentError, match="did not tell"):
        mac(tmp_path, "").read()


BROKEN = {
    "no picture": {"image/png": b""},
    "not a picture": {"image/tiff": b"what is this"},
}


@pytest.mark.parametrize("offers", BROKEN.values(), ids=BROKEN)
def test_a_picture_that_cannot_be_fetched_is_an_error(tmp_path, offers):
    with pytest.raises(AttachmentError, match="clipboard's picture"):
        linux(tmp_path, offers).read()


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(AttachmentError, match="cannot be"):
        linux(tmp_path / "file", {"image/png": png()}).read()
    with pytest.raises(AttachmentError, match="cannot be saved"):
        mac(tmp_path, "failed\n").read()


NOWHERE = {
    "no program": ({"DISPLAY": ":0"}, "install wl-clipboard or xclip"),
    "no display": ({}, "install wl-clipboard or xclip"),
    "over SSH": ({"SSH_CONNECTION": "1 2 3 4"}, "the terminal's key"),
}


@pytest.mark.parametrize(("environ", "hint"), NOWHERE.values(), ids=NOWHERE)
def test_where_nothing_can_tell_it_says_what_would(tmp_path, environ, hint):
    board = Clipboard(tmp_path, find=lambda name: None, platform="linux", environ=environ)
    with pytest.raises(AttachmentError) as error:
        board.read()
    assert hint in error.value.hint


def test_a_program_that_fails_or_is_not_there_has_said_nothing():
    assert run_program([sys.executable, "-c", "print('x'); raise SystemExit(1)"]) == b""
    assert run_program(["no-such-program-here"]) == b""
