"""The prompt, and the draft for the chat."""

from __future__ import annotations

from tests.tui.composing import composing
from tests.tui.driver import clip, picture
from tui.chat.conversation import Draft
from tui.store.prompt_history import PromptHistory


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
