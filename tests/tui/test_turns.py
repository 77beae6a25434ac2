"""Questions and answers: what the engine gets, what the screen shows."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

import gemma4_mlx
from gemma4_mlx import byte_sizes
from gemma4_mlx.cli.model_list import model_rows
from gemma4_mlx.engine import DEMO_READY, FakeEngine
from gemma4_mlx.events import (
    Failed,
    Finished,
    LoadProgress,
    MediaReceipt,
    PromptProgress,
    TextDelta,
    ThoughtDelta,
    ToolCall,
)
from gemma4_mlx.hub import first_pick
from gemma4_mlx.memory import mac
from gemma4_mlx.messages import IMAGE_TOKEN_BUDGETS, AudioPart, ImagePart
from gemma4_mlx.processing.audio import prepare_audio
from gemma4_mlx.processing.image import prepare_image
from gemma4_mlx.processing.settings import AudioSettings, ImageSettings
from tests.tui.driver import ANSWER, FINISHED, chatting, clip, picture
from tui.attachments.attachment import Attachment
from tui.introduction import introduce
from tui.widgets.answer_turn import AnswerTurn

FAILED = Failed("ContextFullError", "the conversation is [too] long", "start anew with /new", 6)
REAL = replace(DEMO_READY, name="google/gemma-4-E2B-it", is_demo=False)


def receipt(path, tokens=266, image_tokens=280):
    return MediaReceipt("image", path.name, tokens, tokens, 640, 480, 912, 672, image_tokens)


async def test_the_demo_model_is_honest_about_itself():
    async with chatting() as chat:
        assert "small demo model" in chat.text
        assert "coloured shapes" in chat.text
        assert "gemma4 chat -m mlx-community/gemma-4-E2B-it-qat-4bit" in chat.text
        assert "demo model" in chat.lines[0]


def test_the_first_real_model_is_the_same_in_the_introduction_the_list_and_both_readmes():
    pick = first_pick()
    (starred,) = [row for row in model_rows(mac(8)) if row.is_recommended]
    assert starred.name == pick.hub_id
    chat, size = f"gemma4 chat -m {pick.hub_id}", byte_sizes.size(pick.download_gb * 1e9)
    root = Path(gemma4_mlx.__file__).parents[1]
    pages = [root / "README.md", root / "gemma4_mlx" / "pocket" / "README.md"]
    for text in (introduce(DEMO_READY), *(page.read_text("utf-8") for page in pages)):
        assert chat in text
        assert size in text
        assert set(re.findall(r"mlx-community/[\w.-]+", text)) == {pick.hub_id}


def test_the_introduction_is_not_broken_in_a_narrow_window():
    assert max(map(len, introduce(DEMO_READY).splitlines())) <= 55


async def test_a_real_model_is_no_demo():
    async with chatting(FakeEngine(loading=[REAL])) as chat:
        assert chat.lines[0].split()[:3] == ["gemma-4-E2B-it", "●", "ready"]
        assert "demo" not in chat.text
        assert "google/gemma-4-E2B-it, weights of 7.4 MB" in chat.text
        assert "sees pictures · hears clips · a conversation can have 4096 tokens" in chat.text


async def test_all_options_reach_the_engine():
    options = {"max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "top_k": 4, "seed": 7}
    async with chatting(image_tokens=70, thinking=True, system="Be brief.", **options) as chat:
        await chat.enter("Hi")
        assert chat.engine.requests[0].options() == {
            "image_tokens": 70,
            "thinking": True,
            **options,
        }
        assert chat.messages[0] == {"role": "system", "content": "Be brief."}


async def test_every_turn_sends_the_whole_conversation(tmp_path):
    path = picture(tmp_path)
    async with chatting(FakeEngine([ANSWER, ANSWER])) as chat:
        await chat.enter(f"/image {path}")
        await chat.enter("What is it?")
        await chat.enter("Really?")
        assert chat.messages == [
            {
                "role": "user",
                "content": [
                    {"type": "image", "path": str(path), "image_tokens": 280},
                    {"type": "text", "text": "What is it?"},
                ],
            },
            {"role": "assistant", "content": "A red star and a blue circle."},
            {"role": "user", "content": [{"type": "text", "text": "Really?"}]},
        ]


async def test_an_attachment_needs_no_words(tmp_path):
    async with chatting(FakeEngine([ANSWER])) as chat:
        await chat.enter(f"/audio {clip(tmp_path)}")
        await chat.press("enter")
        assert [part["type"] for part in chat.messages[0]["content"]] == ["audio"]


async def test_attachments_of_the_command_line_wait_in_the_composer(tmp_path):
    paths = (picture(tmp_path), clip(tmp_path))
    async with chatting(attachments=paths) as chat:
        assert [row.holds.kind for row in chat.rows] == ["image", "audio"]
        assert chat.prompt.has_focus


async def test_receipts_go_to_their_attachments_in_every_turn(tmp_path):
    first, second = picture(tmp_path, "a.png"), picture(tmp_path, "b.png")
    turns = [
        [receipt(first), *ANSWER],
        [receipt(first), receipt(second, 63, 70), *ANSWER],
    ]
    async with chatting(FakeEngine(turns), size=(80, 40)) as chat:
        await chat.enter(f"/image {first}")
        await chat.enter("one")
        assert "a.png  266 tokens · 640×480 seen as 912×672 · budget 280" in chat.text
        await chat.enter("/budget 70")
        await chat.enter(f"/image {second}")
        await chat.enter("two")
        assert "a.png  266 tokens" in chat.text
        assert "b.png  63 tokens" in chat.text
        assert "expected" not in chat.text


async def test_a_receipt_that_surprises_says_so(tmp_path):
    path = picture(tmp_path)
    async with chatting(FakeEngine([[receipt(path, 250)]])) as chat:
        await chat.enter(f"/image {path}")
        await chat.enter("one")
        assert "250 tokens" in chat.text
        assert "(expected 266)" in chat.text


async def test_the_phases_of_an_answer_have_names():
    async with chatting(FakeEngine([[]])) as chat:
        await chat.enter("go")
        for event, shown in (
            (PromptProgress(0, 1240, 0, 1), "looking at what is attached\n"),
            (PromptProgress(0, 1240, 2, 33), "looking at what is attached, 3 of 33\n"),
            (PromptProgress(0, 1240, 33, 33), "reading the prompt, 0 of 1240 tokens"),
            (PromptProgress(812, 1240), "reading the prompt, 812 of 1240 tokens"),
            (ThoughtDelta("well"), "▸ thinking… · 1 word"),
            (TextDelta("Yes"), "writing"),
            (FINISHED, "281 in · 9 out · 118 tok/s · first token 0.24 s"),
        ):
            await chat.tell(event)
            assert shown in chat.text


async def test_who_waits_long_for_a_word_is_told_how_long(monkeypatch):
    monkeypatch.setattr("tui.widgets.answer_turn.PATIENCE_S", 65)
    async with chatting(FakeEngine([[PromptProgress(49, 2652)]])) as chat:
        await chat.enter("Go")
        (turn,) = chat.app.chat.query(AnswerTurn)
        turn._tell_phase()
        assert chat.text.count("reading the prompt, 49 of 2652 tokens\n") == 1
        turn._asked_s -= 65
        turn._tell_phase()
        await chat.settle()
        assert "reading the prompt, 49 of 2652 tokens · 1:05" in chat.text
        await chat.tell(TextDelta("Well"))
        assert "1:05" not in chat.text


async def test_a_cut_answer_says_so():
    async with chatting(
        FakeEngine([[TextDelta("On and"), replace(FINISHED, reason="length")]])
    ) as chat:
        await chat.enter("go")
        assert "cut off after 9 tokens" in chat.text


async def test_a_tool_call_is_not_swallowed():
    turn = [ToolCall("weather", {"city": "Lisbon"}), replace(FINISHED, reason="tool_call")]
    async with chatting(FakeEngine([turn])) as chat:
        await chat.enter("go")
        assert '⚙ weather  city: "Lisbon"' in chat.text
        assert "was not run: this chat offers no tools" in chat.text
        assert "asked for a tool · 281 in" in chat.text


async def test_a_tool_call_that_could_not_be_read_says_why():
    call = ToolCall("weather", {}, "no value after [city]")
    async with chatting(FakeEngine([[call, replace(FINISHED, reason="tool_call")]])) as chat:
        await chat.enter("go")
        assert "could not be read: no value after [city]" in chat.text


async def test_loading_shows_bytes_and_an_early_question_waits():
    engine = FakeEngine([ANSWER], loading=[LoadProgress(3_100_000_000, 5_200_000_000)])
    async with chatting(engine) as chat:
        assert "loading 3.1 of 5.2 GB" in chat.lines[0]
        await chat.enter("Hi")
        assert "waits until the model is loaded" in chat.text
        await chat.tell(DEMO_READY)
        assert "A red star and a blue circle." in chat.text


async def test_an_early_question_can_be_taken_back():
    async with chatting(FakeEngine(loading=[LoadProgress(1, 2)])) as chat:
        await chat.enter("Hi")
        await chat.press("escape")
        assert chat.prompt.text == "Hi"
        assert "waits until" not in chat.text


async def test_without_a_model_there_is_one_card_and_the_text_stays():
    missing = Failed("ModelNotFoundError", "no model 'x'", "name another", 3)
    async with chatting(FakeEngine(loading=[missing])) as chat:
        assert "● failed" in chat.lines[0]
        await chat.enter("Hi")
        assert chat.text.count("no model 'x'") == 1
        assert "→ name another" in chat.text
        assert chat.prompt.text == "Hi"
        assert "there is no model" in chat.lines[-1]
        assert chat.app.exit_code == 3


async def test_a_failure_is_a_card_and_the_question_comes_back(tmp_path):
    async with chatting(FakeEngine([[PromptProgress(1, 2), FAILED], ANSWER])) as chat:
        await chat.enter(f"/image {picture(tmp_path)}")
        await chat.enter("Hi")
        assert "the conversation is [too] long" in chat.text
        assert "→ start anew with /new" in chat.text
        assert chat.prompt.text == "Hi"
        assert len(chat.rows) == 1
        await chat.press("enter")
        assert len(chat.messages) == 1
        assert chat.app.exit_code == 0


async def test_a_failure_in_the_middle_keeps_what_was_written():
    async with chatting(FakeEngine([[TextDelta("Half an"), FAILED], ANSWER])) as chat:
        await chat.enter("Hi")
        assert "Half an" in chat.text
        assert "broken off · the model is not told of it · r tries again" in chat.text
        assert chat.prompt.text == ""
        await chat.press("alt+up", "alt+up", "r")
        assert "Half an" not in chat.text
        assert "A red star and a blue circle." in chat.text
        assert len(chat.messages) == 1


async def test_what_comes_back_does_not_overwrite_a_new_draft():
    async with chatting(FakeEngine([[]])) as chat:
        await chat.enter("first")
        await chat.write("second")
        await chat.tell(FAILED)
        assert chat.prompt.text == "first\nsecond"


@pytest.mark.parametrize("text", ["[bold]x[/bold]", "[/x]", "[red", "<think>x</think>", "\\[x]"])
async def test_markup_is_not_read_in_anything_people_or_models_write(text):
    turn = [ThoughtDelta(text), TextDelta(f"`{text}`"), FINISHED]
    engine = FakeEngine([turn, [Failed("EngineError", text, text)]])
    async with chatting(engine, size=(80, 40)) as chat:
        await chat.enter(f"Q{text}")
        assert f"Q{text}" in chat.text
        assert text in chat.text.replace(f"Q{text}", "")
        await chat.enter("again")
        assert f"→ {text}" in chat.text


@pytest.mark.parametrize("budget", [*IMAGE_TOKEN_BUDGETS, "auto"])
@pytest.mark.parametrize("size", [(640, 480), (64, 64), (4032, 3024), (3000, 100), (1, 1)])
def test_the_cost_shown_before_is_the_cost_paid(tmp_path, size, budget):
    path = picture(tmp_path, size=size)
    shown = Attachment("image", path, budget).read()
    paid = prepare_image(ImagePart(path, name=path.name), budget, ImageSettings()).cost
    assert shown.tokens() == paid.tokens
    assert shown.seen() == f"sees {paid.seen_width}×{paid.seen_height}"


@pytest.mark.parametrize("seconds", [0.1, 0.5, 7.03, 30.0])
def test_the_cost_of_a_clip_is_the_cost_paid(tmp_path, seconds):
    path = clip(tmp_path, seconds=seconds)
    paid = prepare_audio(AudioPart(path, name=path.name), AudioSettings())
    assert Attachment("audio", path).read().tokens() == paid.tokens


async def test_a_long_clip_is_heard_in_parts_and_its_receipts_are_added(tmp_path):
    receipts = [
        MediaReceipt("audio", "voice.wav", 700, 700, seconds=28.0),
        MediaReceipt("audio", "voice.wav", 175, 175, seconds=7.0, start_s=28.0),
    ]
    async with chatting(FakeEngine([[*receipts, TextDelta("Hm"), FINISHED]])) as chat:
        await chat.enter(f"/audio {clip(tmp_path, seconds=35)}")
        assert "0:35, 2 parts" in chat.text
        await chat.enter("Who is it?")
        assert "875 tokens" in chat.text
        assert chat.text.count("0:35, 2 parts") == 1


async def test_stopped_with_figures():
    stopped = replace(FINISHED, reason="cancelled")
    async with chatting(FakeEngine([[TextDelta("Once"), stopped]])) as chat:
        await chat.enter("go")
        assert "stopped · 281 in · 9 out" in chat.text


async def test_a_finished_turn_makes_room_for_the_next():
    async with chatting(FakeEngine([[TextDelta("a"), Finished("stop")]] * 3)) as chat:
        for _ in range(3):
            await chat.enter("go")
        assert len(chat.messages) == 5
