"""Decoders that are there and that are missing."""

from __future__ import annotations

import sys
from importlib import import_module

import pytest

from gemma4_mlx.doctor import media


def test_a_decoder_that_is_missing_is_named(monkeypatch):
    import soundfile
    from PIL import features

    known = soundfile.available_formats()
    monkeypatch.setattr(soundfile, "available_formats", lambda: {**known} | {"MP3": ""})
    assert media.clips().level == "ok"
    del known["MP3"]
    monkeypatch.setattr(soundfile, "available_formats", lambda: known)
    found = media.clips()
    assert (found.level, found.text.endswith("does not decode MP3")) == ("warning", True)
    monkeypatch.setattr(features, "check", lambda feature: feature != "webp")
    found = media.pictures()
    assert (found.level, found.text) == ("warning", "this Pillow does not decode WebP")


@pytest.mark.parametrize(("module", "check"), [("soundfile", "clips"), ("PIL", "pictures")])
def test_a_library_that_cannot_be_loaded_is_an_error(monkeypatch, module, check):
    monkeypatch.setitem(sys.modules, module, None)
    assert getattr(media, check)().level == "error"


@pytest.mark.parametrize(
    ("check", "module", "text"),
    [
        (media.heic, "pi_heif", "HEIC, by pi-heif 1.1.0"),
        (media.video, "av", "videos and M4A clips, by PyAV 1.1.0"),
    ],
)
def test_extras_are_told_or_how_to_get_them(monkeypatch, check, module, text):
    monkeypatch.setattr(media, "version", lambda name: "1.1.0")
    monkeypatch.setattr(media, "import_module", lambda name: None)
    assert check().text == text
    monkeypatch.setattr(media, "import_module", import_module)
    monkeypatch.setitem(sys.modules, module, None)
    assert f"gemma4-mlx[{check.__name__}]" in check().cure


class FakeSound:
    """sounddevice, with one microphone or none."""

    PortAudioError = RuntimeError

    def __init__(self, *names):
        self._names = names

    def query_devices(self, kind):
        for name in self._names:
            return {"name": name}
        raise self.PortAudioError(f"Error querying device -1: no {kind}")


@pytest.mark.parametrize(
    ("sound", "level", "said"),
    [
        (FakeSound("MacBook Microphone"), "ok", "MacBook Microphone"),
        (FakeSound(), "info", "this machine has no microphone: attach a file"),
        (OSError("PortAudio library not found"), "info", "recording needs the library PortAudio"),
        (ImportError("sounddevice"), "info", "recording in the chat is an extra"),
    ],
)
def test_a_microphone_is_named_or_what_it_lacks(monkeypatch, sound, level, said):
    def load(name):
        if isinstance(sound, Exception):
            raise sound
        return sound

    monkeypatch.setattr(media, "import_module", load)
    found = media.microphone()
    assert (found.level, found.text, found.data["can_record"]) == (level, said, level == "ok")
