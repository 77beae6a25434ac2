"""MP3 files as their frames alone, counted.

A header that tells how many frames there are is optional, and wrong in files that were cut off or
put together. libmpg123, which decodes them, believes it, or guesses where there is none: then the
rest of a recording is not heard. Here the frames are counted, and the decoder is told.

Reference: ISO 11172-3 and 13818-3; the headers "Xing" and "Info" of LAME, and "VBRI".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.processing.attached_file import to_wav

_FIRST_BYTES = 1 << 16  # in which the first frame has to begin
_CHAIN = 3  # Frames in a row are none by chance.
_SLACK_FRAMES = 2  # by which programs err that count them
_LAYER_1, _LAYER_3 = 3, 1  # as headers give them
_RATES = (44_100, 48_000, 32_000)  # in Hz, of version 1
_RATE_HALVED = {3: 0, 2: 1, 0: 2}  # how often, by the version in the header
_KBPS = {  # by whether it is version 1, and by layer
    (True, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_KBPS[False, 1] = _KBPS[False, 2]


@dataclass(frozen=True, slots=True)
class _Kind:
    """What all frames of a file have in common.

    Attributes:
        second: their second byte, without its last bit: version and layer.
        rate: in Hz.
        is_mono: whether they have one channel.
    """

    second: int
    rate: int
    is_mono: bool

    @property
    def is_version_1(self) -> bool:
        return self.second >> 3 & 3 == 3

    @property
    def layer(self) -> int:
        """As in the header: 1 is layer III, as in MP3, and 3 is layer I."""
        return self.second >> 1 & 3

    @property
    def samples(self) -> int:
        """Of a frame, and each channel."""
        if self.layer == _LAYER_3:
            return 1152 if self.is_version_1 else 576
        return 384 if self.layer == _LAYER_1 else 1152

    @property
    def side_info_bytes(self) -> int:
        """Between a frame's header and its data, in layer III."""
        if self.is_version_1:
            return 17 if self.is_mono else 32
        return 9 if self.is_mono else 17

    def length(self, content: bytes, at: int) -> int:
        """Of the frame that begins there, in bytes; 0 if none of this kind does."""
        head = content[at : at + 4]
        is_one = len(head) == 4 and head[0] == 0xFF and head[1] & 0xFE == self.second
        if not is_one or (head[3] >> 6 == 3) != self.is_mono:
            return 0
        return _lengths(self)[head[2]]


def mpeg_frames(content: bytes, name: str) -> bytes | None:
    """All frames of an MP3 file, and before them one that says how many there are.

    Tags, and whatever else stands before, between and behind the frames, are left out.

    Args:
        content: of the file.
        name: what errors call it.

    Returns:
        What can be decoded; None of a file of another type.

    Raises:
        AttachmentError: it was cut off, or is not of one kind throughout.
    """
    start = behind_tags(content, 0)
    first = _find(content, start, start + _FIRST_BYTES)
    if first is None:
        return None
    at, kind = first
    promised = _promised_frames(content[at : at + kind.length(content, at)])
    spans, count, partial = _spans(content, at, kind, name)
    if promised is not None:
        count -= 1  # the frame that says it
    _check_count(count, promised, partial, kind, name)
    frames = b"".join(content[begin:end] for begin, end in spans)
    if promised == count or kind.layer != _LAYER_3:
        return frames
    behind = 0 if promised is None else kind.length(frames, 0)
    return _header(frames, count, kind) + frames[behind:]


def _spans(
    content: bytes, at: int, kind: _Kind, name: str
) -> tuple[list[tuple[int, int]], int, bool]:
    """Where frames follow each other, how many there are, and whether the last is incomplete."""
    spans: list[tuple[int, int]] = []
    count, begin, is_partial = 0, at, False
    while True:
        length = kind.length(content, at)
        if length and at + length <= len(content):
            count, at = count + 1, at + length
            continue
        spans.append((begin, at))
        is_partial = length > 0
        following = _find(content, behind_tags(content, at), len(content))
        if following is None:
            return spans, count, is_partial
        at, other = following
        if other != kind:
            raise AttachmentError(
                f"{name} changes its sampling rate or its channels after "
                f"{count * kind.samples / kind.rate:.1f} s",
                f"make one recording of it, for example with {to_wav(name)}",
            )
        begin = at


