"""A file that was cut off is told; a whole one is heard whole, whatever stands around its sound."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.messages import AudioPart
from gemma4_mlx.processing.audio_file import read_audio, read_audio_length
from gemma4_mlx.processing.promised_size import promised_bytes
from tests.processing.patterns import chirp
from tests.processing.video_files import write_video

RATE, SECONDS = 24_000, 3
SAMPLES = np.concatenate([chirp(RATE)] * SECONDS)
SAMPLES += np.random.default_rng(3).normal(0, 0.02, len(SAMPLES))
ID3 = b"ID3\x04\0\0\0\0\x08\0" + bytes(1024)


def by_soundfile(suffix: str, **options: Any) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, SAMPLES, RATE, format=options.pop("format", suffix), **options)
    return file.getvalue()


def by_av(form: str, codec: str, samples: np.ndarray = SAMPLES, **options: Any) -> bytes:
    """What FFmpeg writes."""
    rate, kbps = options.pop("rate", RATE), options.pop("kbps", 64)
    file = io.BytesIO()
    with av.open(file, "w", format=form, options=options) as container:
        stream: Any = container.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = kbps * 1000
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(stream.format.name, "mono", rate)
        for piece in (*resampler.resample(frame), *resampler.resample(None), None):
            container.mux(stream.encode(piece))
    return file.getvalue()


def headerless(kbps: int = 64, **options: Any) -> bytes:
    return by_av("mp3", "libmp3lame", kbps=kbps, write_xing="0", id3v2_version="0", **options)


WHOLE = {
    "a.wav": lambda: by_soundfile("wav"),
    "float.wav": lambda: by_soundfile("wav", subtype="FLOAT"),
    "x.wav": lambda: by_soundfile("wav", format="WAVEX"),
    "adpcm.wav": lambda: by_soundfile("wav", subtype="IMA_ADPCM"),
    "av.wav": lambda: by_av("wav", "pcm_s16le"),
    "a.rf64": lambda: by_soundfile("rf64"),
    "av.rf64": lambda: by_av("wav", "pcm_s16le", rf64="always"),
    "a.w64": lambda: by_soundfile("w64"),
    "a.aiff": lambda: by_soundfile("aiff"),
    "av.aiff": lambda: by_av("aiff", "pcm_s16be"),
    "a.au": lambda: by_soundfile("au"),
    "av.au": lambda: by_av("au", "pcm_s16be"),
    "a.caf": lambda: by_soundfile("caf"),
    "a.flac": lambda: by_soundfile("flac"),
    "av.flac": lambda: by_av("flac", "flac"),
    "a.ogg": lambda: by_soundfile("ogg"),
    "opus.ogg": lambda: by_soundfile("ogg", subtype="OPUS"),
    "av.opus": lambda: by_av("ogg", "libopus"),
    "constant.mp3": lambda: by_soundfile("mp3", bitrate_mode="CONSTANT"),
    "variable.mp3": lambda: by_soundfile("mp3", bitrate_mode="VARIABLE"),
    "av.mp3": lambda: by_av("mp3", "libmp3lame", write_id3v1="1"),
    "av.m4a": lambda: by_av("ipod", "aac"),
    "pieces.m4a": lambda: by_av("mp4", "aac", movflags="frag_keyframe+empty_moov"),
    "av.mka": lambda: by_av("matroska", "aac"),
    "av.webm": lambda: by_av("webm", "libopus"),
}


def heard(tmp_path: Path, content: bytes, name: str = "clip") -> int:
    """How many samples of a file are heard; as many as are told before it is decoded."""
    path = tmp_path / name
    path.write_bytes(content)
    part = AudioPart(path, name=name)
    samples, rate = read_audio(part)
    assert read_audio_length(part) == (len(samples), rate)
    return round(len(samples) * RATE / rate)


def refusals(tmp_path: Path, content: bytes, name: str = "clip") -> set[str]:
    """What is said of a file, when it is attached and when it is heard."""
    path = tmp_path / name
    path.write_bytes(content)
    said = set()
    for read in (read_audio_length, read_audio):
        with pytest.raises(AttachmentError) as error:
            read(AudioPart(path, name=name))
        assert error.value.hint
        said.add(error.value.message)
    return said


@pytest.mark.parametrize("name", WHOLE)
def test_pain_13_a_whole_file_is_heard_and_a_cut_one_is_told(tmp_path: Path, name: str) -> None:
    whole = WHOLE[name]()
    assert abs(heard(tmp_path, whole, name) - len(SAMPLES)) < 0.1 * RATE
    for share in (0.99, 0.5, 0.3):
        [said] = refusals(tmp_path, whole[: int(share * len(whole))], name)
        assert said.startswith(f"{name} is cut off")


@pytest.mark.parametrize("name", [name for name in WHOLE if name.endswith((".mp3", ".flac"))])
def test_how_much_is_missing_is_told(tmp_path: Path, name: str) -> None:
    whole = WHOLE[name]()
    [said] = refusals(tmp_path, whole[: len(whole) // 2], name)
    promised, found = map(float, re.findall(r"([\d.]+) s", said))
    assert promised == pytest.approx(SECONDS, abs=0.1)
    assert found == pytest.approx(SECONDS / 2, abs=0.6)


@pytest.mark.parametrize("name", ["a.wav", "av.flac", "a.ogg", "av.opus", "av.mp3", "av.m4a"])
def test_what_stands_behind_the_sound_does_no_harm(tmp_path: Path, name: str) -> None:
    whole = WHOLE[name]()
    alone = heard(tmp_path, whole, name)
    noise = np.random.default_rng(13).bytes(5000)
    for tail in (bytes(5000), noise, b"TAG" + bytes(125)):
        assert heard(tmp_path, whole + tail, name) == alone


def test_sound_behind_the_end_of_a_wav_file_is_told(tmp_path: Path) -> None:
    """A recorder was ended before it wrote the length down; two files were put into one."""
    whole = WHOLE["a.wav"]()
    at, early = whole.index(b"data") + 4, RATE.to_bytes(4, "little")
    interrupted = whole[:at] + early + whole[at + 4 :]
    for content in (interrupted, whole + whole):
        [said] = refusals(tmp_path, content, "my talk.wav")
        assert said.startswith("my talk.wav goes on behind its end: its header says ")
    tags = (b"LIST" + (1 << 17).to_bytes(4, "little"), b"ID3\x04\0\0\0\x08\0\0")
    for tag in tags:
        assert heard(tmp_path, whole + tag + bytes(1 << 17)) == heard(tmp_path, whole)


def test_a_second_flac_behind_the_first_is_told(tmp_path: Path) -> None:
    whole = WHOLE["a.flac"]()
    [said] = refusals(tmp_path, whole + whole)
    assert said == "clip holds several recordings, one after the other"


TAGGED = {
    "two tags before": lambda mp3: ID3 + ID3 + mp3,
    "silence of bytes before": lambda mp3: bytes(5000) + mp3,
    "old and new tags behind": lambda mp3: (
        mp3 + b"APETAGEX" + bytes(2000) + b"APETAGEX" + bytes(24) + b"TAG" + bytes(125)
    ),
    "a large tag and noise": lambda mp3: (
        b"ID3\x04\0\0\0\x40\0\0" + bytes(1 << 20) + mp3 + np.random.default_rng(1).bytes(9999)
    ),
}


@pytest.mark.parametrize("kind", TAGGED)
@pytest.mark.parametrize("make", [WHOLE["av.mp3"], headerless], ids=["header", "headerless"])
def test_tags_around_an_mp3_do_no_harm(tmp_path: Path, kind: str, make: Any) -> None:
    whole = make()
    assert heard(tmp_path, TAGGED[kind](whole)) == heard(tmp_path, whole)


def test_pain_13_an_mp3_without_a_header_is_heard_to_its_end(tmp_path: Path) -> None:
    """The decoder guesses its length from its first frame."""
    low, high = headerless(kbps=24), headerless(kbps=160)
    for joined in (low + high, high + low, high + ID3 + low):
        assert abs(heard(tmp_path, joined) - 2 * len(SAMPLES)) < 0.2 * RATE


def test_pain_13_an_mp3_of_two_is_heard_to_its_end(tmp_path: Path) -> None:
    """The header of the first knows nothing of the second."""
    one = WHOLE["av.mp3"]()
    for joined in (one + one, one + ID3 + one):
        assert abs(heard(tmp_path, joined) - 2 * len(SAMPLES)) < 0.2 * RATE


def test_an_mp3_that_changes_its_rate_is_told(tmp_path: Path) -> None:
    for other in (headerless(rate=48_000), by_soundfile("mp3")):
        said = refusals(tmp_path, headerless(rate=44_100) + other)
        assert "changes its sampling rate or its channels after" in said.pop()


def test_an_mp3_without_a_header_that_ends_in_a_frame_is_told(tmp_path: Path) -> None:
    whole = headerless()
    [said] = refusals(tmp_path, whole[: len(whole) // 2 + 5])
    assert "cut off after 1.5 s, in the middle of a frame" in said


def test_a_header_that_was_never_filled_in_counts_for_nothing(tmp_path: Path) -> None:
    whole = bytearray(WHOLE["av.mp3"]())
    at = max(whole.find(b"Xing"), whole.find(b"Info"))
    whole[at + 8 : at + 12] = bytes(4)
    assert abs(heard(tmp_path, bytes(whole)) - len(SAMPLES)) < 0.1 * RATE


def test_the_old_header_of_another_encoder_is_understood(tmp_path: Path) -> None:
    whole = headerless()
    first = bytearray(whole[:192])  # 64 kbit/s at 24 kHz
    first[36:54] = b"VBRI" + bytes(10) + (len(whole) // 192).to_bytes(4, "big")
    assert abs(heard(tmp_path, bytes(first) + whole) - len(SAMPLES)) < 0.1 * RATE
    assert "its header says 3." in refusals(tmp_path, bytes(first) + whole[: len(whole) // 2]).pop()


def test_pain_10_an_ogg_without_its_last_mark_is_heard(tmp_path: Path) -> None:
    """As some phones write them."""
    whole = WHOLE["av.opus"]()
    last = whole.rfind(b"OggS")
    page = bytearray(whole[last:])
    assert page[5] & 4
    page[5] &= ~4
    page[6:14] = (151 * 960).to_bytes(8, "little")  # nor is the last packet shortened
    page[22:26] = bytes(4)
    page[22:26] = _ogg_sum(bytes(page)).to_bytes(4, "little")
    assert heard(tmp_path, whole[:last] + bytes(page)) >= len(SAMPLES)


def test_an_ogg_of_two_recordings_is_told(tmp_path: Path) -> None:
    one = WHOLE["a.ogg"]()
    assert "several recordings" in refusals(tmp_path, one + one).pop()


@pytest.mark.parametrize("name", ["a.ogg", "av.opus", "a.flac"])
def test_damage_in_the_middle_is_told(tmp_path: Path, name: str) -> None:
    content = bytearray(WHOLE[name]())
    content[len(content) * 3 // 4] ^= 0xFF
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AttachmentError, match=r"damaged: its header says 3\.0 s, and [012]\.\d s"):
        read_audio(AudioPart(tmp_path / name, name=name))


def test_a_flac_that_does_not_say_its_length_is_told(tmp_path: Path) -> None:
    content = bytearray(WHOLE["a.flac"]())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    assert "does not say how long it is" in refusals(tmp_path, bytes(content)).pop()


def test_a_recorder_that_does_not_know_the_length_is_believed(tmp_path: Path) -> None:
    """Some write 0 before they are closed, some the largest size there is."""
    whole = WHOLE["a.wav"]()
    for size in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f"):
        assert heard(tmp_path, whole[:4] + size + whole[8:]) == len(SAMPLES)
    endless = whole[:4] + b"\xff" * 4 + whole[8:40] + b"\xff" * 4 + whole[44:]
    assert heard(tmp_path, endless) == len(SAMPLES)
    unclosed = whole[:4] + bytes(4) + whole[8:40] + bytes(4) + whole[44:]
    assert "clip has no samples" in refusals(tmp_path, unclosed)


def test_sizes_that_no_file_has_do_no_harm() -> None:
    draw = np.random.default_rng(7)
    starts = (b"RIFF", b"FORM", b"RF64\xff\xff\xff\xffWAVEds64", b"riff", b".snd", b"\x1aE\xdf\xa3")
    starts += (b"\0\0\0\x10ftypM4A ", b"\0\0\0\1mdat", b"\0\0\0\5moov")
    for start in starts:
        for length in range(60):
            size = promised_bytes(io.BytesIO(start + draw.bytes(length)))
            assert size is None or size >= 0


@pytest.mark.parametrize("name", ["a.mp4", "fast.mp4", "a.mkv", "a.webm", "a.avi"])
def test_pain_60_a_video_says_how_long_it_should_be(tmp_path: Path, name: str) -> None:
    codec = {".webm": "libvpx", ".avi": "mpeg4"}.get(Path(name).suffix, "libx264")
    options: dict[str, Any] = {"movflags": "faststart"} if name == "fast.mp4" else {}
    path = write_video(tmp_path / name, 4, codec=codec, **options)
    with path.open("rb") as file:
        assert promised_bytes(file) == path.stat().st_size
    path.write_bytes(path.read_bytes() + bytes(5000))
    with path.open("rb") as file:
        assert promised_bytes(file) == path.stat().st_size - 5000


def _ogg_sum(page: bytes) -> int:
    value = 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF
    return value
