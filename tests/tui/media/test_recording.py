"""The microphone, and a recording with it."""

from __future__ import annotations

import sys
import wave
from array import array

import pytest

from gemma4_mlx.errors import AttachmentError
from tests.tui.devices import FakeMicrophone
from tui.attachments.microphone import SystemMicrophone, permission_hint
from tui.attachments.recording import Recording


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


class FakePortAudio(FakeSoundDevice):
    """Sees what was there when it began."""

    def __init__(self, *, plugged_in: bool) -> None:
        super().__init__()
        self.plugged_in, self.sees = plugged_in, False
        self.calls: list[str] = []

    def query_devices(self, kind):
        if not self.sees:
            raise PortAudioError("Error querying device -1")
        return super().query_devices(kind)

    def _terminate(self):
        self.calls.append("end")

    def _initialize(self):
        self.calls.append("begin")
        self.sees = self.plugged_in


def test_a_microphone_that_was_plugged_in_later_is_found(monkeypatch):
    sound = FakePortAudio(plugged_in=True)
    monkeypatch.setitem(sys.modules, "sounddevice", sound)
    microphone = SystemMicrophone(environ={})
    for _ in range(2):
        microphone.open(lambda block: None)
        microphone.close()
    assert (microphone.name, sound.calls) == ("USB microphone", ["end", "begin"])
    monkeypatch.setitem(sys.modules, "sounddevice", FakePortAudio(plugged_in=False))
    with pytest.raises(AttachmentError, match="has no microphone"):
        SystemMicrophone(environ={}).open(print)


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
