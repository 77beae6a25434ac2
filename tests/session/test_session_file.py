"""A session on disk: whole or not at all, and only for the model that it is of."""

from __future__ import annotations

import json
import os
import re
import shutil

import mlx.core as mx
import numpy as np
import pytest

import gemma4_mlx
from gemma4_mlx.errors import SessionError, UsageError
from gemma4_mlx.loading import load_model
from gemma4_mlx.session import Session, session_file
from gemma4_mlx.weight_file import read_entries
from tests.session.test_session import ANSWER, Talk
from tests.session.toy_chat import picture, question, words


@pytest.fixture
def saved(load, record, tmp_path):
    """A talk, and the file that it was saved to."""
    talk = Talk(load("e2b-like"), record)
    talk("send", question(words(1, 40), picture(1)), writes=ANSWER[:3])
    talk("send", words(2, 40), writes=ANSWER[:3])
    path = tmp_path / "talk"
    talk.stated = talk.session.saved_bytes
    talk.session.save(path)
    return talk, path


def test_pain_9_a_restored_session_goes_on_where_it_was(saved, record):
    talk, path = saved
    again = Talk(talk.model, record)
    again.session.restore(path, talk.session.messages)
    usage = again("send", words(3, 5))
    assert usage == talk("send", words(3, 5))
    assert usage.reused_tokens > 100
    again("edit", 2, words(4, 40))
    assert again.prompt_rows < 60
    assert again.is_cold()


def test_its_size_is_told_before(saved):
    talk, path = saved
    assert abs(talk.stated - path.stat().st_size) < 0.05 * talk.stated
    assert os.listdir(path.parent) == [path.name]


def test_nothing_read_is_nothing_to_save(saved, tmp_path):
    talk, _ = saved
    empty = Session(talk.model, talk.processor)
    list(empty.send("", should_stop=lambda: True))
    assert empty.saved_bytes == 0
    with pytest.raises(UsageError, match="nothing was read yet"):
        empty.save(tmp_path / "b")


def test_a_file_is_replaced_as_a_whole(saved, monkeypatch):
    talk, path = saved
    before = path.read_bytes()

    def breaks(name, arrays, fields):
        with open(name, "wb") as file:
            file.write(b"half")
        raise RuntimeError("no space left")

    monkeypatch.setattr(session_file.mx, "save_safetensors", breaks)
    with pytest.raises(UsageError, match="no space left"):
        talk.session.save(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("name", ["", "a" * 250, "a" * 300, "a\0b", "none/a"])
def test_a_name_that_no_file_can_have_is_refused(saved, tmp_path, name):
    talk, path = saved
    with pytest.raises(UsageError, match="cannot be written"):
        talk.session.save(f"{tmp_path}/{name}")
    assert os.listdir(tmp_path) == [path.name]


def test_pain_50_a_file_holds_the_last_snapshots_that_there_is_room_for(saved, monkeypatch):
    talk, path = saved
    places = list(talk.session._trunk.snapshots)
    one = sum(one.nbytes for one in talk.session._trunk.snapshots[places[-1]])
    monkeypatch.setattr(session_file, "SNAPSHOT_FILE_BYTES", one)
    stated = talk.session.saved_bytes
    talk.session.save(path)
    assert abs(stated - path.stat().st_size) < 0.05 * stated < 0.05 * talk.stated
    talk.session.restore(path, talk.session.messages)
    assert list(talk.session._trunk.snapshots) == places[-1:] != places
    talk("regenerate")
    assert talk.is_cold()


def damaged(path, change):
    raw = bytearray(path.read_bytes())
    change(raw)
    path.write_bytes(raw)


def flip(place):
    def change(raw):
        raw[place] ^= 1

    return change


def cut(raw):
    del raw[-9:]


def another_key(raw):
    text = bytes(raw)
    place = re.search(rb'positions":"\[2,', text).end()
    raw[place] = ord("1") if raw[place] != ord("1") else ord("3")


@pytest.mark.parametrize(
    "change", [flip(3), flip(-100), flip(40), cut, another_key, bytearray.clear]
)
def test_a_damaged_file_is_refused_and_the_chat_goes_on(saved, record, change):
    talk, path = saved
    damaged(path, change)
    again = Talk(talk.model, record)
    with pytest.raises(SessionError, match=f"^{path} ") as refused:
        again.session.restore(path, talk.session.messages)
    assert "read again" in refused.value.hint
    assert again("send", words(3, 5)).reused_tokens == 0
    assert again.is_cold()


def test_only_its_owner_can_read_it(saved):
    _, path = saved
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_may_not_be_looked_for_is_refused(saved, monkeypatch):
    talk, path = saved

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "is_file", refuse)
    with pytest.raises(SessionError, match="Permission denied"):
        talk.session.restore(path)


def test_a_file_of_another_model_is_refused(saved, load):
    talk, path = saved
    for model in (load("26b-like"), load("e2b-like", 16)):
        with pytest.raises(SessionError, match="of another model"):
            Session(model, talk.processor).restore(path)


@pytest.mark.parametrize("part", ["vision_tower", "audio_tower", "embed_vision"])
def test_a_model_with_another_tower_is_another_one(saved, tmp_path, part):
    talk, path = saved
    folder = tmp_path / "tuned"
    shutil.copytree(talk.model.folder, folder)
    (folder / "config.json").write_text(json.dumps(talk.model.config.raw))
    Session(load_model(folder, dtype=mx.float32), talk.processor).restore(path)
    entries = read_entries(folder)
    tuned = next(e for e in entries.values() if part in e.name and len(e.shape) == 2)
    damaged(tuned.path, flip(tuned.start + tuned.nbytes // 2))
    with pytest.raises(SessionError, match="of another model"):
        Session(load_model(folder, dtype=mx.float32), talk.processor).restore(path)


def test_a_model_that_is_given_other_pictures_is_another_one(saved, tmp_path):
    talk, path = saved
    folder = tmp_path / "edited"
    shutil.copytree(talk.model.folder, folder)
    (folder / "config.json").write_text(json.dumps(talk.model.config.raw))
    (folder / "processor_config.json").write_text('{"feature_extractor": {"mel_floor": 0.1}}')
    with pytest.raises(SessionError, match="of another model"):
        Session(load_model(folder, dtype=mx.float32), talk.processor).restore(path)


def test_a_model_that_was_tuned_is_another_one(saved):
    talk, path = saved
    proj = talk.model.layers[3].self_attn.q_proj
    before = proj.weight
    proj.weight = before.at[-1].add(1e-3)
    with pytest.raises(SessionError, match="of another model"):
        talk.session.restore(path)
    proj.weight = before
    talk.session.restore(path)


def test_a_file_of_another_version_is_refused(saved, monkeypatch):
    talk, path = saved
    monkeypatch.setattr(gemma4_mlx, "__version__", "9.9")
    with pytest.raises(SessionError, match="another version of this program"):
        talk.session.restore(path)


def test_no_file_is_told(saved, tmp_path):
    talk, _ = saved
    with pytest.raises(SessionError, match="there is no file"):
        talk.session.restore(tmp_path / "none")


def test_windows_that_have_not_wrapped_come_back_too(load, record, tmp_path):
    talk = Talk(load("e2b-like", 1024), record)
    talk("send", words(1, 40))
    talk.session.save(tmp_path / "a")
    again = Talk(talk.model, record)
    again.session.restore(tmp_path / "a", talk.session.messages)
    assert again("send", words(2, 5)).reused_tokens > 60
    assert again.is_cold()
    np.testing.assert_array_equal(
        again.session._trunk.positions[:60], talk.session._trunk.positions[:60]
    )
