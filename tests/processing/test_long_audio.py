"""Recordings of any length: nothing is dropped, and cuts are where it is quiet."""

from __future__ import annotations

import os

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.messages import AudioPart, TextPart, parse_messages
from gemma4_mlx.processing import audio, audio_file, clip_cost
from gemma4_mlx.processing.audio import prepare_audio
from gemma4_mlx.processing.audio_file import LONGEST_RECORDING_S, read_audio
from gemma4_mlx.processing.long_audio import clips_of, plan_cuts, split_long_clips, time_stamp
from gemma4_mlx.processing.settings import AudioSettings

RATE = 1000


def speech(seconds: float, pauses: tuple[float, ...] = ()) -> np.ndarray:
    """Noise that is loud, but for pauses of 0.4 s around some seconds."""
    samples = np.random.default_rng(5).normal(0, 0.3, int(seconds * RATE)).astype(np.float32)
    for pause in pauses:
        samples[int((pause - 0.2) * RATE) : int((pause + 0.2) * RATE)] *= 0.001
    return samples


@pytest.mark.parametrize(("seconds", "parts"), [(30.001, 2), (31, 2), (95, 4), (60, 3), (89, 4)])
def test_pain_13_audio_past_30_s_is_split_and_not_dropped(seconds, parts):
    samples = speech(seconds)
    spans = plan_cuts(samples, RATE)
    assert len(spans) == parts
    assert sum(stop - start for start, stop in spans) == len(samples)


@given(length=st.integers(30 * RATE + 1, 400 * RATE), seed=st.integers(0, 3))
def test_parts_are_all_of_it_in_order_and_short_enough(length, seed):
    samples = np.random.default_rng(seed).normal(0, 0.1, length).astype(np.float32)
    spans = plan_cuts(samples, RATE)
    assert [start for start, _ in spans[1:]] == [stop for _, stop in spans[:-1]]
    assert (spans[0][0], spans[-1][1]) == (0, length)
    assert all(0 < stop - start <= 30 * RATE for start, stop in spans)
    assert all(stop - start >= 0.4 * RATE for start, stop in spans)


def test_an_hour_is_no_more_parts_than_its_pauses_need():
    samples = np.random.default_rng(2).normal(0, 0.1, 3600 * 100).astype(np.float32)
    spans = plan_cuts(samples, 100)
    assert 120 <= len(spans) <= 144  # each cut is chosen from 5 s at least
    assert sum(stop - start for start, stop in spans) == len(samples)


def test_cuts_are_in_the_pauses():
    spans = plan_cuts(speech(70, pauses=(12.5, 27.0, 44.0)), RATE)
    cuts = [stop / RATE for _, stop in spans[:-1]]
    assert all(min(abs(cut - pause) for pause in (12.5, 27.0, 44.0)) < 0.15 for cut in cuts)


def test_of_several_silences_the_last_is_taken():
    samples = np.zeros(45 * RATE, np.float32)
    [(_, cut), _] = plan_cuts(samples, RATE)
    assert cut == pytest.approx(30 * RATE, abs=0.2 * RATE)


def test_a_long_recording_becomes_clips_with_time_stamps(tmp_path):
    path = tmp_path / "talk.wav"
    soundfile.write(path, speech(95, (29, 58, 87)), RATE, subtype="FLOAT")
    content = [{"type": "audio", "path": str(path)}, {"type": "text", "text": "Who speaks?"}]
    [message] = split_long_clips(parse_messages([{"role": "user", "content": content}]))
    stamps = [part.text for part in message.parts if isinstance(part, TextPart)]
    clips = [part for part in message.parts if isinstance(part, AudioPart)]
    assert stamps == [*[f"[{time_stamp(clip.start_s)}]" for clip in clips], "Who speaks?"]
    assert stamps[0] == "[0:00]"
    assert len(clips) == 4
    whole, _ = soundfile.read(path, dtype="float32")
    heard = [read_audio(clip)[0] for clip in clips]
    np.testing.assert_array_equal(np.concatenate(heard), whole)
    starts = np.cumsum([0, *map(len, heard[:-1])]) / RATE
    np.testing.assert_allclose([clip.start_s for clip in clips], starts)
    assert {clip.name for clip in clips} == {"talk.wav"}


@pytest.mark.parametrize("seconds", [31, 95, 700])
def test_what_is_not_read_is_told_about(tmp_path, seconds, monkeypatch):
    path = tmp_path / "talk.wav"
    soundfile.write(path, speech(seconds), RATE)
    exact = clip_cost(AudioPart(path))
    monkeypatch.setattr(audio_file, "_read", lambda part: pytest.fail("it was read"))
    about = clip_cost(AudioPart(path), read_s=30)
    assert (about.is_about, about.seconds) == (True, seconds) != (exact.is_about, seconds)
    assert 0 <= exact.tokens - about.tokens <= exact.parts
    assert abs(about.parts - exact.parts) <= 1


def test_pain_09_a_recording_is_read_once_until_it_changes(tmp_path, monkeypatch):
    path, reads = tmp_path / "talk.wav", []

    def hear():
        clips = clips_of(AudioPart(path))
        return [prepare_audio(clip, AudioSettings()).sha256 for clip in clips]

    def counted(part):
        reads.append(part)
        return read_audio(part)

    monkeypatch.setattr(audio_file, "read_audio", counted)
    soundfile.write(path, speech(31), RATE)
    assert hear() == hear()
    assert len(reads) == 1
    before, old = path.stat(), hear()
    soundfile.write(path, -speech(31), RATE)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert not set(hear()) & set(old)


def test_pain_09_the_longest_recording_is_kept_whole():
    """Had it no room, each of its parts would drive out the one that is asked for next."""
    frames, bins = 100 * LONGEST_RECORDING_S, AudioSettings().feature_size
    assert frames * bins * np.float32().nbytes <= audio._HEARD_BYTES


def test_short_clips_stay_as_they_are():
    messages = parse_messages(
        [
            {
                "role": "user",
                "content": [{"type": "audio", "audio": speech(30), "sampling_rate": RATE}],
            }
        ]
    )
    assert split_long_clips(messages)[0] is messages[0]
    assert clips_of(messages[0].parts[0]) == [messages[0].parts[0]]


def test_whoever_refuses_the_split_is_told():
    part = {"type": "audio", "audio": speech(31), "sampling_rate": RATE, "split": False}
    with pytest.raises(AttachmentError, match=r"31\.0 s long, and must not be split"):
        split_long_clips(parse_messages([{"role": "user", "content": [part]}]))


def test_the_cost_is_that_of_all_parts():
    samples = speech(95) * 0.1
    cost = clip_cost(AudioPart(samples, RATE))
    assert (cost.parts, cost.seconds) == (4, 95.0)
    parts = [clip_cost(AudioPart(samples[a:b], RATE)).tokens for a, b in plan_cuts(samples, RATE)]
    assert cost.tokens == sum(parts)
    assert cost.tokens == pytest.approx(95 * 25, abs=4)
