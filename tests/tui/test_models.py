"""The list of models: what it says, what each key does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tui.driver import chatting
from tests.tui.shelf import (
    BIG,
    E2B,
    E4B,
    MINE,
    MIXED,
    NOT_ON_THE_HUB,
    POCKET,
    ROWS,
    FakeModels,
    row,
    shelf,
)
from tui.widgets.model_table import ModelTable


async def test_a_first_run_begins_with_the_one_that_fits_best():
    async with shelf(is_first_run=True) as list_:
        text = list_.text
        assert "Apple M2, 16 GB: a model may take 11.8 GB · 300 GB free on the disk" in text
        assert list_.table.chosen.name == E4B
        assert "★ E4B 4-bit qat" in text
        assert "text image audio   6.8 GB  fits" in list_.line("★ E4B")
        assert "weights 6.8 + context 0.4 + reading 1.1 + rest 0.7 = 9.0 of 11.8 GB" in text
        assert list_.line("pocket").endswith("fits     installed")
        assert "text image        18.4 GB  too big" in list_.line("31B")
        assert "tight" in list_.line("E4B 8-bit")
        await list_.press("t")
        assert list_.app.chosen == ["pocket"]


async def test_a_model_that_is_here_is_used():
    async with shelf(*ROWS, MINE, current=MINE["name"]) as list_:
        assert list_.table.chosen.name == MINE["name"]
        assert "enter use it" in list_.text
        await list_.press("enter")
        assert list_.app.chosen == [MINE["name"]]


async def test_what_is_here_comes_before_what_would_have_to_be_fetched():
    mine = {**MINE, "is_recommended": False}
    async with shelf(*ROWS, mine, is_first_run=True) as list_:
        assert list_.table.chosen.name == mine["name"]


async def test_escape_leaves_all_as_it_is():
    async with shelf() as list_:
        await list_.press("escape")
        assert list_.app.chosen == [None]


async def test_pain_51_a_download_tells_the_truth_and_goes_on_beside_the_chat():
    async with shelf() as list_:
        await list_.press("enter")
        assert "↓ asking" in list_.line("★ E4B")
        list_.commands.plan(E4B, 6.0, 6.83)
        await list_.settle()
        assert "↓ 12 %" in list_.line("★ E4B")
        await list_.going(E4B, 1.83, 6.83, after_s=10)
        assert "1.8 of 6.8 GB, 100 MB/s, 50 s left" in list_.text
        await list_.press("escape")
        assert list_.app.chosen == [None]
        assert list_.downloads.line == "↓ E4B-it-qat-4bit 26 %, 50 s"
        list_.commands.fetched(E4B)
        await list_.settle()
        assert list_.downloads.line == "E4B-it-qat-4bit is here, see ctrl+o"
        list_.app.open()
        await list_.settle()
        await list_.choose(E4B)
        assert "installed" in list_.line("★ E4B")
        assert list_.downloads.line == ""
        await list_.press("enter")
        assert list_.app.chosen == [None, E4B]


async def test_what_has_just_come_can_be_used_at_once():
    async with shelf() as list_:
        await list_.press("d")
        list_.commands.fetched(E4B)
        await list_.settle()
        assert "enter use it" in list_.text
        await list_.press("enter")
        assert list_.app.chosen == [E4B]


async def test_a_download_is_paused_and_goes_on():
    async with shelf() as list_:
        await list_.press("d")
        list_.commands.plan(E4B, 6.83, 6.83)
        await list_.going(E4B, 1.0, 6.83, after_s=10)
        await list_.press("p")
        assert list_.commands.running == []
        assert "paused 14 %" in list_.line("★ E4B")
        assert "paused, all is kept" in list_.text
        assert "enter go on fetching" in list_.text
        await list_.press("p")
        assert list_.commands.running == [E4B]
        assert "↓ asking" in list_.line("★ E4B")


async def test_a_failure_says_why_and_what_to_do():
    async with shelf() as list_:
        await list_.press("d")
        list_.commands.fail(E4B)
        await list_.settle()
        assert "failed" in list_.line("★ E4B")
        assert NOT_ON_THE_HUB["message"] in list_.text
        assert "did you mean" in list_.text
        await list_.press("d")
        assert list_.commands.running == [E4B]


async def test_what_was_begun_before_is_shown_as_paused():
    begun = row(E2B, "E2B", 4.36, "fits", state="incomplete", size_bytes=1_090_000_000)
    async with shelf(POCKET, begun) as list_:
        assert "paused 25 %" in list_.line("E2B")
        await list_.choose(E2B)
        await list_.press("p")
        assert list_.commands.running == [E2B]


async def test_pain_63_what_is_too_big_is_fetched_only_after_a_question():
    async with shelf() as list_:
        await list_.choose(MIXED)
        assert "too big for this machine: weights 15.6" in list_.text
        await list_.press("d")
        assert "26B-A4B 4-bit qat is too big for this machine" in list_.text
        await list_.press("enter", "n")
        assert list_.commands.running == []
        await list_.press("d", "y")
        assert list_.commands.running == [MIXED]


async def test_a_disk_that_is_too_small_is_said_before():
    async with shelf(free_gb=2) as list_:
        assert "the disk is too small: 6.8 GB more are needed, 2.0 GB are free" in list_.text


async def test_deleting_says_whose_it_is_and_what_gets_free():
    async with shelf(*ROWS, MINE, current=MINE["name"]) as list_:
        await list_.press("delete")
        for said in ("hub's cache, which other programs share", "3.6 MB get free", "2 versions"):
            assert said in list_.text
        assert "This chat uses it now." in list_.text
        await list_.press("enter", "escape")
        assert list_.commands.removed == []
        await list_.press("delete", "y")
        assert list_.commands.removed == [MINE["name"]]
        assert MINE["name"] not in list_.text
        assert "is deleted, 3.6 GB are free again" in list_.text


async def test_what_comes_along_or_is_not_here_is_not_deleted():
    async with shelf() as list_:
        for name in ("pocket", BIG):
            await list_.choose(name)
            await list_.press("delete")
            assert "Delete" not in list_.text
            assert "del delete" not in list_.text


async def test_a_card_tells_all_that_is_known():
    async with shelf() as list_:
        await list_.press("i")
        for said in ("126 modules affine 8-bit", "131072 tokens", "Apache-2.0"):
            assert said in list_.text
        await list_.press("escape")
        await list_.choose("pocket")
        await list_.press("i")
        assert "nothing is known of pocket" in list_.text


async def test_a_part_of_a_name_leaves_those_that_are_meant():
    async with shelf() as list_:
        await list_.press("slash", *"26b")
        assert "31B" not in list_.text
        await list_.press("enter")
        assert list_.table.chosen.name == MIXED
        assert list_.table.has_focus
        await list_.press("slash", "escape")
        assert "31B" in list_.text
        assert list_.app.chosen == []


async def test_an_id_of_the_hub_is_fetched(tmp_path: Path):
    async with shelf() as list_:
        await list_.press("slash", *"some/one", "enter")
        assert list_.commands.running == ["some/one"]
        assert list_.table.chosen.name == "some/one"
        assert "↓ asking" in list_.line("one ")
        assert "whether it fits is not known" in list_.text


async def test_a_folder_is_used(tmp_path: Path):
    async with shelf() as list_:
        await list_.press("slash")
        list_.app.screen.query_one("Input").value = str(tmp_path)
        await list_.press("enter")
        assert "has no config.json" in " ".join(list_.text.split())
        (tmp_path / "config.json").write_text("{}")
        await list_.press("enter")
        assert list_.app.chosen == [str(tmp_path)]


async def test_what_means_nothing_is_said():
    async with shelf() as list_:
        await list_.press("slash", *"zzz", "enter")
        assert "neither in the list, nor a folder, nor an id" in list_.text


async def test_names_are_not_markup_and_do_not_steer_the_terminal():
    odd = row("a/[red]\x1b[31mx", "?", 1, "", state="here", packing="?", note="[b]\x07")
    async with shelf(POCKET, odd) as list_:
        await list_.choose(odd["name"])
        assert "a/[red]␛[31mx" in list_.text
        assert "[b]␇" in list_.text


async def test_every_essential_thing_is_there_on_a_small_screen():
    async with shelf(size=(60, 20), is_first_run=True) as list_:
        assert "fits" in list_.line("★ E4B")
        assert "6.8 GB" in list_.line("★ E4B")
        assert "t try pocket" in list_.text
        await list_.pilot.resize_terminal(30, 8)
        await list_.settle()
        await list_.pilot.resize_terminal(80, 24)
        await list_.settle()
        assert list_.table.chosen.name == E4B
        assert "text image audio   6.8 GB" in list_.line("★ E4B")


async def test_the_chat_s_title_says_how_far_a_download_is(monkeypatch: pytest.MonkeyPatch):
    commands = FakeModels()
    monkeypatch.setattr("tui.models.model_commands.ChildCommands", lambda: commands)
    async with chatting() as chat:
        await chat.press("ctrl+o", "d", "escape")
        commands.plan(E4B, 5.0, 6.83)
        await chat.settle()
        assert chat.lines[0].endswith("↓ E4B-it-qat-4bit 26 % · thinking off")
        commands.fetched(E4B)
        await chat.settle()
        assert "E4B-it-qat-4bit is here, see ctrl+o" in chat.lines[0]
        await chat.press("ctrl+o", "escape")
        assert "is here" not in chat.lines[0]


async def test_the_title_has_room_for_a_failure_and_no_word_of_one_that_was_seen(
    monkeypatch: pytest.MonkeyPatch,
):
    commands = FakeModels()
    monkeypatch.setattr("tui.models.model_commands.ChildCommands", lambda: commands)
    async with chatting() as chat:
        await chat.press("ctrl+o")
        chat.app.screen.query_one(ModelTable).choose(E4B)
        await chat.press("d")
        await chat.press("escape")
        commands.fail(E4B)
        for _ in range(3):
            await chat.settle()
        assert "pocket  ● ready" in chat.lines[0]
        assert chat.lines[0].endswith("E4B-it-qat-4bit failed, see ctrl+o · thinking off")
        await chat.press("ctrl+o", "escape")
        assert chat.lines[0].endswith("demo model · thinking off")


async def test_columns_stay_where_they_are_when_a_scrollbar_comes():
    async with shelf(size=(80, 16)) as list_:
        await list_.press("d")
        await list_.settle()
        rows = [line for line in list_.text.splitlines() if "text image" in line]
        columns = {line.find("text image") for line in rows}
        assert len(columns) == 1
