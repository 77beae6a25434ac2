"""Streams that are closed, or lack letters."""

from __future__ import annotations

import errno
import io
import os
import sys

import pytest

from gemma4_mlx.cli.streams import make_usable


def test_closed_streams_are_opened_before_a_file_gets_their_number(monkeypatch):
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    make_usable()
    descriptors = [stream.fileno() for stream in (sys.stdin, sys.stdout, sys.stderr)]
    assert sys.stdin.read() == ""
    sys.stderr.write("nobody watches")
    sys.stderr.flush()
    with pytest.raises(OSError) as refused:  # an answer that nobody gets is no success
        os.write(sys.stdout.fileno(), b"an answer")
    assert refused.value.errno == errno.EBADF
    for descriptor in descriptors:
        os.close(descriptor)


def test_what_cannot_be_written_is_written_as_an_escape(monkeypatch):
    streams = {name: io.TextIOWrapper(io.BytesIO(), "latin-1") for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    make_usable()
    sys.stdout.write("é 日 \udcff")
    sys.stdout.flush()
    assert streams["stdout"].buffer.getvalue() == b"\xe9 \\u65e5 \\udcff"
    assert streams["stderr"].errors == "backslashreplace"
