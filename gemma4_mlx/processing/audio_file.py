"""A clip as mono samples at its own rate, whatever the file holds."""

from __future__ import annotations

import io
import math
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import soundfile

from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.limits import MIB
from gemma4_mlx.messages import AudioPart
from gemma4_mlx.processing.attached_file import check_file, permission_hint, to_wav
from gemma4_mlx.processing.container import FileState, is_container
from gemma4_mlx.processing.kept import Kept
from gemma4_mlx.processing.mono import Mix
from gemma4_mlx.processing.mpeg_audio import behind_tags, mpeg_frames
from gemma4_mlx.processing.ogg_pages import check_pages
from gemma4_mlx.processing.promised_size import check_size
from gemma4_mlx.processing.sound_track import read_sound, sound_length

SUPPORTED_AUDIO = "WAV, FLAC, OGG, MP3, AIFF"
MAX_DURATION_S = 30
"""The longest clip that the audio tower takes."""
LONGEST_RECORDING_S = 90 * 60
"""The longest recording that is cut into clips; its tokens would fill the context of E2B."""

_LENGTHS: Kept[tuple[int, int]] = Kept(MIB, nbytes=lambda _: 500)

_MAGICS = (b"RIFF", b"RF64", b"riff", b"FORM", b"fLaC", b"OggS", b"caff", b".snd")
_BLOCK = 4096  # samples, as in a FLAC frame
_SLACK_S = 0.1  # by which lengths err that are told by times
_UNKNOWN_LENGTH = 1 << 62
_MAX_CHANNELS = 32
_LOWEST_RATE, _HIGHEST_RATE = 1_000, 768_000  # in Hz
_FULL_SCALE = 4.0  # Float samples may overshoot 1 a little; beyond this they are not scaled.


