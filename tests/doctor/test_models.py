"""The hub, the disk, the lock, and models that fit or do not."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from gemma4_mlx import engine_lock
from gemma4_mlx.doctor import models, network
from gemma4_mlx.doctor.checks import _model_checks, look
from gemma4_mlx.engine_lock import LARGE_BYTES, EngineLock
from gemma4_mlx.memory import Machine
from tests.tiny_checkpoint import write_checkpoint


def test_offline_is_told(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert network.hub().data["is_offline"] is True
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert network.hub().data["is_offline"] is False


def test_a_full_disk_is_found(monkeypatch):
    usage = SimpleNamespace(free=10**9, total=10**12)
    monkeypatch.setattr(network.shutil, "disk_usage", lambda place: usage)
    found = network.disk()
    assert (found.level, "HF_HUB_CACHE" in found.cure) == ("warning", True)


def test_who_has_a_large_model_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(engine_lock, "lock_path", lambda: tmp_path / "engine.lock")
    large = tmp_path / "large"
    large.mkdir()
    with (large / "model.safetensors").open("wb") as file:
        file.truncate(LARGE_BYTES)
    assert models.engine().data == {"pid": None}
    with EngineLock() as lock:
        lock.take("mine", large)
        assert (models.engine().data["pid"], models.engine().data["model"]) == (os.getpid(), "mine")


def test_a_place_without_locks_is_found(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(engine_lock, "lock_path", lambda: tmp_path / "file" / "engine.lock")
    assert models.engine().level == "warning"


def test_the_bundled_model_is_found_and_whole():
    found = models.models_found()
    assert "pocket" in found
    finding = models.model("pocket", found["pocket"])
    assert finding.level == "ok"
    assert finding.data["weights_bytes"] > 1_000_000
    assert finding.text.startswith("pocket fits: ")
    assert finding.data["total_bytes"] < finding.data["limit_bytes"]


@pytest.mark.parametrize(
    ("verdict", "asked", "level", "says"),
    [
        ("too big", True, "error", "pocket is too big: 9.5 GB of 8.0 GB, with 4096 tokens"),
        ("too big", False, "warning", "pocket is too big: 9.5 GB of 8.0 GB, with 4096 tokens"),
        ("tight", True, "info", "pocket fits tightly: 9.5 GB of 8.0 GB, with 4096 tokens"),
        ("fits", True, "ok", "pocket fits: 9.5 GB of 8.0 GB, with 4096 tokens"),
    ],
)
def test_what_the_planner_says_is_told(monkeypatch, verdict, asked, level, says):
    plan = SimpleNamespace(
        verdict=verdict, total_bytes=9.5e9, limit_bytes=8_000_000_000, context=4096
    )
    monkeypatch.setattr(models, "plan_model", lambda *arguments: plan)
    found = models.model("pocket", models.models_found()["pocket"], is_asked=asked)
    assert (found.level, found.text, found.data["verdict"]) == (level, says, verdict)


def test_the_planner_is_asked_about_this_machine(monkeypatch):
    small = Machine(2 * 10**8, 10**8, item_bytes=4)
    monkeypatch.setattr(models, "machine_of_mlx", lambda: small)
    found = models.model("pocket", models.models_found()["pocket"])
    assert (found.data["verdict"], found.data["limit_bytes"]) == ("too big", 10**8)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The hub's cache, in which cache(id, commit) puts a snapshot without weights."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))

    def add(hub_id: str, commit: str) -> Path:
        repo = tmp_path / f"models--{hub_id.replace('/', '--')}"
        return write_checkpoint(repo / "snapshots" / commit)

    return add


def test_models_of_the_hub_are_found(cache):
    older, newer = cache("nobody/a", "1" * 40), cache("nobody/a", "2" * 40)
    other = cache("nobody/b", "3" * 40)
    os.utime(older, (1, 1))
    found = models.models_found("nobody/b")
    assert set(found) == {"pocket", "nobody/a", "nobody/b"}
    assert (found["nobody/a"], found["nobody/b"]) == (newer, other)
    cut_short = {each.topic: look(each) for each in _model_checks(None)}["model"]
    assert cut_short.level == "warning"
    assert cut_short.cure


def test_a_model_that_is_asked_for_and_not_there_is_an_error():
    found = {each.topic: look(each) for each in _model_checks("nobody/nothing")[1:]}
    assert found["model"].level == "error"
    assert "gemma4 models get nobody/nothing" in found["model"].cure


def test_a_folder_that_is_no_checkpoint_is_found(tmp_path):
    folder = write_checkpoint(tmp_path / "weightless")
    for asked, level in ((True, "error"), (False, "warning")):
        found = models.model("mine", folder, is_asked=asked)
        assert (found.level, "no model.safetensors" in found.text) == (level, True)
        assert found.cure
