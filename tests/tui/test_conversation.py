"""The conversation in memory: branches, versions, and what the model is told."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma4_mlx.errors import UsageError
from gemma4_mlx.events import Failed, Finished, MediaReceipt, TextDelta, ThoughtDelta, ToolCall
from tui.attachments.attachment import Attachment
from tui.chat.conversation import Conversation, Draft

DONE = Finished("stop")
STOPPED = Finished("cancelled")
FAILED = Failed("EngineError", "no more")
PHOTO = Attachment("image", Path("/photos/a.png"), 280)


def answered(conversation: Conversation, text: str, end=DONE):
    conversation.hear(TextDelta(text))
    return conversation.hear(end)


def talk(*turns: tuple[str, str]) -> Conversation:
    conversation = Conversation(clock=count(1000).__next__)
    for question, answer in turns:
        conversation.ask(Draft(question))
        answered(conversation, answer)
    return conversation


def said(conversation: Conversation) -> list[str]:
    return [entry.text for entry in conversation.branch()]


def told(conversation: Conversation) -> list[str]:
    return [
        part if isinstance(part := message["content"], str) else part[-1]["text"]
        for message in conversation.messages()
    ]


def test_an_open_question_is_the_end_of_what_the_model_is_told():
    conversation = Conversation("Be brief.")
    conversation.ask(Draft("What is it?", (PHOTO,)))
    assert conversation.messages() == (
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "image", "path": "/photos/a.png", "image_tokens": 280},
                {"type": "text", "text": "What is it?"},
            ],
        },
    )


def test_pain_15_thoughts_are_kept_apart_from_the_answer_and_the_template_decides():
    conversation = Conversation()
    conversation.ask(Draft("What is it?"))
    conversation.hear(ThoughtDelta("hm"))
    answered(conversation, "A star.")
    conversation.ask(Draft("Sure?"))
    assert conversation.messages()[1] == {
        "role": "assistant",
        "content": "A star.",
        "reasoning": "hm",
    }


def test_an_answer_hears_all_of_its_turn():
    conversation = Conversation(clock=iter([1.0, 2.0, 3.0, 10.0, 13.5]).__next__, created=0.0)
    answer = conversation.ask(Draft("go"))
    assert answer.state == "writing"
    assert conversation.open_answer is answer
    call = ToolCall("search", {"words": ["x"]})
    for event in (ThoughtDelta("let "), ThoughtDelta("me"), TextDelta("Here"), call):
        conversation.hear(event)
    finished = Finished("length")
    assert conversation.hear(finished) is answer
    assert (answer.thought, answer.text, answer.tool_calls) == ("let me", "Here", (call,))
    assert (answer.state, answer.finished, answer.thought_s) == ("done", finished, 7.0)
    assert conversation.hear(TextDelta("late")) is None
    assert answer.text == "Here"


def test_a_stopped_answer_counts_a_failed_or_empty_one_does_not():
    conversation = talk(("one", "1"))
    for question, words, end in (("two", "half", STOPPED), ("three", "broken", FAILED)):
        conversation.ask(Draft(question))
        answered(conversation, words, end)
    conversation.ask(Draft("four"))
    conversation.hear(Finished("stop"))
    assert said(conversation) == ["one", "1", "two", "half", "three", "broken", "four", ""]
    assert told(conversation) == ["one", "1", "two", "half"]


def test_regenerate_and_edit_make_versions_beside_the_old_ones():
    conversation = talk(("one", "1"), ("two", "2"))
    first_answer = conversation.branch()[1]
    conversation.regenerate(first_answer)
    answered(conversation, "uno")
    assert said(conversation) == ["one", "uno"]
    assert [each.text for each in conversation.siblings(first_answer)] == ["1", "uno"]
    conversation.edit(conversation.branch()[0], Draft("ONE"))
    answered(conversation, "I")
    assert said(conversation) == ["ONE", "I"]
    old, new = conversation.siblings(conversation.branch()[0])
    conversation.switch(old)
    assert said(conversation) == ["one", "uno"]
    conversation.switch(first_answer)
    assert said(conversation) == ["one", "1", "two", "2"]
    conversation.switch(new)
    assert told(conversation) == ["ONE", "I"]


def test_what_is_taken_back_leaves_the_branch_as_it_was():
    conversation = talk(("one", "1"), ("two", "2"))
    before = said(conversation)
    draft = Draft("three", (PHOTO,))
    conversation.ask(draft)
    conversation.hear(STOPPED)
    assert conversation.take_back() == draft
    assert said(conversation) == before
    conversation.edit(conversation.branch()[0], Draft("other"))
    conversation.hear(FAILED)
    assert conversation.take_back() == Draft("other")
    assert said(conversation) == before
    conversation.regenerate(conversation.branch()[1])
    conversation.hear(STOPPED)
    assert conversation.take_back() is None
    assert said(conversation) == before
    assert len(conversation.entries) == 4


def test_what_is_taken_back_after_a_look_at_another_version_shows_the_version_beside():
    conversation = talk(("one", "1"))
    question, answer = conversation.branch()
    conversation.regenerate(answer)
    answered(conversation, "uno")
    conversation.edit(question, Draft("ONE"))
    answered(conversation, "I")
    conversation.switch(answer)
    assert said(conversation) == ["one", "1"]
    assert conversation.take_back() is None
    assert said(conversation) == ["one", "uno"]
    assert conversation.take_back() == Draft("one")
    assert said(conversation) == ["ONE", "I"]


def test_a_first_question_that_is_taken_back_takes_its_title_along():
    conversation = Conversation()
    conversation.ask(Draft("one"))
    assert conversation.title == "one"
    conversation.hear(STOPPED)
    conversation.take_back()
    assert (conversation.title, conversation.head) == ("", None)
    assert conversation.take_back() is None


def test_nothing_else_can_be_asked_while_an_answer_is_written():
    conversation = talk(("one", "1"))
    question, answer = conversation.branch()
    conversation.ask(Draft("two"))
    for ask in (
        lambda: conversation.ask(Draft("three")),
        lambda: conversation.edit(question, Draft("x")),
        lambda: conversation.regenerate(answer),
        lambda: conversation.switch(question),
    ):
        with pytest.raises(UsageError, match="still being written"):
            ask()


def test_pain_50_the_oldest_are_left_out_but_not_forgotten():
    conversation = talk(("one", "1"), ("two", "2"), ("three", "3"))
    assert conversation.leave_out_oldest().text == "one"
    assert told(conversation) == ["two", "2", "three", "3"]
    assert said(conversation)[0] == "one"
    assert conversation.leave_out_oldest().text == "two"
    assert conversation.leave_out_oldest() is None


def test_pain_50_an_old_picture_can_be_made_cheaper():
    conversation = Conversation()
    question = conversation.ask(Draft("x", (PHOTO,)))
    answered(conversation, "y")
    question = conversation.parent(question)
    conversation.take_changes()
    conversation.set_budget(question, 0, 70)
    assert conversation.messages()[0]["content"][0]["image_tokens"] == 70
    assert [entry.id for entry in conversation.take_changes().entries] == [question.id]


def receipt(name: str, tokens: int, kind="image") -> MediaReceipt:
    return MediaReceipt(kind, name, tokens, tokens)


def test_receipts_go_to_their_attachments_in_every_turn():
    clip = Attachment("audio", Path("/b.wav"), parts=2)
    twin = Attachment("image", Path("/elsewhere/a.png"), 70)
    conversation = Conversation()
    conversation.ask(Draft("x", (PHOTO, clip)))
    first = conversation.branch()[0]
    turn = [receipt("a.png", 266), receipt("b.wav", 700, "audio"), receipt("b.wav", 20, "audio")]
    assert [conversation.hear(each) for each in turn] == [first] * 3
    answered(conversation, "y")
    conversation.ask(Draft("z", (twin,)))
    for each in [*turn, receipt("a.png", 63)]:
        conversation.hear(each)
    assert conversation.hear(receipt("unknown.png", 1)) is None
    assert [[each.tokens for each in of] for of in first.receipts] == [[266], [700, 20]]
    assert [each.tokens for each in conversation.branch()[2].receipts_of(0)] == [63]
    assert first.receipts_of(5) == ()


def test_receipts_pass_over_questions_that_the_model_is_not_told_of():
    conversation = Conversation()
    conversation.ask(Draft("x", (PHOTO,)))
    answered(conversation, "half", FAILED)
    conversation.ask(Draft("x", (PHOTO,)))
    conversation.hear(receipt("a.png", 266))
    assert [len(entry.receipts) for entry in conversation.branch()] == [0, 0, 1, 0]


@pytest.mark.parametrize(
    ("draft", "title"),
    [
        (Draft("  Why is\nthe sky blue? "), "Why is the sky blue?"),
        (Draft("", (PHOTO,)), "a.png"),
        (Draft("word, " * 30), "word, word, word, word, word, word, word, word, word, word…"),
        (Draft("x" * 100), "x" * 60 + "…"),
    ],
)
def test_a_title_is_the_first_words(draft, title):
    assert draft.title() == title


def test_changes_are_told_once_and_again_when_they_could_not_be_written():
    conversation = talk(("one", "1"))
    first = conversation.take_changes()
    assert first.is_new
    assert [entry.text for entry in first.entries] == ["one", "1"]
    assert conversation.take_changes().entries == ()
    conversation.put_back(first)
    conversation.ask(Draft("two"))
    again = conversation.take_changes()
    assert again.is_new
    assert again.title == "one"
    assert [entry.text for entry in again.entries] == ["one", "1", "two", ""]
    conversation.hear(TextDelta("more"))
    assert again.entries[-1].text == ""
    conversation.hear(STOPPED)
    conversation.take_back()
    last = conversation.take_changes()
    assert (last.entries, last.title) == ((), None)
    assert set(last.removed) == {entry.id for entry in again.entries[2:]}


STEPS = st.lists(st.tuples(st.sampled_from("aersktf"), st.integers(0, 9)), max_size=25)


@given(STEPS)
def test_whatever_is_done_the_tree_holds_together(steps):
    """Alternating roles, parents before children, and a question before each answer told."""
    conversation = Conversation()
    for what, number in steps:
        branch = conversation.branch()
        entry = branch[number % len(branch)] if branch else None
        if conversation.open_answer is not None:
            conversation.hear({"s": STOPPED, "f": FAILED}.get(what, TextDelta(what)))
        elif what == "a" or entry is None:
            conversation.ask(Draft(f"q{number}"))
        elif what == "t":
            conversation.take_back()
        elif what == "k":
            conversation.switch(conversation.siblings(entry)[-1])
        elif entry.role == "user":
            conversation.edit(entry, Draft(f"e{number}"))
        else:
            conversation.regenerate(entry)
    branch = conversation.branch()
    assert [entry.role for entry in branch] == ["user", "assistant"] * (len(branch) // 2)
    seen: set[str | None] = {None}
    for entry in conversation.entries.values():
        assert entry.parent in seen
        seen.add(entry.id)
    roles = [message["role"] for message in conversation.messages()]
    pairs = ["user", "assistant"] * len(roles)
    assert roles == pairs[: len(roles)]
    is_open = conversation.open_answer is not None
    assert len(roles) % 2 == is_open
