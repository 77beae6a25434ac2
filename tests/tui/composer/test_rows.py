"""The rows of what is attached."""

from __future__ import annotations

from gemma4_mlx.errors import AttachmentError
from tests.tui.composing import composing
from tests.tui.devices import FakePlayer
from tests.tui.driver import clip, picture
from tui.screens.preview import PreviewScreen


async def test_equals_gives_all_pictures_the_same_budget(here):
    async with composing() as chat:
        await chat.drop(picture(here, "a.png"), picture(here, "b.png"), clip(here))
        await chat.press("up", "up", "left", "equals_sign")
        assert [row.holds.image_tokens for row in chat.rows] == [140, 140, None]
        assert chat.composer.attached.image_tokens == 140
        assert chat.prompt.text == ""


async def test_a_budget_for_one_row_is_typed_with_its_number(here):
    async with composing() as chat:
        await chat.drop(picture(here, "a.png"), picture(here, "b.png"))
        chat.composer.attached.set_budget(1120, "1")
        assert [row.holds.image_tokens for row in chat.rows] == [1120, 280]


async def test_a_hint_where_a_budget_is_wasted_is_on_the_focused_row(here):
    async with composing() as chat:
        await chat.drop(picture(here, "icon.png", (64, 64)))
        assert "70 would do" not in chat.text
        await chat.press("up")
        assert "enlarged; 70 would do" in chat.text
        await chat.press("left", "left")
        assert "would do" not in chat.text


async def test_space_previews_a_picture_and_the_budget_can_be_changed_there(here):
    async with composing() as chat:
        await chat.drop(picture(here))
        await chat.press("up", "space")
        assert isinstance(chat.app.screen, PreviewScreen)
        assert "640×480 · 266 tokens · sees 912×672" in chat.text
        assert "▀▀▀▀" in chat.text
        await chat.press("right")
        assert "540 tokens" in chat.text
        await chat.press("escape")
        assert chat.rows[0].holds.image_tokens == 560
        assert chat.rows[0].has_focus


async def test_space_plays_a_clip_and_stops_it(here):
    async with composing() as chat:
        chat.composer.player = player = FakePlayer()
        await chat.drop(clip(here))
        await chat.press("up", "space")
        assert player.played == ["voice.wav"]
        assert "▶" in chat.text
        await chat.press("space")
        assert player.playing.is_stopped
        assert "▶" not in chat.text
        await chat.press("space")
        player.playing.is_over = True
        chat.rows[0]._look_at_player()
        assert not chat.rows[0].is_playing


async def test_where_nothing_plays_it_is_said(here):
    async with composing() as chat:
        chat.composer.player = FakePlayer(AttachmentError("nothing here can play sound", "get it"))
        await chat.drop(clip(here))
        await chat.press("up", "space")
        assert "nothing here can play sound: get it" in chat.lines[-1]


async def test_what_is_removed_is_not_heard_any_more(here):
    async with composing() as chat:
        chat.composer.player = player = FakePlayer()
        await chat.drop(clip(here))
        await chat.press("up", "space", "delete")
        assert player.playing.is_stopped


async def test_names_cannot_steer_the_terminal(here):
    async with composing((100, 24)) as chat:
        await chat.press("ctrl+f")
        await chat.press("escape")
        chat.composer.attach([picture(here, "a\x1b[31m[b]\u202egnp.png")])
        await chat.settle()
        assert "a␛[31m[b]�gnp.png" in chat.text
