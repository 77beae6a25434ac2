"""Every kind of clip becomes mono samples, or one clear error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.messages import AudioPart
from gemma4_mlx.processing import audio_file
from gemma4_mlx.processing.audio import prepare_audio, stack_audio
from gemma4_mlx.processing.audio_file import read_audio, read_audio_length
from gemma4_mlx.processing.settings import AudioSettings
from tests.processing.patterns import chirp, clips

SETTINGS = AudioSettings()


def part(source: Any, rate: int | None = None) -> AudioPart:
    return AudioPart(source, rate, name="clip")


def saved(tmp_path: Path, suffix: str, samples: np.ndarray, **options: Any) -> Path:
    path = tmp_path / f"clip{suffix}"
    soundfile.write(path, samples, **options)
    return path


FILES = {
    "wav 16 bit": (".wav", {"subtype": "PCM_16"}, 1e-4),
    "wav 24 bit": (".wav", {"subtype": "PCM_24"}, 1e-6),
    "wav float": (".wav", {"subtype": "FLOAT"}, 1e-7),
    "wav 8 bit": (".wav", {"subtype": "PCM_U8"}, 2e-2),
    "wav 32 bit": (".wav", {"subtype": "PCM_32"}, 1e-6),
    "wav double": (".wav", {"subtype": "DOUBLE"}, 1e-7),
    "wav telephone": (".wav", {"subtype": "ALAW"}, 4e-2),
    "wav gsm": (".wav", {"subtype": "GSM610"}, None),
    "flac": (".flac", {}, 1e-4),
    "aiff": (".aiff", {}, 1e-4),
    "ogg": (".ogg", {}, 0.1),
    "mp3": (".mp3", {}, 0.15),
}


@pytest.mark.parametrize("kind", FILES)
def test_pain_10_files_are_read(tmp_path: Path, kind: str) -> None:
    suffix, options, tolerance = FILES[kind]
    path = saved(tmp_path, suffix, chirp(24000), samplerate=24000, **options)
    samples, rate = read_audio(part(path))
    assert rate == 24000
    assert samples.dtype == np.float32
    assert abs(len(samples) - 24000) < 2400
    if len(samples) == 24000 and tolerance:
        assert np.abs(samples - chirp(24000)).max() < tolerance
    assert read_audio_length(part(path)) == (len(samples), 24000)


@pytest.mark.parametrize("kind", ["wav 16 bit", "flac", "ogg", "mp3", "array"])
def test_channels_that_cancel_each_other_are_told(tmp_path: Path, kind: str) -> None:
    stereo = np.stack([chirp(48000), -chirp(48000)], axis=1)
    source, rate, cure = stereo, 48000, "samples[:, 0]"
    if kind != "array":
        suffix, options, _ = FILES[kind]
        source, rate = saved(tmp_path, suffix, stereo, samplerate=48000, **options), None
        cure = "ffmpeg -i clip -af 'pan=mono|c0=c0' mono"
    with pytest.raises(AttachmentError, match="cancel each other") as caught:
        read_audio(part(source, rate))
    assert cure in caught.value.hint


def test_channels_of_which_something_is_left_and_silence_are_heard(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(scale=0.1, size=(48000, 2))
    tilted = np.stack([chirp(48000), -0.9 * chirp(48000)], axis=1)
    for stereo in (noise, tilted, np.zeros((48000, 2)), np.zeros((48000, 1)), noise[:, :1]):
        path = saved(tmp_path, ".wav", stereo, samplerate=48000, subtype="FLOAT")
        assert np.allclose(read_audio(part(path))[0], stereo.mean(axis=1), atol=1e-6)


def test_a_recording_is_judged_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemma4_mlx.processing.mono._BLOCK", 1000)
    left = chirp(48000)
    right = -left
    with pytest.raises(AttachmentError, match="cancel each other"):
        read_audio(part(np.stack([left, right], axis=1), 48000))
    right[40000:] = 0  # what is heard begins here
    assert read_audio(part(np.stack([left, right], axis=1), 48000))[0][40000:].any()


def test_channels_are_averaged(tmp_path: Path) -> None:
    stereo = np.stack([chirp(16000), np.zeros(16000)], axis=1)
    path = saved(tmp_path, ".wav", stereo, samplerate=16000, subtype="FLOAT")
    for source in (part(path), part(stereo, 16000)):
        np.testing.assert_allclose(read_audio(source)[0], chirp(16000) / 2, atol=1e-6)


BAD_SAMPLES = {
    "nan": (np.array([0.0, np.nan] * 400), 16000, "not numbers"),
    "infinite": (np.full(800, np.inf), 16000, "not numbers"),
    "empty": (np.zeros(0), 16000, "no samples"),
    "no channels": (np.zeros((800, 0)), 16000, "no samples"),
    "too short": (np.zeros(160), 16000, "too short"),
    "too short at 48 kHz": (np.zeros(480), 48000, "too short"),
    "too long": (np.zeros(480_001), 16000, "30.1 s long, .* hears 30 s at once"),
    "too long at 8 kHz": (np.zeros(240_001), 8000, "30.1 s long, and must not"),
    "unscaled": (np.full(800, 20000.0), 16000, "expected -1 to 1"),
    "channels first": (np.zeros((2, 800)), 16000, "channels"),
    "three axes": (np.zeros((2, 2, 2)), 16000, "shape"),
    "bytes": (np.zeros(800, np.uint8), 16000, "uint8"),
    "odd rate": (np.zeros(800), 2**31 - 1, "sampling rate of"),
    "low rate": (np.zeros(800), 999, "sampling rate of 999"),
    "no rate": (np.zeros(800), None, "sampling rate"),
}


@pytest.mark.parametrize("kind", BAD_SAMPLES)
def test_bad_samples_are_attachment_errors(kind: str) -> None:
    samples, rate, message = BAD_SAMPLES[kind]
    with pytest.raises(AttachmentError, match=message) as error:
        prepare_audio(part(samples, rate), SETTINGS)
    assert "clip" in error.value.message
    assert error.value.hint
    assert error.value.exit_code == 5


@pytest.mark.parametrize("length", [161, 480_000])
def test_shortest_and_longest_clip(length: int) -> None:
    clip = prepare_audio(part(np.zeros(length), 16000), SETTINGS)
    assert clip.tokens == {161: 1, 480_000: 750}[length]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes"),
        (b"not a clip", "known type"),
        (b"\0\0\0\x18ftypM4A \0\0\0\0", "known type"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "cut off: its header says 44 bytes, and it has 16"),
    ],
    ids=["empty", "text", "m4a", "header"],
)
def test_bad_files_are_attachment_errors(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(content)
    for read in (read_audio, read_audio_length):
        with pytest.raises(AttachmentError, match=message) as error:
            read(part(path))
        assert error.value.hint


def test_nan_in_a_file(tmp_path: Path) -> None:
    samples = np.full(800, np.nan, np.float32)
    path = saved(tmp_path, ".wav", samples, samplerate=16000, subtype="FLOAT")
    with pytest.raises(AttachmentError, match="not numbers"):
        read_audio(part(path))


@pytest.mark.parametrize(
    ("split", "minutes", "said"), [(False, 1, "60.0 s"), (True, 91, "91.0 min")]
)
def test_long_file_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: bool, minutes: int, said: str
) -> None:
    path = saved(tmp_path, ".wav", np.zeros(1000 * 60 * minutes), samplerate=1000)
    monkeypatch.delattr(soundfile.SoundFile, "read")
    for read in (read_audio, read_audio_length):
        with pytest.raises(AttachmentError, match=said) as error:
            read(AudioPart(path, name=path.name, split=split))
        assert error.value.hint


def test_a_decoder_cannot_seek_before_the_beginning() -> None:
    tape = audio_file._Tape(b"abc")
    assert (tape.seek(2), tape.seek(-1), tape.read()) == (2, 2, b"c")


def test_a_hint_can_be_typed_whatever_the_file_is_called(tmp_path: Path) -> None:
    path = tmp_path / "New Recording 3.m4a"
    path.write_bytes(b"not a clip")
    with pytest.raises(AttachmentError) as error:
        read_audio(AudioPart(path, name=path.name))
    assert "ffmpeg -i 'New Recording 3.m4a' clip.wav" in error.value.hint


def test_missing_file_folder_and_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path, message in ((tmp_path / "no.wav", "no such file"), (tmp_path, "is a folder")):
        with pytest.raises(AttachmentError, match=message):
            read_audio(part(path))

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(AttachmentError, match="Permission denied") as error:
        read_audio(part(tmp_path / "clip.wav"))
    assert "permissions" in error.value.hint


def test_clips_of_different_length_are_padded_not_mixed() -> None:
    prepared = [prepare_audio(part(samples, 16000), SETTINGS) for samples in clips().values()]
    features, mask = stack_audio(prepared)
    assert features.shape == (*mask.shape, 128)
    assert mask.dtype == bool
    for index, clip in enumerate(prepared):
        count = len(clip.mask)
        np.testing.assert_array_equal(features[index, :count], clip.input_features)
        np.testing.assert_array_equal(mask[index, :count], clip.mask)
        assert not mask[index, count:].any()
        assert not features[index, count:].any()


def test_digest_tells_clips_apart() -> None:
    samples = chirp(16000)
    digests = [
        prepare_audio(part(source, rate), SETTINGS).sha256
        for source, rate in ((samples, 16000), (samples, 24000), (-samples, 16000))
    ]
    assert len(set(digests)) == 3
    assert prepare_audio(part(samples.copy(), 16000), SETTINGS).sha256 == digests[0]