class Recording:
    """A long file of which parts are heard; read when the first of them is, and not again.

    Args:
        part: the whole of it.

    Attributes:
        state: of the file.
    """

    def __init__(self, part: AudioPart) -> None:
        self._part = part
        self.state = FileState.of(part.source, part.name)

    @cached_property
    def samples(self) -> np.ndarray:
        """All of it, float32 [samples]."""
        return read_audio(self._part)[0]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Samples `start` to `stop - 1` of a recording at so many Hz: the source of an `AudioPart`."""

    recording: Recording
    start: int
    stop: int
    rate: int


def read_audio(part: AudioPart) -> tuple[np.ndarray, int]:
    """Read a clip or a long recording and mix its channels down.

    Returns:
        Samples float32 [samples], the mean of all channels, and the sampling rate in Hz.

    Raises:
        AttachmentError: it cannot be read, is too long (see `read_audio_length`), holds no
            usable samples, or its channels cancel each other.
    """
    if isinstance(part.source, Excerpt):
        heard = part.source
        return heard.recording.samples[heard.start : heard.stop], heard.rate
    samples, rate = _read(part)
    _check_rate(rate, part.name)
    _check_duration(samples.size and len(samples) / rate, part)
    peak = max(samples.max(), -samples.min())  # of an hour, without a second copy
    if not np.isfinite(peak):
        raise AttachmentError(
            f"{part.name} has samples that are not numbers (NaN or infinite)",
            "export the clip again",
        )
    if peak > _FULL_SCALE:
        raise AttachmentError(
            f"{part.name} has samples up to {peak:g}, expected -1 to 1",
            "divide 16-bit values by 32768",
        )
    mix = Mix()
    mono = mix.add(samples)
    mix.check(part.name, is_file=isinstance(part.source, str | Path))
    return mono, rate


def read_audio_length(part: AudioPart) -> tuple[int, int]:
    """Number of samples and sampling rate in Hz, from a file's header alone.

    Raises:
        AttachmentError: it cannot be read, has no samples, or is longer than 30 s where it must
            not be split, or than 90 min where it may.
    """
    if isinstance(part.source, Excerpt):
        return part.source.stop - part.source.start, part.source.rate
    if not isinstance(part.source, str | Path):
        samples, rate = _read(part)
        length = len(samples)
    elif is_container(Path(part.source)):
        length, rate = sound_length(FileState.of(part.source, part.name), part.name)
    else:
        state = FileState.of(part.source, part.name)
        length, rate = _LENGTHS.get(state, lambda: _length(state.path, part.name))
    _check_rate(rate, part.name)
    _check_duration(length / rate, part)
    return length, rate


def _read(part: AudioPart) -> tuple[np.ndarray, int]:
    """Samples as float32 [samples, channels]."""
    if not isinstance(part.source, str | Path):
        if not part.sampling_rate or part.sampling_rate < 0:
            raise AttachmentError(
                f"{part.name}: samples need their sampling rate, in Hz",
                "for example sampling_rate=16000",
            )
        return _channels_last(np.asarray(part.source), part.name), part.sampling_rate
    if is_container(Path(part.source)):
        read_audio_length(part)  # whether it is short enough
        samples, rate = read_sound(FileState.of(part.source, part.name), part.name)
        return samples[:, None], rate
    content = _content(Path(part.source), part.name)
    with _opened(content, part.name) as file:
        _check_duration(file.frames / file.samplerate, part)
        return _decoded(file, content, part.name), file.samplerate


def _length(path: Path, name: str) -> tuple[int, int]:
    with _opened(_content(path, name), name) as file:
        return file.frames, file.samplerate


def _decoded(file: soundfile.SoundFile, content: bytes, name: str) -> np.ndarray:
    """All of a file, float32 [samples, channels]."""
    samples = np.empty((0, file.channels), np.float32)
    with suppress(soundfile.SoundFileError):
        # Not to its end: some codecs, such as GSM, cannot tell where that is.
        samples = file.read(file.frames, dtype="float32", always_2d=True)
    if file.frames - len(samples) > _SLACK_S * file.samplerate:
        found_s = len(samples) / file.samplerate or _readable_s(content)
        raise AttachmentError(
            f"{name} is damaged: its header says {file.frames / file.samplerate:.1f} s, and "
            f"{found_s:.1f} s can be decoded",
            f"attach another copy. To hear what is there: {to_wav(name)}",
        )
    return samples


def _content(path: Path, name: str) -> bytes:
    """What the decoder gets of a file."""
    if path.is_dir():
        raise AttachmentError(f"{name} is a folder", "attach the clips in it one by one")
    check_file(path, name, "audio")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise AttachmentError(f"{name}: no such file", "check the path") from None
    except OSError as error:
        raise AttachmentError(
            f"{name} cannot be read: {error.strerror}", permission_hint()
        ) from None
    if not content:
        raise AttachmentError(f"{name} is empty (0 bytes)", "attach another copy")
    return _whole(content, name)


def _whole(content: bytes, name: str) -> bytes:
    """A file without its tags; the decoder would take one that was cut off for a short one."""
    content = content[behind_tags(content, 0) :]
    if not content.startswith(_MAGICS):
        frames = mpeg_frames(content, name)
        if frames is None:
            raise _of_no_known_type(name)
        return frames
    check_size(io.BytesIO(content), name)
    if content.startswith(b"OggS"):
        check_pages(content, name)
    if content.startswith(b"fLaC") and content.find(content[:8], 8) > 0:
        raise AttachmentError(
            f"{name} holds several recordings, one after the other",
            "attach them one by one: the decoder hears the first alone",
        )
    return content


class _Tape(io.BytesIO):
    """A file in memory in which damage cannot send the decoder before its beginning."""

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        try:
            return super().seek(offset, whence)
        except ValueError:  # of which Python would print a traceback: the decoder is in C
            return self.tell()


def _opened(content: bytes, name: str) -> soundfile.SoundFile:
    try:
        file = soundfile.SoundFile(_Tape(content))
    except soundfile.SoundFileError:
        raise _of_no_known_type(name) from None
    if file.frames >= _UNKNOWN_LENGTH:
        raise AttachmentError(
            f"{name} does not say how long it is",
            f"write it anew, for example with {to_wav(name)}",
        )
    if file.format == "FLAC" and not _has_end(file):
        raise AttachmentError(
            f"{name} is cut off: its header says {file.frames / file.samplerate:.1f} s, and "
            f"{_readable_s(content):.1f} s are there",
            "attach another copy; this one was not copied or downloaded to its end. To hear what "
            f"is there: {to_wav(name)}",
        )
    return file


def _has_end(file: soundfile.SoundFile) -> bool:
    try:
        file.seek(max(0, file.frames - 1))
        file.seek(0)
    except soundfile.SoundFileError:
        return False
    return True


def _readable_s(content: bytes) -> float:
    """How much of a damaged file can be decoded from its beginning, in seconds."""
    found_s = 0.0
    with suppress(soundfile.SoundFileError), soundfile.SoundFile(_Tape(content)) as file:
        while piece := len(file.read(_BLOCK)):
            found_s += piece / file.samplerate
    return found_s


def _of_no_known_type(name: str) -> AttachmentError:
    return AttachmentError(
        f"{name} is not a clip of a known type, or is damaged",
        f"supported: {SUPPORTED_AUDIO}; convert it, for example with {to_wav(name)}",
    )


def _channels_last(samples: np.ndarray, name: str) -> np.ndarray:
    if samples.ndim == 1:
        samples = samples[:, None]
    if samples.ndim != 2 or samples.shape[1] > _MAX_CHANNELS:
        raise AttachmentError(
            f"{name} is an array of shape {samples.shape}, expected [samples] or "
            f"[samples, channels] with at most {_MAX_CHANNELS} channels",
            "transpose it if the channels come first",
        )
    if samples.dtype in (np.int16, np.int32):
        return samples.astype(np.float32) / -float(np.iinfo(samples.dtype).min)
    if samples.dtype.kind != "f":
        raise AttachmentError(
            f"{name} is an array of {samples.dtype}, expected floats in -1..1, int16 or int32",
            "convert it to float32 in -1..1",
        )
    return samples.astype(np.float32)


def _check_rate(rate: int, name: str) -> None:
    if not _LOWEST_RATE <= rate <= _HIGHEST_RATE:
        raise AttachmentError(
            f"{name} has a sampling rate of {rate} Hz, expected {_LOWEST_RATE} to {_HIGHEST_RATE}",
            "check its header, or export it at 16000 Hz",
        )


def _check_duration(duration_s: float, part: AudioPart) -> None:
    if not duration_s:
        raise AttachmentError(
            f"{part.name} has no samples",
            "attach a clip with sound in it; if its recording was interrupted, ffmpeg may find "
            f"some: {to_wav(part.name)}",
        )
    longest_s = LONGEST_RECORDING_S if part.split else MAX_DURATION_S
    if duration_s <= longest_s:
        return
    if part.split:
        raise AttachmentError(
            f"{part.name} is {_up(duration_s / 60):.1f} min long, expected at most "
            f"{LONGEST_RECORDING_S // 60}",
            "attach the part of it that matters",
        )
    raise AttachmentError(
        f"{part.name} is {_up(duration_s):.1f} s long, and must not be split: the model hears "
        f"{MAX_DURATION_S} s at once",
        "let it be split, or attach a shorter clip",
    )


def _up(value: float) -> float:
    """To tenths: what is too long by little must not be told as if it were not."""
    return math.ceil(round(value * 10, 6)) / 10
