"""How long a file should be: what its own header says, held against what is there.

A file that was not copied to its end is read by most decoders as if it were a short one, and one
whose recorder was ended before it could write the length down is, too.

Reference: RIFF and RF64 (EBU Tech 3306), AIFF, Sony Wave64, Apple CAF, Sun AU, ISO 14496-12
(boxes), RFC 8794 (EBML).
"""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO, Literal, NamedTuple

from gemma4_mlx.errors import AttachmentError

BOXES = {b"ftyp", b"moov", b"mdat", b"moof", b"wide", b"free", b"skip", b"styp", b"sidx", b"mfra"}
"""What MP4 and QuickTime files are made of."""
MATROSKA = b"\x1aE\xdf\xa3"
"""How Matroska and WebM files begin."""

_SEGMENT = b"\x18S\x80g"  # all of a Matroska file but its first few bytes
_SLACK_BYTES = 8  # by which programs err that count a header twice
_UNKNOWN_BYTES = 0x7FFF_0000  # Who writes into a pipe gives about the largest size there is.
_UNKNOWN_LONG_BYTES = 1 << 62
_PADDING_BYTES = 1 << 16  # More than that behind the last chunk is no padding.
_HEAD_BYTES = 28  # enough for the header of any piece, or of a file
_MOST_PIECES = 200_000


class Piece(NamedTuple):
    """A chunk, box or element: its name, and the byte behind its last, where it says that."""

    name: bytes
    end: int | None


def check_size(file: BinaryIO, name: str) -> None:
    """See that a file is as long as its own header says; files of no known kind pass.

    Of what is longer, only WAV files are told: others may hold anything behind their end.

    Args:
        file: open; its position is changed.
        name: what errors call it.

    Raises:
        AttachmentError: it was cut off, or goes on behind its end.
    """
    promised, found = promised_bytes(file), file.seek(0, io.SEEK_END)
    if promised is not None and promised - found > _SLACK_BYTES:
        raise AttachmentError(
            f"{name} is cut off: its header says {promised} bytes, and it has {found}",
            "attach another copy; this one was not copied or downloaded to its end",
        )
    end = _end_of_chunks(file)
    if end is not None and found - end > _PADDING_BYTES:
        raise AttachmentError(
            f"{name} goes on behind its end: its header says {end} bytes, and it has {found}",
            "several recordings in a row, or one that was interrupted; to hear all that is there: "
            f"ffmpeg -ignore_length 1 -i {shlex.quote(name)} clip.wav",
        )


def _end_of_chunks(file: BinaryIO) -> int | None:
    """Where the chunks of a WAV file end; None of other files, and where that is not said."""
    start = _head(file, 0)
    if start[:4] != b"RIFF" or start[8:12] != b"WAVE":
        return None
    end: int | None = 12
    for piece in _pieces(file, 12, partial(_chunk, order="little")):
        if piece.name.startswith(b"ID3"):
            return None  # a tag, which knows its size in another way
        if piece.name == b"RIFF" or not re.fullmatch(rb"[\w ]{4}", piece.name):
            break
        end = piece.end
    return end


def promised_bytes(file: BinaryIO) -> int | None:
    """The size that a file's own header says; None where it says none, or is of no known kind."""
    start = _head(file, 0)
    match start[:4]:
        case b"RIFF":
            return _sound_end(file, "little", b"data")
        case b"FORM":
            return _sound_end(file, "big", b"SSND")
        case b"RF64" if start[12:16] == b"ds64":
            return _said(int.from_bytes(start[20:28], "little"), 8, _UNKNOWN_LONG_BYTES)
        case b"riff":
            return _said(int.from_bytes(start[16:24], "little"), 0, _UNKNOWN_LONG_BYTES)
        case b"caff":
            return _end_of(b"data", _pieces(file, 8, _long_chunk))
        case b".snd":
            return _said(int.from_bytes(start[8:12], "big"), int.from_bytes(start[4:8], "big"))
        case magic if magic == MATROSKA:
            return _end_of(_SEGMENT, _pieces(file, 0, _element))
        case _ if start[4:8] in BOXES:
            return max((box.end or 0 for box in _pieces(file, 0, _box)), default=None)
    return None


def _said(size: int, before: int, unknown: int = _UNKNOWN_BYTES) -> int | None:
    """Where something ends that begins `before` bytes into a file, if its size is one."""
    return before + size if 0 < size < unknown else None


def _sound_end(file: BinaryIO, order: Literal["little", "big"], name: bytes) -> int | None:
    """Where the chunk with the samples ends, or all chunks do: what is said, and less."""
    chunk = partial(_chunk, order=order)
    ends = (chunk(_head(file, 0), 0).end, _end_of(name, _pieces(file, 12, chunk)))
    return min((end for end in ends if end is not None), default=None)


def _end_of(name: bytes, pieces: Iterator[Piece]) -> int | None:
    return next((piece.end for piece in pieces if piece.name == name), None)


def _pieces(file: BinaryIO, at: int, read: Callable[[bytes, int], Piece | None]) -> Iterator[Piece]:
    """What lies one after the other from `at` on; the last may go on behind the file's end."""
    size = file.seek(0, io.SEEK_END)
    for _ in range(_MOST_PIECES):
        head = _head(file, at)
        piece = read(head, at) if len(head) >= 8 else None
        if piece is None:
            return
        yield piece
        if piece.end is None or piece.end >= size:
            return
        at = piece.end


def _chunk(head: bytes, at: int, order: Literal["little", "big"]) -> Piece:
    size = int.from_bytes(head[4:8], order)
    return Piece(head[:4], _said(size + size % 2, at + 8))


def _long_chunk(head: bytes, at: int) -> Piece:
    return Piece(head[:4], _said(int.from_bytes(head[4:12], "big"), at + 12, _UNKNOWN_LONG_BYTES))


def _box(head: bytes, at: int) -> Piece | None:
    size = int.from_bytes(head[:4], "big")
    if size == 1:
        size = int.from_bytes(head[8:16], "big")
    if head[4:8] not in BOXES or 0 < size < 8:
        return None
    return Piece(head[4:8], at + size if size else None)


def _element(head: bytes, at: int) -> Piece | None:
    """Of Matroska: name and size begin with as many zero bits as they have further bytes."""
    name_length = 9 - head[0].bit_length()
    size_length = 9 - head[name_length].bit_length() if name_length <= 4 else 9
    if size_length > 8 or len(head) < name_length + size_length:
        return None
    value = int.from_bytes(head[name_length : name_length + size_length], "big")
    size, unknown = value - (1 << 7 * size_length), (1 << 7 * size_length) - 1
    end = at + name_length + size_length + size
    return Piece(head[:name_length], None if size == unknown else end)


def _head(file: BinaryIO, at: int) -> bytes:
    file.seek(at)
    return file.read(_HEAD_BYTES)
