"""A clip as mono samples at its own rate, whatever the file holds."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import soundfile

from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.limits import MIB
from gemma4_mlx.messages import AudioPart
from gemma4_mlx.processing.attached_file import check_file
from gemma4_mlx.processing.container import FileState, is_container
from gemma4_mlx.processing.kept import Kept
from gemma4_mlx.processing.sound_track import read_sound, sound_length

SUPPORTED_AUDIO = "WAV, FLAC, OGG, MP3, AIFF"
MAX_DURATION_S = 30
"""The longest clip that the audio tower takes."""
LONGEST_RECORDING_S = 90 * 60
"""The longest recording that is cut into clips; its tokens would fill the context of E2B."""

_LENGTHS: Kept[tuple[int, int]] = Kept(MIB, nbytes=lambda _: 500)

_UNKNOWN_BYTES = 0x7FFF_0000
_SLACK_BYTES = 4096  # by which programs err that do not count what they put at the end
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
        AttachmentError: it cannot be read, is too long (see `read_audio_length`), or holds no
            usable samples.
    """
    if isinstance(part.source, Excerpt):
        heard = part.source
        return heard.recording.samples[heard.start : heard.stop], heard.rate
    samples, rate = _read(part)
    _check_rate(rate, part.name)
    if samples.size == 0:
        raise AttachmentError(f"{part.name} has no samples", "attach a clip with sound in it")
    _check_duration(len(samples) / rate, part)
    if not np.isfinite(samples).all():
        raise AttachmentError(
            f"{part.name} has samples that are not numbers (NaN or infinite)",
            "export the clip again",
        )
    if np.abs(samples).max() > _FULL_SCALE:
        raise AttachmentError(
            f"{part.name} has samples up to {np.abs(samples).max():g}, expected -1 to 1",
            "divide 16-bit values by 32768",
        )
    return samples.mean(axis=1, dtype=np.float32), rate


def read_audio_length(part: AudioPart) -> tuple[int, int]:
    """Number of samples and sampling rate in Hz, from a file's header alone.

    Raises:
        AttachmentError: it cannot be read, or is longer than 30 s where it must not be split,
            or than 90 min where it may.
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
    with _open(Path(part.source), part.name) as file:
        _check_duration(file.frames / file.samplerate, part)
        try:
            return file.read(dtype="float32", always_2d=True), file.samplerate
        except soundfile.SoundFileError as error:
            raise AttachmentError(
                f"{part.name} is damaged: {error}", "attach another copy"
            ) from None


def _length(path: Path, name: str) -> tuple[int, int]:
    with _open(path, name) as file:
        return file.frames, file.samplerate


def _open(path: Path, name: str) -> soundfile.SoundFile:
    if path.is_dir():
        raise AttachmentError(f"{name} is a folder", "attach the clips in it one by one")
    check_file(path, name, "audio")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise AttachmentError(f"{name}: no such file", "check the path") from None
    except OSError as error:
        raise AttachmentError(
            f"{name} cannot be read: {error.strerror}", "check its permissions"
        ) from None
    if not content:
        raise AttachmentError(f"{name} is empty (0 bytes)", "attach another copy")
    _check_whole(content, name)
    try:
        return soundfile.SoundFile(io.BytesIO(content))
    except soundfile.SoundFileError:
        raise AttachmentError(
            f"{name} is not a clip of a known type, or is damaged",
            f"supported: {SUPPORTED_AUDIO}; convert it, for example with ffmpeg -i {name} clip.wav",
        ) from None


def _check_whole(content: bytes, name: str) -> None:
    """A WAV or AIFF file that was cut off is read by libsndfile as if it were a short one."""
    if content[:4] not in (b"RIFF", b"FORM"):
        return
    size = content[4:8] if content[:4] == b"FORM" else content[7:3:-1]
    promised = 8 + int.from_bytes(size, "big")
    # Whoever writes into a pipe does not know the length, and gives about the largest there is.
    if promised < _UNKNOWN_BYTES and promised - len(content) > _SLACK_BYTES:
        raise AttachmentError(
            f"{name} is cut off: its header says {promised} bytes, and it has {len(content)}",
            "attach another copy; this one was not copied or downloaded to its end",
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
    longest_s = LONGEST_RECORDING_S if part.split else MAX_DURATION_S
    if duration_s <= longest_s:
        return
    if part.split:
        raise AttachmentError(
            f"{part.name} is {duration_s / 60:.1f} min long, expected at most "
            f"{LONGEST_RECORDING_S // 60}",
            "attach the part of it that matters",
        )
    raise AttachmentError(
        f"{part.name} is {duration_s:.1f} s long, and must not be split: the model hears "
        f"{MAX_DURATION_S} s at once",
        "let it be split, or attach a shorter clip",
    )
