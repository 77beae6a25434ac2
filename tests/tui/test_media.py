"""Pictures and sound on this machine, without any of its programs or devices."""

from __future__ import annotations

import io
import random
import sys
import wave
from array import array

import pytest
from PIL import Image, ImageDraw, ImageFont

from gemma4_mlx.errors import AttachmentError
from tests.tui.composing import FakeMicrophone
from tests.tui.driver import clip, picture
from tui.attachments.clipboard import Clipboard, Copied, run_program
from tui.attachments.folder_list import list_folder, walk_folder
from tui.attachments.half_blocks import LARGEST_SIDE, HalfBlocks, open_thumbnail
from tui.attachments.microphone import SystemMicrophone, permission_hint
from tui.attachments.player import Player
from tui.attachments.recording import Recording
from tui.attachments.scratch import new_path
from tui.attachments.small_text import looks_like_text

# --- The clipboard ---


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


# --- The microphone ---


def test_a_recording_is_a_wav_file_of_what_was_heard(tmp_path):
    microphone = FakeMicrophone()
    recording = Recording(microphone, tmp_path)
    microphone.hear(1.5)
    recording.take_in()
    assert (recording.seconds, recording.tokens, recording.part) == (1.5, 38, 1)
    assert 0.5 < max(recording.levels) <= 1
    path = recording.finish()
    assert not microphone.is_open
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (16000, 1, 24000)
        assert max(array("h", file.readframes(24000))) > 8000


def test_a_pause_is_left_out(tmp_path):
    microphone = FakeMicrophone()
    recording = Recording(microphone, tmp_path)
    for paused in (False, True, False):
        recording.is_paused = paused
        microphone.hear(1)
        recording.take_in()
    assert recording.seconds == 2


def test_beyond_thirty_seconds_the_next_part_begins(tmp_path):
    microphone = FakeMicrophone()
    recording = Recording(microphone, tmp_path)
    microphone.hear(31)
    recording.take_in()
    assert (recording.part, recording.tokens) == (2, 775)


def test_what_is_thrown_away_is_gone(tmp_path):
    microphone = FakeMicrophone()
    recording = Recording(microphone, tmp_path)
    recording.throw_away()
    assert list(tmp_path.iterdir()) == []
    assert not microphone.is_open


@pytest.mark.parametrize(
    ("seconds", "loudness", "silence"),
    [(0.1, 0, ""), (0.2, 0, "zeros"), (3, 0, "zeros"), (1, 50, ""), (3, 50, "quiet"), (3, 900, "")],
)
def test_a_refused_microphone_and_a_quiet_room_differ(tmp_path, seconds, loudness, silence):
    microphone = FakeMicrophone()
    recording = Recording(microphone, tmp_path)
    microphone.hear(seconds, loudness=loudness)
    recording.take_in()
    assert recording.silence == silence


def test_zeros_at_the_start_are_forgiven_once_sound_comes(tmp_path):
    microphone = FakeMicrophone()
    recording = Recording(microphone, tmp_path)
    microphone.hear(1, loudness=0)
    microphone.hear(1)
    recording.take_in()
    assert recording.silence == ""


def test_a_recording_that_cannot_be_saved_lets_go_of_the_microphone(tmp_path):
    (tmp_path / "file").touch()
    microphone = FakeMicrophone()
    with pytest.raises(AttachmentError, match="cannot be saved"):
        Recording(microphone, tmp_path / "file")
    assert not microphone.is_open


class PortAudioError(Exception):
    pass


class FakeSoundDevice:
    """The parts of sounddevice that are used."""

    PortAudioError = PortAudioError

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.options = {}

    def query_devices(self, kind):
        return {"name": "USB microphone", "default_samplerate": 44100.0}

    def RawInputStream(self, **options):
        self.options = options
        return self

    def start(self):
        if self.error:
            raise self.error
        self.options["callback"](bytearray(b"\1\0"), 1, None, None)

    def close(self):
        self.options = {}


def test_the_system_microphone_is_read_at_its_own_rate(monkeypatch):
    sound = FakeSoundDevice()
    monkeypatch.setitem(sys.modules, "sounddevice", sound)
    microphone, heard = SystemMicrophone(environ={}), []
    microphone.open(heard.append)
    assert (microphone.name, microphone.rate, heard) == ("USB microphone", 44100, [b"\1\0"])
    assert (sound.options["channels"], sound.options["dtype"]) == (1, "int16")
    microphone.close()
    assert sound.options == {}


REFUSALS = {
    "busy": (PortAudioError("Device unavailable"), "cannot be used: Device unavailable"),
    "none": (PortAudioError("Error querying device -1"), "has no microphone"),
}


