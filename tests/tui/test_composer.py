"""The composer: every key of it, every way for a file to come in."""

from __future__ import annotations

import wave

import pytest

from gemma4_mlx.errors import AttachmentError
from tests.tui.composing import FakeClipboard, FakeMicrophone, FakePlayer, composing
from tests.tui.driver import clip, picture
from tui.attachments.clipboard import Copied
from tui.chat.conversation import Draft
from tui.screens.files import FilesScreen
from tui.screens.preview import PreviewScreen
from tui.store.prompt_history import PromptHistory


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Nothing of the person who runs the tests is read or written."""
    monkeypatch.setenv("GEMMA4_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("SSH_CONNECTION", "TERM_PROGRAM"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


# --- Pastes ---


async def test_dropped_files_are_attached_and_ctrl_z_makes_them_text_again(here):
    paths = [picture(here, "a b.png"), clip(here)]
    async with composing() as chat:
        await chat.drop(*paths)
        assert chat.names == ["a b.png", "voice.wav"]
        await chat.press("ctrl+z")
        assert chat.names == []
        assert chat.prompt.text == f"{paths[0]}\n{paths[1]}"
        await chat.press("ctrl+z")
        assert chat.prompt.text == ""


async def test_a_drop_is_taken_back_only_while_it_is_the_last_thing_done(here):
    async with composing() as chat:
        await chat.drop(picture(here))
        await chat.type("ab")
        await chat.press("ctrl+underscore")
        assert chat.names == ["shapes.png"]
        assert "shapes" not in chat.prompt.text


async def test_a_drop_on_a_row_or_after_slash_image_is_attached_as_well(here):
    async with composing() as chat:
        await chat.type("/image ")
        await chat.drop(picture(here, "a.png"))
        assert (chat.names, chat.prompt.text) == (["a.png"], "")
        await chat.press("up")
        await chat.drop(picture(here, "b.png"))
        assert chat.names == ["a.png", "b.png"]
        assert chat.prompt.has_focus


async def test_a_paste_is_never_a_command():
    async with composing() as chat:
        await chat.paste("/quit")
        assert not chat.prompt.is_suggesting
        await chat.press("enter")
        assert chat.submitted == [" /quit"]
        await chat.write("")
        await chat.type("/")
        await chat.paste("quit")
        await chat.press("enter")
        assert chat.submitted[-1] == "/quit"


async def test_a_pasted_slash_is_forgotten_with_the_text():
    async with composing() as chat:
        await chat.paste("/quit")
        await chat.press(*["backspace"] * 5)
        await chat.type("/stop")
        await chat.press("enter")
        assert chat.submitted == ["/stop"]


async def test_control_characters_of_a_paste_are_shown_and_do_nothing():
    async with composing() as chat:
        await chat.paste("a\x1b]0;title\x07b\r\nc")
        assert chat.prompt.text == "a␛]0;title␇b\nc"


async def test_a_long_paste_is_folded_and_sent_whole():
    long = "word " * 2000
    async with composing() as chat:
        await chat.type("sum up ")
        await chat.paste(long)
        assert chat.prompt.text == "sum up [pasted text 1: 10000 characters]"
        assert chat.composer.draft().text == f"sum up {long}".strip()
        assert chat.composer.draft_tokens().text == 2502
        await chat.paste("x\n" * 200)
        assert chat.prompt.text.endswith("[pasted text 2: 201 lines]")
        await chat.press("backspace")
        assert chat.prompt.text == "sum up [pasted text 1: 10000 characters]"
        await chat.press("ctrl+underscore")
        assert chat.composer.draft().text.endswith("x\nx")


async def test_ten_megabytes_are_refused_in_words():
    async with composing() as chat:
        await chat.paste("word " * 2_000_000)
        assert chat.prompt.text == ""
        assert "10.0 MB of text, more than a model can read" in " ".join(chat.text.split())


# --- The clipboard ---


@pytest.mark.parametrize("paste", ["ctrl+v", ""])
async def test_pain_56_ctrl_v_and_an_empty_paste_attach_a_copied_picture(here, paste):
    async with composing() as chat:
        chat.composer.clipboard = FakeClipboard(Copied(paths=(picture(here),)))
        await (chat.press(paste) if paste else chat.paste(""))
        assert chat.names == ["shapes.png"]


async def test_copied_text_is_pasted():
    async with composing() as chat:
        chat.composer.clipboard = FakeClipboard(Copied(text="two\nlines"))
        await chat.press("ctrl+v")
        assert chat.prompt.text == "two\nlines"


@pytest.mark.parametrize(
    ("holds", "said"),
    [(Copied(), "nothing on the clipboard"), (AttachmentError("no program", "get one"), "get one")],
)
async def test_an_empty_clipboard_is_told_and_the_chats_own_is_used_first(holds, said):
    async with composing() as chat:
        chat.composer.clipboard = FakeClipboard(holds)
        await chat.press("ctrl+v")
        assert said in chat.lines[-1]
        await chat.write("copy me")
        chat.prompt.select_all()
        await chat.press("ctrl+x", "ctrl+v")
        assert chat.prompt.text == "copy me"


# --- Suggestions ---


async def test_commands_are_suggested_and_taken_with_tab_or_enter():
    async with composing() as chat:
        await chat.type("/bu")
        assert "tokens a picture may cost" in chat.text
        assert "tab complete" in chat.lines[-1]
        await chat.press("tab")
        assert (chat.prompt.text, chat.prompt.suggestion) == ("/budget ", "N|auto [ROW|sent]")
        assert not chat.prompt.is_suggesting
        await chat.press("right")
        assert chat.prompt.text == "/budget "
        await chat.write("")
        await chat.type("/hel")
        await chat.press("enter")
        assert chat.submitted == ["/help"]


async def test_escape_closes_the_list_until_another_word_begins():
    async with composing() as chat:
        await chat.type("/th")
        await chat.press("escape")
        await chat.type("i")
        assert not chat.prompt.is_suggesting
        await chat.press("enter")
        assert chat.submitted == ["/thi"]
        await chat.press(*["backspace"] * 4)
        await chat.type("/")
        assert chat.prompt.is_suggesting


async def test_up_and_down_choose_round_the_ends():
    async with composing() as chat:
        await chat.type("/")
        await chat.press("down", "down", "up", "tab")
        assert chat.prompt.text == "/audio "
        await chat.write("")
        await chat.type("/")
        await chat.press("up", "tab")
        assert chat.prompt.text == "/quit"


async def test_pain_56_a_file_after_an_at_sign_becomes_an_attachment(here):
    picture(here, "receipt.png")
    (here / "my pics").mkdir()
    picture(here / "my pics", "lisbon.png")
    async with composing() as chat:
        await chat.type("what is @rec")
        assert "receipt.png" in chat.text
        await chat.press("enter")
        assert (chat.names, chat.prompt.text) == (["receipt.png"], "what is ")
        assert chat.submitted == []
        await chat.type("@my")
        await chat.press("tab")
        assert chat.prompt.text == 'what is @"my pics/'
        await chat.press("tab")
        assert (chat.names[-1], chat.prompt.text) == ("lisbon.png", "what is ")


async def test_an_at_sign_that_finds_nothing_is_text():
    async with composing() as chat:
        await chat.type("@someone hi")
        await chat.press("enter")
        assert chat.submitted == ["@someone hi"]


async def test_a_click_takes_a_suggestion():
    async with composing() as chat:
        await chat.type("/")
        await chat.pilot.click("Suggestions", offset=(4, 1))
        await chat.settle()
        assert chat.prompt.text == "/audio "


# --- Rows ---


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


# --- Files ---


async def test_ctrl_f_finds_marks_and_attaches(here):
    for name in ("one.png", "two.png", "three.png"):
        picture(here, name)
    (here / "notes.txt").touch()
    async with composing() as chat:
        await chat.press("ctrl+f")
        assert isinstance(chat.app.screen, FilesScreen)
        assert "notes.txt" not in chat.text
        assert "266 tokens · sees 912×672" in chat.text
        await chat.type("tw")
        assert "one.png" not in chat.text
        await chat.press("space", "backspace", "backspace")
        await chat.type("thr")
        await chat.press("space", "enter")
        assert chat.names == ["two.png", "three.png"]
        assert chat.prompt.has_focus


async def test_the_files_lead_into_folders_and_out_again(here):
    (here / "sub").mkdir()
    picture(here / "sub", "deep.png")
    (here / "notes.txt").touch()
    async with composing((60, 20)) as chat:
        await chat.press("ctrl+f", "enter")
        assert "deep.png" in chat.text
        await chat.press("left")
        assert "sub/" in chat.text
        await chat.press("right")
        assert "deep.png" in chat.text
        await chat.press("backspace", "ctrl+a")
        assert "notes.txt" in chat.text
        await chat.press("x", "escape", "escape")
        assert chat.names == []
        assert not isinstance(chat.app.screen, FilesScreen)


async def test_damage_is_told_among_the_files(here):
    (here / "broken.png").write_text("no picture")
    async with composing() as chat:
        await chat.press("ctrl+f")
        assert "not a picture" in chat.text
        await chat.press("enter")
        assert chat.rows[0].error is not None


# --- The microphone ---


async def test_pain_56_ctrl_r_records_pauses_and_attaches(here):
    async with composing() as chat:
        chat.composer.microphone = microphone = FakeMicrophone()
        await chat.press("ctrl+r")
        microphone.hear(7)
        chat.composer.recorder.take_in()
        await chat.settle()
        assert "● 0:07" in chat.text
        assert "175 tok" in chat.text and "of 0:30" in chat.text
        assert "enter attach" in chat.lines[-1]
        await chat.press("space")
        microphone.hear(5)
        chat.composer.recorder.take_in()
        await chat.settle()
        assert "❚❚ 0:07" in chat.text
        await chat.press("space", "enter")
        assert len(chat.rows) == 1
        assert chat.rows[0].holds.tokens() == 175
        with wave.open(str(chat.rows[0].holds.path)) as file:
            assert file.getnframes() == 7 * 16000
        assert chat.prompt.has_focus and not microphone.is_open


async def test_a_long_recording_goes_on_in_parts(here):
    async with composing() as chat:
        chat.composer.microphone = microphone = FakeMicrophone()
        await chat.press("ctrl+r")
        for seconds, said in ((27, "part 2 begins at 0:30"), (5, "part 2")):
            microphone.hear(seconds)
            chat.composer.recorder.take_in()
            await chat.settle()
            assert said in chat.text
        await chat.press("enter")
        assert chat.rows[0].holds.parts == 2


async def test_escape_throws_away_and_asks_first_if_much_would_be_lost(here):
    async with composing() as chat:
        chat.composer.microphone = microphone = FakeMicrophone()
        for seconds, escapes in ((2, 1), (4, 2)):
            await chat.press("ctrl+r")
            microphone.hear(seconds)
            chat.composer.recorder.take_in()
            for press in range(escapes):
                assert microphone.is_open
                await chat.press("escape")
                assert ("once more" in chat.text) == (press + 1 < escapes)
            assert not microphone.is_open
        assert chat.rows == []
        assert list((here.parent / "own/state/recordings").iterdir()) == []


async def test_a_microphone_without_permission_is_explained_and_nothing_is_attached(here):
    async with composing() as chat:
        chat.composer.microphone = microphone = FakeMicrophone()
        await chat.press("ctrl+r")
        microphone.hear(0.3, loudness=0)
        chat.composer.recorder.take_in()
        await chat.settle()
        assert "gives no sound at all" in chat.text
        await chat.press("enter")
        assert "nothing was recorded" in chat.text
        assert chat.rows == []


async def test_no_microphone_is_told_at_once(here):
    async with composing() as chat:
        chat.composer.microphone = FakeMicrophone(AttachmentError("no microphone", "plug one in"))
        await chat.press("ctrl+r")
        assert "no microphone: plug one in" in chat.lines[-1]
        assert chat.prompt.has_focus


async def test_a_question_waits_for_its_recording(here):
    async with composing() as chat:
        chat.composer.microphone = FakeMicrophone()
        await chat.press("ctrl+r")
        await chat.write("Who is it?")
        await chat.press("enter")
        assert chat.submitted == []
        assert chat.composer.recorder.has_focus
        assert "still recording" in chat.lines[-1]


# --- For the chat ---


async def test_the_draft_and_what_it_costs(here):
    async with composing() as chat:
        await chat.drop(picture(here), clip(here))
        await chat.write("x" * 41)
        cost = chat.composer.draft_tokens()
        assert (cost.attached, cost.text, cost.total, cost.is_known) == (284, 11, 295, True)
        assert "attached: 284 tokens" in chat.lines[-1]
        chat.composer.meter = "▰▱▱▱ 300 of 4096"
        await chat.settle()
        assert chat.lines[-1].endswith("▰▱▱▱ 300 of 4096")
        draft = chat.composer.draft()
        chat.composer.clear()
        await chat.write("new")
        chat.composer.restore(draft)
        await chat.settle()
        assert chat.composer.draft() == Draft(f"{'x' * 41}\nnew", draft.attachments)


async def test_up_and_down_leaf_in_the_history_that_is_given(here):
    async with composing() as chat:
        history = PromptHistory()
        for text in ("one", "long " * 1000):
            history.add(text)
        chat.prompt._history = history
        await chat.press("up")
        assert chat.prompt.text == "[pasted text 1: 5000 characters]"
        await chat.press("up")
        assert chat.prompt.text == "one"
        await chat.press("down", "down")
        assert chat.prompt.text == ""


async def test_the_prompt_grows_to_ten_lines_and_less_in_a_short_window():
    for size, lines in (((80, 24), 12), ((60, 20), 7)):
        async with composing(size) as chat:
            await chat.write("\n".join(map(str, range(30))))
            assert chat.prompt.region.height == lines
            assert "29" in chat.text


async def test_a_long_name_is_shown_whole_where_there_is_room(here):
    name = f"Screenshot {'of a window ' * 3}at 10.30.png"
    picture(here, name)
    async with composing() as chat:
        await chat.type("@")
        assert name in chat.text
    async with composing((40, 20)) as chat:
        await chat.type("@")
        assert name not in chat.text
        assert "Screenshot of a window" in chat.text
