"""Video files of all kinds: the right frames, upright, without decoding all of them."""

from __future__ import annotations

import struct
import sys
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.messages import AudioPart, VideoPart
from gemma4_mlx.processing import clip_cost, video, video_cost
from gemma4_mlx.processing.audio_file import read_audio, read_audio_length
from gemma4_mlx.processing.container import FileState, is_container
from gemma4_mlx.processing.settings import VideoSettings
from gemma4_mlx.processing.video import frame_times, prepare_video, sample_frames
from gemma4_mlx.processing.video_file import _Reel, has_pictures, read_frames, read_video_header
from tests.processing.video_files import SOUND_RATE, tone, write_sound, write_video

NTSC = Fraction(30_000, 1001)


def header(path: Path):
    return read_video_header(FileState.of(path, path.name), path.name)


def frames_at(path: Path, times_s) -> list[np.ndarray]:
    state = FileState.of(path, path.name)
    return [np.asarray(image) for image in read_frames(state, times_s, path.name)]


def all_frames(path: Path) -> list[np.ndarray]:
    """As the reference reads them: decoded from first to last, and counted."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


KINDS = {
    "a.mp4": {},
    "short groups.mp4": {"count": 90, "key_every": 7},
    "ntsc.mov": {"count": 67, "rate": NTSC, "key_every": 12},
    "a.mkv": {"count": 70, "key_every": 9, "sound_s": 2.0},
    "a.webm": {"codec": "libvpx", "count": 40, "rate": 24, "sound_s": 1.0},
    "a.avi": {"codec": "mpeg4", "count": 45, "rate": 25},
    "a.ts": {"count": 50, "key_every": 20},
    "a.wmv": {"codec": "wmv2", "count": 40, "key_every": 12},
    "one.mp4": {"count": 1},
    "odd.avi": {"codec": "mpeg4", "count": 3, "size": (65, 63)},
}


@pytest.mark.parametrize("name", KINDS)
def test_frames_are_those_that_the_reference_counts_to(tmp_path, name):
    path = write_video(tmp_path / name, **KINDS[name])
    assert is_container(path) and has_pictures(path, name)
    decoded, found = all_frames(path), header(path)
    assert found.frames == len(decoded) == KINDS[name].get("count", 20)
    assert found.frame_rate == pytest.approx(float(KINDS[name].get("rate", 10)))
    assert (found.height, found.width) == decoded[0].shape[:2]
    assert found.has_sound == ("sound_s" in KINDS[name])
    indices = sample_frames(found.frames, 32)
    seen = frames_at(path, frame_times(found, VideoSettings()))
    for index, frame in zip(indices, seen, strict=True):
        np.testing.assert_array_equal(frame, decoded[index])


def test_a_camera_puts_a_time_before_each_packet(tmp_path):
    stream = write_video(tmp_path / "a.ts", 12).read_bytes()
    packets = [b"\0\0\0\0" + stream[at : at + 188] for at in range(0, len(stream), 188)]
    path = tmp_path / "a.mts"
    path.write_bytes(b"".join(packets))
    assert is_container(path)
    assert header(path).frames == 12
    assert len(frames_at(path, [0.0, 0.5, 1.1])) == 3


@pytest.mark.parametrize("name", ["a.mpg", "a.vob"])
def test_a_program_stream_is_read(tmp_path, name):
    """Its times are those of packs, so that a frame may be taken for its neighbour."""
    path = write_video(tmp_path / name, 60, 25, codec="mpeg2video", key_every=12)
    assert is_container(path)
    decoded, found = all_frames(path), header(path)
    assert 0.8 * 60 < found.frames <= len(decoded) == 60
    times = frame_times(found, VideoSettings())
    for time, seen in zip(times, frames_at(path, times), strict=True):
        near = decoded[max(0, round(time * 25) - 1) : round(time * 25) + 2]
        assert any((frame == seen).all() for frame in near)


class Counting:
    """A container that counts the frames that are decoded."""

    def __init__(self, container):
        self.container, self.frames = container, 0

    def __getattr__(self, name):
        return getattr(self.container, name)

    def decode(self, stream):
        for frame in self.container.decode(stream):
            self.frames += 1
            yield frame


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_what_lies_between_two_frames_is_not_decoded(tmp_path, name):
    path = write_video(tmp_path / name, 600, 30, size=(16, 16), key_every=5, codec="mpeg4")
    with av.open(str(path)) as container:
        counting = Counting(container)
        times = [index * 600 // 8 / 30 for index in range(8)]
        reel = _Reel(counting, container.streams.video[0], times)
        assert all(reel.frame(index) for index in range(8))
    assert counting.frames < 8 * 20


def test_frames_that_are_near_are_decoded_once(tmp_path):
    path = write_video(tmp_path / "a.mp4", 64)
    with av.open(str(path)) as container:
        counting = Counting(container)
        reel = _Reel(counting, container.streams.video[0], [index / 5 for index in range(32)])
        assert all(reel.frame(index) for index in range(32))
    assert counting.frames <= 64


def test_a_variable_rate_gives_what_is_on_screen_at_the_time(tmp_path):
    at_ms = [0, 100, 200, 1000, 1100, 5000, 5100, 5200]
    path = write_video(tmp_path / "a.mp4", len(at_ms), at_ms=at_ms)
    decoded, found = all_frames(path), header(path)
    assert (found.frames, found.duration_s) == (8, pytest.approx(5.2, abs=0.3))
    times = frame_times(found, VideoSettings())
    slack = 0.25 / found.frame_rate
    places = [sum(shown / 1000 <= time + slack for shown in at_ms) - 1 for time in times]
    assert len(set(places)) < len(at_ms)  # the reference would take each once
    for place, frame in zip(places, frames_at(path, times), strict=True):
        np.testing.assert_array_equal(frame, decoded[place])


@pytest.mark.parametrize(
    ("turn", "size", "corner"),
    [
        (0, (64, 48), (0, 0)),
        (90, (48, 64), (-1, 0)),
        (-90, (48, 64), (0, -1)),
        (180, (64, 48), (-1, -1)),
    ],
)
def test_a_phone_that_was_turned_gives_upright_frames(tmp_path, turn, size, corner):
    path = write_video(tmp_path / "a.mp4", 2, turn=turn)
    found = header(path)
    assert (found.width, found.height) == size
    [frame] = frames_at(path, [0.0])
    assert frame.shape[:2] == size[::-1]
    red = frame[corner]
    assert red[0] > 200 and red[1:].max() < 60
    cost = video_cost(VideoPart(path))
    assert (cost.seen_width > cost.seen_height) == (size[0] > size[1])


def cut(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


BROKEN = {
    "index at the end.mp4": (lambda path: cut(write_video(path, 200), 0.6), "cut off"),
    "index first.mp4": (
        lambda path: cut(write_video(path, 200, movflags="faststart"), 0.6),
        r"cut off: its header says \d+ bytes, and it has \d+",
    ),
    "cut.mkv": (lambda path: cut(write_video(path, 200), 0.6), "cut off"),
    "text.mp4": (lambda path: path.write_text("not a video"), "not a video of a known type"),
    "damaged.mp4": (lambda path: path.write_bytes(b"\0\0\0\x20ftypisom" + bytes(99)), "damaged"),
    "empty.mp4": (lambda path: path.touch(), "empty"),
    "folder.mp4": (lambda path: path.mkdir(), "is a folder"),
    "missing.mp4": (lambda path: None, "no such file"),
    "sound.mp4": (lambda path: write_sound(path, 0.5), "has no pictures, only sound"),
    "long.mp4": (
        lambda path: write_video(path, 27, Fraction(1, 400), size=(16, 16)),
        r"is 180\.0 min long, expected at most 90: .* one frame every few minutes",
    ),
    "says more.mkv": (lambda path: lies(path, 400), r"cut off: its header says 400\.0 s"),
    "says less.mkv": (lambda path: lies(path, 0.5), r"goes on for 4\.0 s, and .* says 0\.5 s"),
    "says hours.mkv": (lambda path: lies(path, 10_800), r"is 180\.0 min long"),
}


def lies(path: Path, seconds: float) -> None:
    """Write a video whose header says another length."""
    content = bytearray(write_video(path, 40, sound_s=4.0).read_bytes())
    at = content.find(b"\x44\x89\x88") + 3
    content[at : at + 8] = struct.pack(">d", seconds * 1000)
    path.write_bytes(content.replace(b"DURATION", b"OTHERTAG"))


@pytest.mark.parametrize("name", BROKEN)
def test_pain_60_a_file_that_cannot_be_used_is_told(tmp_path, name):
    write, message = BROKEN[name]
    write(tmp_path / name)
    with pytest.raises(AttachmentError, match=message) as error:
        video_cost(VideoPart(tmp_path / name, name=name))
    assert error.value.exit_code == 5
    assert name in error.value.message and error.value.hint


@pytest.mark.parametrize(("codec", "kind"), [(b"V_MPEG4/ISO/AVC", "pictures"), (b"A_AAC", "sound")])
def test_pain_60_a_track_without_a_decoder_is_told(tmp_path, codec, kind):
    path = write_video(tmp_path / "a.mkv", 2, sound_s=0.5)
    path.write_bytes(path.read_bytes().replace(codec, codec[:-1] + b"Q"))
    with pytest.raises(AttachmentError, match=f"a.mkv has {kind} in a format that is not known"):
        video_cost(VideoPart(path, name="a.mkv"))
        clip_cost(AudioPart(path, name="a.mkv"))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_pain_60_damage_anywhere_is_told_or_does_no_harm(tmp_path, name):
    draw = np.random.default_rng(60)
    whole = np.frombuffer(write_video(tmp_path / name, 40, sound_s=1.0).read_bytes(), np.uint8)
    for bad in (1, 10, 100):
        damaged = whole.copy()
        damaged[draw.integers(0, len(whole), bad)] = draw.integers(0, 256, bad)
        (tmp_path / name).write_bytes(damaged.tobytes())
        part = VideoPart(tmp_path / name)
        for look in (prepare_video, lambda part, _: read_audio(AudioPart(part.source))):
            with suppress(AttachmentError):
                look(part, VideoSettings())


def test_without_the_extra_its_name_is_told(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AttachmentError, match=r"reader for those is not installed") as error:
        video_cost(VideoPart(path))
    assert error.value.hint == "pip install 'gemma4-mlx[video]'"


def test_a_path_is_never_an_address():
    with pytest.raises(AttachmentError, match="no such file"):
        video_cost(VideoPart("http://localhost/a.mp4"))


def test_pain_09_each_of_many_videos_is_decoded_once(tmp_path, monkeypatch):
    reads = []

    def counted(file, times_s, name):
        reads.append(name)
        return read_frames(file, times_s, name)

    monkeypatch.setattr(video, "read_frames", counted)
    films = [write_video(tmp_path / f"{index}.mp4", 32, size=(16, 16)) for index in range(6)]
    for film in [*films, *films]:
        prepare_video(VideoPart(film, name=film.name), VideoSettings())
    assert reads == [film.name for film in films]


def test_a_file_that_changes_is_read_again(tmp_path):
    path = tmp_path / "a.mp4"
    before = prepare_video(VideoPart(write_video(path, 2)), VideoSettings())
    again = prepare_video(VideoPart(path), VideoSettings())
    assert (again.sha256, again.pixels is before.pixels) == (before.sha256, True)
    after = prepare_video(VideoPart(write_video(path, 3)), VideoSettings())
    assert (before.cost.frames, after.cost.frames) == (2, 3)
    assert after.sha256 != before.sha256


@pytest.mark.parametrize("name", ["a.webm", "a.mkv"])
def test_pain_60_a_recording_of_a_browser_is_seen_and_heard_whole(tmp_path, name):
    """It is written as it is made, and says nothing of its length."""
    codec = "libvpx" if name == "a.webm" else "libx264"
    path = write_video(tmp_path / name, 40, codec=codec, key_every=10, sound_s=4.0, live="1")
    with av.open(str(path)) as container:
        assert container.duration is None
    found = header(path)
    assert (found.frames, found.duration_s) == (40, pytest.approx(4.0, abs=0.05))
    seen = prepare_video(VideoPart(path), VideoSettings())
    assert len({frame.tobytes() for frame in seen.pixels}) == 32
    samples, rate = read_audio(AudioPart(path, name=name))
    assert (len(samples), rate) == read_audio_length(AudioPart(path, name=name))
    assert len(samples) / rate == pytest.approx(4.0, abs=0.05)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm"])
def test_the_sound_is_read_whole(tmp_path, name):
    codec = "libvpx" if name == "a.webm" else "libx264"
    path = write_video(tmp_path / name, 10, codec=codec, sound_s=1.5)
    part = AudioPart(path, name=name)
    samples, rate = read_audio(part)
    assert (len(samples), rate) == read_audio_length(part)
    assert rate == SOUND_RATE
    assert len(samples) / rate == pytest.approx(1.5, abs=0.1)
    middle = slice(rate // 2, rate)
    power = np.abs(np.fft.rfft(samples[middle]))
    assert np.argmax(power) == pytest.approx(440 / 2, abs=1)
    assert samples[middle].std() == pytest.approx(tone(1)[: rate // 2].std(), rel=0.1)


def test_damaged_sound_is_told_with_what_is_there(tmp_path):
    path = write_sound(tmp_path / "a.m4a", 20.0)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 5000] = bytes(5000)
    path.write_bytes(content)
    with pytest.raises(AttachmentError, match=r"header says 20\.0 s of sound, and 10\.\d s can"):
        read_audio(AudioPart(path, name="a.m4a"))


def test_a_broadcast_that_ends_in_a_frame_is_heard(tmp_path):
    """Whoever records it stops anywhere."""
    whole = write_video(tmp_path / "a.ts", 40, sound_s=4.0).read_bytes()
    for packets in range(4, 40, 5):
        (tmp_path / "b.ts").write_bytes(whole[: -188 * packets])
        samples, rate = read_audio(AudioPart(tmp_path / "b.ts", name="b.ts"))
        assert 3 < len(samples) / rate <= 4.1


def test_a_track_of_sound_without_sound_is_none(tmp_path):
    path = write_video(tmp_path / "a.mkv", 4, sound_s=1.0, mute=True)
    with av.open(str(path)) as container:
        assert container.streams.audio
    assert not header(path).has_sound


def test_a_clip_in_a_file_for_videos_is_a_clip(tmp_path):
    path = write_sound(tmp_path / "a.m4a", 2.0)
    assert is_container(path) and not has_pictures(path, "a.m4a")
    assert clip_cost(AudioPart(path)).tokens == 50


def test_channels_that_cancel_each_other_are_told_of_these_files_too(tmp_path):
    path = write_sound(tmp_path / "a memo.m4a", 1.0, 1.0, -1.0)
    with pytest.raises(AttachmentError, match="cancel each other") as caught:
        read_audio(AudioPart(path, name=path.name))
    assert "ffmpeg -i 'a memo.m4a' -af 'pan=mono|c0=c0' mono.m4a" in caught.value.hint
    path = write_sound(tmp_path / "fine.m4a", 1.0, 1.0, -0.5)
    samples, _ = read_audio(AudioPart(path, name=path.name))
    assert samples.std() == pytest.approx(tone(1.0).std() / 4, rel=0.1)


def test_a_video_without_sound_is_no_clip(tmp_path):
    path = write_video(tmp_path / "a.mp4", 2)
    with pytest.raises(AttachmentError, match="has no sound"):
        clip_cost(AudioPart(path, name="a.mp4"))
