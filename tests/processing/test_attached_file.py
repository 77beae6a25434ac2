"""What is not opened: pipes, devices, and files that would fill the memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gemma4_mlx.cli.attachments import attachment
from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.messages import AudioPart
from gemma4_mlx.processing.attached_file import LARGEST_BYTES
from gemma4_mlx.processing.audio_file import read_audio_length
from gemma4_mlx.processing.image_file import read_image_size


def length(path: Path) -> tuple[int, int]:
    return read_audio_length(AudioPart(path, name=path.name))


def size(path: Path) -> tuple[int, int]:
    return read_image_size(path, name=path.name)


@pytest.mark.parametrize("read", [attachment, length, size])
def test_a_pipe_is_not_waited_for(tmp_path: Path, read) -> None:
    pipe = tmp_path / "picture.png"
    os.mkfifo(pipe)
    with pytest.raises(AttachmentError, match=r"picture.png is a pipe or a device, not a file"):
        read(pipe)


@pytest.mark.parametrize(("read", "kind"), [(length, "audio"), (size, "image")])
def test_a_file_that_would_fill_the_memory_is_not_read(tmp_path: Path, read, kind: str) -> None:
    huge = tmp_path / "huge.bin"
    with huge.open("wb") as file:
        file.truncate(LARGEST_BYTES[kind] + 100_000_000)  # a hole, which takes no room
    with pytest.raises(AttachmentError, match=r"huge.bin has [\d.]+ GB; at most [\d.]+ GB are"):
        read(huge)
