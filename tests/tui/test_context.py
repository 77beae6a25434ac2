"""How full the context is, and what would make room."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemma4_mlx.events import Finished, TextDelta, Usage
from tui.attachments.attachment import Attachment
from tui.attachments.draft_tokens import DraftTokens, text_tokens
from tui.chat.context import (
    ContextUse,
    asked_tokens,
    oldest_turns,
    smaller_pictures,
    text_rate,
    used_tokens,
)
from tui.chat.conversation import Conversation, Draft

PHOTO = Attachment("image", Path("a.jpg"), 1120, width=4032, height=3024)
CLIP = Attachment("audio", Path("a.wav"), seconds=4.0, audio_tokens=100)


def chat(*totals: int, attached: tuple[Attachment, ...] = ()) -> Conversation:
    """A question and an answer for each total that the context was filled to."""
    conversation = Conversation()
    for total in totals:
        conversation.ask(Draft("question", attached))
        conversation.hear(TextDelta("answer"))
        conversation.hear(Finished("stop", Usage(total - 10, 0, 10)))
    return conversation


def test_what_was_told_last_counts():
    assert used_tokens(chat()) == 0
    assert used_tokens(chat(100, 250)) == 250


def test_what_is_being_read_counts_before_it_is_answered():
    conversation = chat(100)
    assert asked_tokens(conversation) == 0
    conversation.ask(Draft("question", (CLIP,)))
    assert asked_tokens(conversation) == 100 + text_tokens("question")
    conversation.hear(TextDelta("answer"))
    conversation.hear(Finished("stop", Usage(240, 0, 10)))
    assert (asked_tokens(conversation), used_tokens(conversation)) == (0, 250)


@pytest.mark.parametrize(
    ("use", "missing"),
    [
        (ContextUse(0, 5000, 5000), 0),
        (ContextUse(4096, 3000, 100), 0),
        (ContextUse(4096, 3800, 40), 0),
        (ContextUse(4096, 3800, 41), 1),
        (ContextUse(131072, 131000, 0), 184),
    ],
)
def test_an_answer_needs_room_too(use, missing):
    assert use.missing == missing


def test_the_line_is_a_bar_and_figures():
    assert ContextUse(32768, 1400).line() == "▰▱▱▱▱▱▱▱ 1.4k/33k"
    assert ContextUse(4096, 3900, 268).line() == "send ≈ 268  ▰▰▰▰▰▰▰▰ 4.2k/4.1k"
    assert ContextUse(0, 0, 12).line() == "send ≈ 12"
    assert ContextUse(0, 0).line() == ""


def test_the_oldest_turns_are_counted_until_they_are_enough():
    conversation = chat(100, 250, 600, 700)
    assert oldest_turns(conversation, 1) == (1, 100)
    assert oldest_turns(conversation, 101) == (2, 250)
    assert oldest_turns(conversation, 9999) == (3, 600)
    assert oldest_turns(chat(100), 1) == (0, 0)


def test_pictures_are_lowered_no_more_than_needed():
    conversation = chat(2000, attached=(PHOTO, CLIP))
    plan = smaller_pictures(conversation, Draft("", (PHOTO,)), 1)
    assert [(place, budget) for _, place, budget in plan.sent] == [(0, 560)]
    assert plan.draft == ((0, 560),)
    assert plan.saved == 2 * (1064 - 540)
    assert smaller_pictures(conversation, Draft(""), 900).sent[0][2] == 140
    assert smaller_pictures(conversation, Draft(""), 9999).sent[0][2] == 70
    assert smaller_pictures(chat(100, attached=(CLIP,)), Draft(""), 1).saved == 0


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("A star above a house", 5),
        ("3141592653", 10),
        ("f(x) = [a, b];", 6),
        ("今天天气很好", 6),
        ("Привет, мир", 6),
        ("word " * 100_000, 125_000),
    ],
)
def test_a_text_is_estimated_by_what_is_in_it(text, tokens):
    assert text_tokens(text) == pytest.approx(tokens, abs=1)


def test_what_a_model_has_read_tells_how_it_counts():
    conversation = Conversation()
    conversation.ask(Draft("word " * 400))
    conversation.hear(TextDelta("answer"))
    assert text_rate(conversation) == 1.0
    conversation.hear(Finished("stop", Usage(1010, 0, 10)))
    assert text_rate(conversation) == pytest.approx(2.0)
    assert text_rate(chat(100)) == 1.0
    cost = DraftTokens.of("word " * 400, attached=70, is_known=True, rate=2.0)
    assert cost.total == 1070