@pytest.mark.parametrize(("error", "said"), REFUSALS.values(), ids=REFUSALS)
def test_a_microphone_that_does_not_open_is_an_error(monkeypatch, error, said):
    monkeypatch.setitem(sys.modules, "sounddevice", FakeSoundDevice(error))
    with pytest.raises(AttachmentError, match=said):
        SystemMicrophone(environ={}).open(print)


def test_without_the_library_or_over_ssh_it_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(AttachmentError) as error:
        SystemMicrophone(environ={}).open(print)
    assert "gemma4-mlx[voice]" in error.value.hint
    with pytest.raises(AttachmentError, match="on the other machine"):
        SystemMicrophone(environ={"SSH_CONNECTION": "1"}).open(print)


@pytest.mark.parametrize(
    ("program", "app"), [("Apple_Terminal", "Terminal"), ("iTerm.app", "iTerm"), ("x", "terminal")]
)
def test_the_app_that_needs_permission_is_named(program, app):
    hint = permission_hint({"TERM_PROGRAM": program}, "darwin")
    assert app in hint and "Microphone" in hint
    assert "muted" in permission_hint({}, "linux")


# --- The player ---


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


def test_where_nothing_plays_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(AttachmentError, match="nothing here can play"):
        Player(find=lambda name: None, environ={}).play(clip(tmp_path))
    with pytest.raises(AttachmentError, match="on the other machine"):
        Player(environ={"SSH_CONNECTION": "1"}).play(clip(tmp_path))


# --- Pictures as characters, and pictures of text ---


@pytest.mark.parametrize(
    ("size", "room", "columns", "lines"),
    [
        ((200, 100), (40, 40), 40, 10),
        ((100, 200), (40, 10), 10, 10),
        ((1, 1), (10, 10), 10, 5),
        ((4000, 3), (40, 10), 40, 1),
        ((3, 4000), (40, 10), 1, 10),
    ],
)
def test_half_blocks_fit_and_keep_the_proportions(size, room, columns, lines):
    blocks = HalfBlocks.fit(Image.new("RGB", size, "navy"), *room)
    assert (blocks.columns, len(blocks.lines)) == (columns, lines)
    assert all(line.cell_length == columns for line in blocks.lines)


def test_a_half_block_has_the_pixel_above_and_the_one_below():
    image = Image.new("RGB", (1, 2), "red")
    image.putpixel((0, 1), (0, 0, 255))
    [span] = HalfBlocks.fit(image, 1, 1).lines[0].spans
    assert (span.style.foreground.hex, span.style.background.hex) == ("#FF0000", "#0000FF")


def test_a_large_picture_is_kept_small(tmp_path):
    thumbnail = open_thumbnail(picture(tmp_path, size=(3000, 1500)), name="x")
    assert thumbnail.size == (LARGEST_SIDE, LARGEST_SIDE // 2)


def page() -> Image.Image:
    image, choose = Image.new("RGB", (1200, 1600), "white"), random.Random(1)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(20)
    for top in range(40, 1560, 30):
        words = ("".join(choose.choices("abcdefgh", k=choose.randint(2, 9))) for _ in range(14))
        draw.text((60, top), " ".join(words), fill="black", font=font)
    return image


def noise() -> Image.Image:
    return Image.effect_noise((800, 600), 90).convert("RGB")


def test_a_page_looks_like_text_and_nothing_else_does():
    assert looks_like_text(page())
    assert looks_like_text(page().rotate(90, expand=True))
    dark = page().point(lambda value: 255 - value)
    assert looks_like_text(dark)
    shapes = Image.new("RGB", (800, 600), "white")
    ImageDraw.Draw(shapes).ellipse((100, 100, 500, 500), fill="red")
    gradient = Image.linear_gradient("L").resize((800, 600)).convert("RGB")
    for other in (
        shapes,
        gradient,
        noise(),
        Image.new("RGB", (900, 900)),
        Image.new("RGB", (1, 1)),
    ):
        assert not looks_like_text(other)


# --- Folders ---


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


def test_folders_below_are_walked_as_deep_as_asked(folder):
    (folder / "sub" / "circle").symlink_to(folder)
    assert {entry.name for entry in walk_folder(folder, depth=1)} == {"sub/", "a.png", "b.wav"}
    assert "d.png" in {entry.name for entry in walk_folder(folder, depth=3)}


def test_names_of_new_files_are_free(tmp_path):
    first = new_path(tmp_path / "x", "voice", ".wav")
    first.touch()
    assert new_path(tmp_path / "x", "voice", ".wav") != first
