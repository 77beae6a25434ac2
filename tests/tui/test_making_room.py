"""Room in a full context, made by a key."""

from __future__ import annotations

from gemma4_mlx.engine import FakeEngine
from gemma4_mlx.events import Failed, TextDelta
from tests.tui.driver import chatting, picture
from tests.tui.told import questions, said
from tui.widgets.offer_card import OfferCard

OUT_OF_MEMORY = Failed("MemoryLimitError", "out of memory", "use less", 4)
NO_ROOM = Failed("ContextFullError", "4200 tokens, at most 4096", "start anew", 6)


async def test_out_of_memory_offers_lower_budgets(tmp_path):
    async with chatting(FakeEngine([[OUT_OF_MEMORY], said("One.")]), size=(80, 40)) as chat:
        await chat.enter("/budget 1120")
        await chat.enter(f"/image {picture(tmp_path)}")
        await chat.enter("first")
        assert "Out of memory" in chat.text
        assert "(saves 524)" in chat.text
        assert chat.prompt.text == "first"
        await chat.press("alt+up", "b")
        assert chat.messages[0]["content"][0]["image_tokens"] == 560
        assert "One." in chat.text


async def test_a_draft_that_does_not_fit_is_held(tmp_path):
    turns = [said("One.", 2000), said("Two.", 3700), said("Three.", 2100)]
    async with chatting(FakeEngine(turns), size=(80, 50)) as chat:
        await chat.enter("first")
        await chat.enter("second")
        assert "3.7k/4.1k" in chat.lines[-1]
        await chat.enter(f"/image {picture(tmp_path)}")
        await chat.enter("third")
        assert len(chat.engine.requests) == 2
        assert "This would not fit" in chat.text
        assert "lower budgets (saves 136)" in chat.text
        assert "leave out the oldest turn (saves about 2000)" in chat.text
        assert chat.prompt.text == "third"
        await chat.press("o")
        assert questions(chat) == ["second", "third"]
        assert "You  left out" in chat.text


async def test_escape_lets_a_held_draft_be():
    async with chatting(FakeEngine([said("One.", 4000)])) as chat:
        await chat.enter("first")
        await chat.enter("second")
        await chat.press("escape")
        assert chat.prompt.text == "second" and chat.prompt.has_focus
        assert len(chat.engine.requests) == 1


async def test_old_pictures_make_room(tmp_path):
    turns = [said("One.", 4000), said("Two.", 3000)]
    async with chatting(FakeEngine(turns), size=(80, 50)) as chat:
        await chat.enter("/budget 1120")
        await chat.enter(f"/image {picture(tmp_path)}")
        await chat.enter("first")
        await chat.enter("second")
        await chat.press("b")
        assert chat.messages[0]["content"][0]["image_tokens"] == 560
        assert questions(chat) == ["first", "second"]


async def test_a_summary_goes_on_in_a_new_chat():
    turns = [said("One.", 4000), said("It was about a star.", 4050), said("Two.")]
    async with chatting(FakeEngine(turns), system="Be brief.", size=(80, 40)) as chat:
        await chat.enter("first")
        await chat.enter("second")
        await chat.press("s")
        assert "Summarise" in chat.engine.requests[1].messages[-1]["content"][0]["text"]
        system = chat.messages[0]["content"]
        assert system.startswith("Be brief.") and system.endswith("It was about a star.")
        assert questions(chat) == ["second"]
        assert "(continued)" in chat.lines[0]
        assert "Two." in chat.text


async def test_without_a_summary_everything_stays():
    turns = [said("One.", 4000), [TextDelta("It w")]]
    async with chatting(FakeEngine(turns), size=(80, 40)) as chat:
        await chat.enter("first")
        await chat.enter("second")
        await chat.press("s", "escape")
        assert "No summary was written" in chat.text
        assert chat.prompt.text == "second"
        assert "One." in chat.text


async def test_a_full_context_is_said_by_the_engine_too():
    async with chatting(FakeEngine([said("One."), [NO_ROOM]]), size=(80, 40)) as chat:
        await chat.enter("first")
        await chat.enter("second")
        assert "No room left" in chat.text and "have it summarised" in chat.text
        assert chat.prompt.text == "second"


async def test_no_summary_is_offered_where_nothing_has_been_said():
    async with chatting(FakeEngine([[NO_ROOM]])) as chat:
        await chat.enter("hello")
        card = chat.app.chat.query_one(OfferCard)
        assert [offer.name for offer in card.offers] == []