def _check_count(count: int, promised: int | None, partial: bool, kind: _Kind, name: str) -> None:
    hint = (
        "attach another copy; this one was not copied or downloaded to its end. To hear what is "
        f"there: {to_wav(name)}"
    )
    seconds = kind.samples / kind.rate
    if promised is not None and promised - count > (0 if partial else _SLACK_FRAMES):
        raise AttachmentError(
            f"{name} is cut off: its header says {promised * seconds:.1f} s, and "
            f"{count * seconds:.1f} s are there",
            hint,
        )
    if promised is None and partial:
        raise AttachmentError(
            f"{name} is cut off after {count * seconds:.1f} s, in the middle of a frame; how much "
            "is missing it does not say",
            hint,
        )


def _find(content: bytes, at: int, stop: int) -> tuple[int, _Kind] | None:
    """The first place before `stop` at which frames of a kind begin."""
    while (at := content.find(b"\xff", at, stop)) >= 0:
        kind = _kind_of(content[at : at + 4])
        if kind is not None and _is_chain(content, at, kind):
            return at, kind
        at += 1
    return None


def _is_chain(content: bytes, at: int, kind: _Kind) -> bool:
    for _ in range(_CHAIN):
        length = kind.length(content, at)
        if not length:
            return False
        at += length
    return True


def _kind_of(head: bytes) -> _Kind | None:
    """The kind of a frame with such a header; None if none has."""
    if len(head) < 4 or head[0] != 0xFF or head[1] < 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    rate = head[2] >> 2 & 3
    if version not in _RATE_HALVED or layer == 0 or rate == len(_RATES):
        return None
    return _Kind(head[1] & 0xFE, _RATES[rate] >> _RATE_HALVED[version], head[3] >> 6 == 3)


@lru_cache(maxsize=64)
def _lengths(kind: _Kind) -> list[int]:
    """Of frames by their third byte; 0 where it gives another rate, or no length."""
    lengths = [0] * 256
    per_kbps = (12 if kind.layer == _LAYER_1 else kind.samples // 8) * 1000
    unit = 4 if kind.layer == _LAYER_1 else 1
    rate = next(
        at for at, hertz in enumerate(_RATES) if kind.rate in (hertz, hertz // 2, hertz // 4)
    )
    for index, kbps in enumerate(_KBPS[kind.is_version_1, kind.layer], start=1):
        for low_bits in range(4):  # whether it is padded, and one of no meaning
            length = per_kbps * kbps // kind.rate + (low_bits >> 1)
            lengths[index << 4 | rate << 2 | low_bits] = unit * length
    return lengths


def behind_tags(content: bytes, at: int) -> int:
    """The place behind all ID3v2 tags that begin there."""
    while content[at : at + 3] == b"ID3" and at + 10 <= len(content):
        size = 0
        for seven_bits in content[at + 6 : at + 10]:
            size = size << 7 | seven_bits & 0x7F
        has_footer = content[at + 5] & 0x10
        at += 10 + size + (10 if has_footer else 0)
    return at


def _promised_frames(frame: bytes) -> int | None:
    """What a first frame says of how many follow it; None if it says nothing."""
    if frame[36:40] == b"VBRI":
        return int.from_bytes(frame[50:54], "big")
    for mark in (b"Xing", b"Info"):
        at = frame.find(mark, 4, 44)
        if at >= 0 and frame[at + 7] & 1:
            return int.from_bytes(frame[at + 8 : at + 12], "big")
    return None


def _header(frames: bytes, count: int, kind: _Kind) -> bytes:
    """A frame that says how many follow it, and nothing else."""
    begin = bytes([0xFF, kind.second | 1, 0x90 | frames[2] & 0x0C, frames[3]])
    says = b"Info" + (1).to_bytes(4, "big") + count.to_bytes(4, "big")
    head = begin + bytes(kind.side_info_bytes) + says
    return head + bytes(kind.length(begin, 0) - len(head))
