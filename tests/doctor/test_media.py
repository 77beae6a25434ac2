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


def test_heic(monkeypatch):
    monkeypatch.setattr(media, "version", lambda name: "1.1.0")
    monkeypatch.setattr(media, "import_module", lambda name: None)
    assert media.heic().text == "HEIC, by pi-heif 1.1.0"
    monkeypatch.setattr(media, "import_module", import_module)
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    assert "gemma4-mlx[heic]" in media.heic().cure


@pytest.mark.parametrize(
    ("there", "cure"),
    [("afconvert", "afconvert -f WAVE"), ("ffmpeg", "ffmpeg -i"), ("", "install")],
)
def test_m4a_is_converted_with_what_is_there(monkeypatch, there, cure):
    monkeypatch.setattr(media.shutil, "which", lambda name: name if name == there else None)
    assert media.m4a().cure.startswith(cure)
