"""Downloads: what is measured and told; and the real command in a real child process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

from gemma4_mlx.errors import Gemma4Error
from tests.hub.conftest import cache, hub
from tests.hub.server import HUB_ID, FakeHub
from tests.tui.shelf import E2B, E4B, Clock, FakeModels, shelf
from tests.tui.test_start import HEAVY
from tui.models.downloads import Download, Pace
from tui.models.model_commands import ChildCommands

__all__ = ["cache", "hub"]


def test_the_pace_is_that_of_the_last_seconds():
    clock = Clock()
    pace = Pace(clock)
    assert pace.bytes_per_s == 0
    for _ in range(30):
        pace.note(int(clock.now) * 100)
        clock.now += 1
    assert pace.bytes_per_s == 100
    clock.now += 100
    pace.note(13_000)
    assert pace.bytes_per_s == 0  # one point alone says nothing
    assert pace.silent_s == 0
    clock.now += 12
    pace.note(13_000)
    assert pace.silent_s == 12


def test_a_share_is_never_whole_before_the_end():
    download = Download("a/b", "fetching", 999_999, 1_000_000, 100.0)
    assert (download.percent, download.left_s) == ("99 %", 0.01)
    assert Download("a/b").percent == ""
    assert Download("a/b", "fetching", 10, 1000).left_s is None


async def test_pain_51_a_stall_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tui.models.downloads._LOOK_EVERY_S", 0.05)
    async with shelf() as list_:
        await list_.press("d")
        list_.commands.plan(E4B, 6.83, 6.83)
        await list_.going(E4B, 1.0, 6.83, after_s=1)
        list_.app.clock.now += 34
        while list_.downloads.find(E4B).phase != "stalled":
            await asyncio.sleep(0.01)
        await list_.settle()
        assert "1.0 of 6.8 GB, no byte for 34 s, all is kept" in list_.text
        assert list_.downloads.line == "E4B-it-qat-4bit stalled 14 %"
        await list_.going(E4B, 1.1, 6.83, after_s=1)
        assert list_.downloads.find(E4B).phase == "fetching"


async def test_several_downloads_and_their_end_with_the_chat():
    async with shelf() as list_:
        for name in (E2B, E4B):
            list_.downloads.start(name)
            list_.downloads.start(name)
        await list_.settle()
        assert list_.commands.running == [E2B, E4B]
        assert list_.downloads.line.startswith("↓ E2B-it-qat-4bit · ↓ E4B")
        await list_.downloads.close()
        assert list_.commands.running == []
        assert [download.phase for download in list_.downloads.all] == ["paused", "paused"]


async def test_a_child_that_says_nothing_has_failed(monkeypatch: pytest.MonkeyPatch):
    async with shelf() as list_:
        await list_.press("d")
        list_.commands.end(E4B)
        await list_.settle()
        assert "ended without saying why" in list_.text

        async def refuse(self, hub_id):
            raise OSError("no more processes")
            yield

        monkeypatch.setattr(FakeModels, "fetch", refuse)
        await list_.press("d")
        assert "no more processes" in list_.text


@pytest.fixture
def child(hub: FakeHub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    """The hub as a child process sees it."""
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    monkeypatch.delenv("HF_HUB_OFFLINE")
    return hub


async def test_pain_51_a_child_that_is_stopped_is_gone_and_the_next_one_goes_on(
    child: FakeHub, cache: Path
):
    child.stall_after = [300_000, *([0] * 100)]
    child.files["model-00001-of-00002.safetensors"] = bytes(range(256)) * 12_000
    commands = ChildCommands()
    async with aclosing(commands.fetch(HUB_ID)) as told:
        assert (await anext(told))["event"] == "plan"
        while not list(cache.rglob("*.incomplete")):
            await asyncio.sleep(0.01)
    child.stall_after.clear()
    (partial,) = cache.rglob("*.incomplete")
    there = partial.stat().st_size
    plan, *_, end = [line async for line in commands.fetch(HUB_ID)]
    assert plan["total_bytes"] - plan["missing_bytes"] >= there
    assert (end["event"], end["hub_id"]) == ("fetched", HUB_ID)
    assert not list(cache.rglob("*.incomplete"))


async def test_a_child_lists_the_models_and_says_why_it_cannot(child: FakeHub):
    commands = ChildCommands()
    listing = await commands.list()
    assert listing.models[0].name == "pocket"
    assert listing.models[0].is_here
    assert "a model may take" in listing.machine
    assert len({model.title for model in listing.models}) == len(listing.models)
    with pytest.raises(Gemma4Error, match="not in the hub's cache") as error:
        await commands.remove("nobody/nothing")
    assert "models list" in error.value.hint


def test_the_list_of_models_loads_nothing_heavy():
    code = "import sys, tui.screens.models; print(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert {name.partition(".")[0] for name in done.stdout.split()} & HEAVY == set()
