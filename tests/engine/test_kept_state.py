"""When a conversation's state is written, and what happens to one that cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from gemma4_mlx.engine import kept_state
from gemma4_mlx.engine.kept_state import LEAVE_BYTES, WORTH_TOKENS, KeptState
from gemma4_mlx.errors import SessionError, UsageError
from gemma4_mlx.events import Usage


class ToySession:
    def __init__(self):
        self.saved_bytes = 100
        self.saved = []
        self.restored = []
        self.error = None

    def save(self, path):
        self._fail()
        self.saved.append(path)
        Path(path).write_bytes(b"state")

    def restore(self, path, messages=()):
        self._fail()
        self.restored.append(path)

    def _fail(self):
        if self.error:
            raise self.error


@pytest.fixture
def session():
    return ToySession()


@pytest.fixture
def kept(session):
    return KeptState(session)


def read(kept, prompt, reused=0, written=0):
    kept.read(Usage(prompt, reused, written))


def test_what_was_read_of_one_conversation_is_not_written_as_anothers(kept, session, tmp_path):
    kept.take_up(str(tmp_path / "a"))
    read(kept, 2 * WORTH_TOKENS)
    kept.take_up(str(tmp_path / "b"))  # and its first turn fails before anything is read
    session.saved.clear()
    assert kept.save() == "not kept: nothing was read"
    assert not session.saved


def test_a_short_conversation_is_not_worth_it(kept, tmp_path):
    kept.take_up(str(tmp_path / "a"))
    read(kept, WORTH_TOKENS - 1)
    assert not kept.is_worth_saving
    read(kept, WORTH_TOKENS, WORTH_TOKENS - 1)
    assert kept.is_worth_saving


def test_a_long_one_is_not_written_again_for_a_little_more(kept, session, tmp_path):
    kept.take_up(str(tmp_path / "a"))
    read(kept, 10_000)
    kept.save()
    read(kept, 12_000, 10_000)
    assert not kept.is_worth_saving
    read(kept, 15_000, 12_000)
    assert kept.is_worth_saving


def test_all_that_is_written_grows_with_the_conversation_only(kept, session, tmp_path):
    kept.take_up(str(tmp_path / "a"))
    written = held = 0
    for _ in range(500):
        read(kept, held + 200, held, 50)
        held += 250
        if kept.is_worth_saving:
            kept.save()
            written += held
    assert written < 6 * held


def test_without_a_file_nothing_is_kept(kept, session):
    kept.take_up(None)
    read(kept, 10_000)
    assert not kept.is_worth_saving
    assert "named no file" in kept.save()
    kept.leave()
    assert session.saved == []


def test_nothing_read_is_nothing_kept(kept, session, tmp_path):
    session.saved_bytes = 0
    kept.take_up(str(tmp_path / "a"))
    assert "nothing was read" in kept.save()
    assert session.saved == []


def test_another_conversation_is_taken_up_once(kept, session, tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    b.write_bytes(b"state")
    kept.take_up(str(a))
    read(kept, 1000)
    for _ in range(2):
        kept.take_up(str(b))
    assert session.saved == [a]
    assert session.restored == [b]
    kept.take_up(str(a))
    assert session.restored == [b, a]


@pytest.mark.parametrize(
    "error",
    [SessionError("of another model"), OSError(5, "?"), ValueError(), KeyError(), MemoryError()],
)
def test_a_file_that_cannot_be_used_fails_nothing(kept, session, tmp_path, error, caplog):
    caplog.set_level("INFO")
    file = tmp_path / "a"
    file.write_bytes(b"state")
    session.error = error
    kept.take_up(str(file))
    assert "read anew" in caplog.text
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_that_ended_two_processes_is_given_up(kept, session, tmp_path, caplog):
    caplog.set_level("INFO")
    file, tries = tmp_path / "a", tmp_path / ".a.tries"
    for died in (1, 2):
        file.write_bytes(b"state")
        tries.write_bytes(b"." * died)
        kept.take_up(str(file))
        kept.take_up(None)
        assert session.restored == [file]
        assert not tries.exists()
    assert not file.exists()
    assert "2 processes ended while they took it over" in caplog.text


def test_a_place_that_cannot_be_looked_at_fails_nothing(kept, session, tmp_path, caplog):
    caplog.set_level("INFO")
    kept.take_up(str(tmp_path / ("x" * 1000)))
    assert "read anew" in caplog.text and session.restored == []


@pytest.mark.parametrize(
    "error",
    [UsageError("no room"), OSError(28, "no space"), RuntimeError("[METAL]"), MemoryError()],
)
def test_a_file_that_cannot_be_written_fails_nothing(kept, session, tmp_path, error, caplog):
    caplog.set_level("INFO")
    kept.take_up(str(tmp_path / "a"))
    read(kept, 1000)
    session.error = error
    assert kept.save().startswith("not kept: ")
    assert not kept.is_worth_saving  # until as much is new


def test_a_place_that_is_no_folder_fails_nothing(kept, session, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    kept.take_up(str(tmp_path / "file" / "a"))
    read(kept, 1000)
    assert "not kept" in kept.save()


def test_a_disk_without_room_is_left_alone(kept, session, tmp_path, monkeypatch):
    disk = namedtuple("disk", "free")(kept_state.SPARE_BYTES + 99)
    monkeypatch.setattr(kept_state.shutil, "disk_usage", lambda folder: disk)
    kept.take_up(str(tmp_path / "a"))
    read(kept, 1000)
    assert "1.1 GB are free" in kept.save()
    assert session.saved == []


def test_nobody_waits_for_very_much_ever(kept, session, tmp_path):
    kept.take_up(str(tmp_path / "a"))
    read(kept, 100_000)
    session.saved_bytes = kept_state.KEPT_BYTES + 1
    assert "4.3 GB" in kept.save()
    assert session.saved == [] and not kept.is_worth_saving


def test_nobody_waits_for_much_to_be_written(kept, session, tmp_path):
    kept.take_up(str(tmp_path / "a"))
    read(kept, 1000)
    session.saved_bytes = LEAVE_BYTES + 1
    kept.leave()
    assert session.saved == []
    session.saved_bytes = LEAVE_BYTES
    kept.leave()
    assert len(session.saved) == 1


def test_what_killed_writers_left_is_removed(kept, session, tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = {number: f".a[1].{number}.safetensors" for number in (dead.pid, os.getppid())}
    for name in (*names.values(), ".b.1.safetensors"):
        (tmp_path / name).write_bytes(b"half")
    kept.take_up(str(tmp_path / "a[1]"))
    read(kept, 1000)
    kept.save()
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {"a[1]", ".b.1.safetensors", names[os.getppid()]}
