"""What a session reads again, encodes again and remembers."""

from __future__ import annotations

import json

import mlx.core as mx
import numpy as np
import pytest

from gemma4_mlx.config import ModelConfig
from gemma4_mlx.errors import UsageError
from gemma4_mlx.events import Finished, MediaReceipt, PromptProgress, TextDelta, ThoughtDelta
from gemma4_mlx.kv_format import KVFormat, row_bytes
from gemma4_mlx.prefill import cut_chunks
from gemma4_mlx.session import Session
from gemma4_mlx.session.session import SNAPSHOT_BYTES
from gemma4_mlx.session.session_file import SNAPSHOT_FILE_BYTES
from tests.published import DATA
from tests.session.toy_chat import (
    ChatProcessor,
    ChatTokenizer,
    clip,
    cold_logits,
    picture,
    question,
    words,
)
from tests.toys import joined

LARGEST = DATA / "configs" / "gemma-4-31B-it.config.json"
CONTROL = ChatTokenizer.control
END = CONTROL.eot_token_id
OPENING = 3  # tokens in front of an answer, and of a question
ANSWER = ChatTokenizer().encode(words(5, 20))


class Talk:
    """A session, and what one turn of it does."""

    def __init__(self, model, record, **options):
        self.model, self.record = model, record
        self.processor = ChatProcessor()
        self.session = Session(model, self.processor, **options)

    def __call__(self, ask, *args, writes=(*ANSWER, END), **options):
        self.record.clear()
        self.record.script = list(writes)
        options = {"max_tokens": len(writes), **options}
        self.events = list(getattr(self.session, ask)(*args, **options))
        finished = self.events[-1]
        assert isinstance(finished, Finished)
        return finished.usage

    @property
    def prompt_rows(self):
        """Rows that were run, without those of what was written."""
        written = self.events[-1].usage.completion_tokens
        return self.record.rows - (written - 1)

    def is_cold(self):
        """Whether the answer's first logits are those of the whole conversation read anew."""
        cold = cold_logits(self.model, self.processor(self.session.messages[:-1]))
        return np.allclose(np.array(self.record.logits[0]), cold, atol=1e-4)


@pytest.fixture
def talk(load, record):
    return Talk(load("e2b-like"), record)


def test_pain_7_a_second_turn_runs_only_its_new_tokens(talk):
    asked = question(words(1, 40), picture(1), clip(2))
    first = talk("send", asked)
    assert (first.reused_tokens, talk.prompt_rows) == (0, first.prompt_tokens)
    second = talk("send", words(2, 6))
    # The last token of the answer is never run, so that the newline behind it is new as well.
    new = 1 + 1 + OPENING + 6 + 2 + OPENING
    assert second.prompt_tokens - second.reused_tokens == talk.prompt_rows == new
    assert talk.record.encoded == 0
    assert talk.is_cold()
    progress = [event for event in talk.events if isinstance(event, PromptProgress)]
    assert progress[0] == PromptProgress(second.reused_tokens, second.prompt_tokens)


def test_pain_15_thoughts_that_the_template_drops_cost_the_answer_alone(talk):
    thought = [CONTROL.soc_token_id, *ChatTokenizer().encode(words(3, 30)), CONTROL.eoc_token_id]
    talk("send", words(1, 60), writes=(*thought, *ANSWER, END))
    assert joined(talk.events, ThoughtDelta) and joined(talk.events, TextDelta) == words(5, 20)
    second = talk("send", words(2, 6))
    new = 1 + len(ANSWER) + 2 + OPENING + 6 + 2 + OPENING
    assert second.prompt_tokens - second.reused_tokens == talk.prompt_rows == new
    assert talk.is_cold()


def test_pain_6_regenerating_runs_a_row_though_the_window_has_wrapped(talk):
    talk("send", words(1, 100))
    before = [np.array(row) for row in talk.record.logits]
    again = talk("regenerate")
    assert talk.prompt_rows == again.prompt_tokens - again.reused_tokens == 1
    for one, other in zip(before, talk.record.logits, strict=True):
        np.testing.assert_allclose(np.array(other), one, atol=1e-4)
    assert len(talk.session.messages) == 2


def test_pain_6_any_earlier_question_is_edited_from_where_it_was_asked(talk):
    for seed in range(4):
        talk("send", words(seed, 40))
    for turn in (3, 2, 1, 0):
        edited = talk("edit", 2 * turn, words(9, 40), writes=ANSWER[:3])
        ends_before = 2 if turn else 1  # of the answer before; or the very first token
        new = ends_before + OPENING + 40 + 2 + OPENING
        assert edited.prompt_tokens - edited.reused_tokens == talk.prompt_rows == new
        assert len(talk.session.messages) == 2 * turn + 2
        assert talk.is_cold()


def test_pain_6_what_was_kept_of_a_branch_is_not_gone_back_to_from_another(talk):
    for seed in range(3):
        talk("send", words(seed, 40))
    talk("edit", 2, words(9, 100))
    talk("regenerate")
    assert talk.is_cold()


def test_pain_6_the_last_questions_are_edited_at_once_when_all_was_read_anew(load, record):
    before = [
        message
        for seed in range(5)
        for message in (
            {"role": "user", "content": words(seed, 40)},
            {"role": "assistant", "content": words(seed + 9, 20)},
        )
    ]
    for index in (6, 8, 10):
        talk = Talk(load("e2b-like"), record, messages=before)
        talk("send", words(7, 40))
        talk("edit", index, words(8, 40))
        assert talk.prompt_rows <= OPENING + 40 + 2 + OPENING
        assert talk.is_cold()


def test_pain_8_another_picture_of_the_same_size_is_another_prompt(talk):
    talk("send", question(words(1, 30), picture(1)))
    before = np.array(talk.record.logits[0])
    talk("edit", 0, question(words(1, 30), picture(2)))
    assert np.abs(np.array(talk.record.logits[0]) - before).max() > 1e-2
    assert talk.record.encoded == 1
    assert talk.is_cold()


def test_pain_9_one_new_picture_among_three_encodes_one(talk):
    talk("send", question("", picture(1), picture(2), clip(3)))
    assert talk.record.encoded == 3
    talk("edit", 0, question("", picture(1), picture(9), clip(3)))
    assert talk.record.encoded == 1
    receipts = [event for event in talk.events if isinstance(event, MediaReceipt)]
    assert [receipt.cached for receipt in receipts] == [True, False, True]
    talk("edit", 0, question("", picture(2, tokens=6), picture(1)))
    assert talk.record.encoded == 1  # the same picture at another budget
    assert talk.is_cold()


def test_encoded_media_stay_within_their_bytes(load, record):
    model = load("e2b-like")
    row_bytes = 4 * model.config.text_config.hidden_size
    talk = Talk(model, record, encoder_bytes=9 * row_bytes)
    talk("send", question("", picture(1), picture(2), picture(3)))
    assert talk.session._encoder.nbytes == 8 * row_bytes
    talk("edit", 0, question("", picture(9), picture(3), picture(1)))
    assert talk.record.encoded == 2  # 9, and 1, which was not needed for longest
    assert talk.is_cold()


def test_what_was_needed_lately_is_kept_longer(load, record):
    model = load("e2b-like")
    row_bytes = 4 * model.config.text_config.hidden_size
    talk = Talk(model, record, encoder_bytes=3 * 4 * row_bytes)
    talk("send", question("", picture(1), picture(2)))
    for asked in ((3, 1), (4, 1), (5, 1), (6, 5)):
        talk("edit", 0, question("", *map(picture, asked)))
        assert talk.record.encoded == 1
    assert talk.is_cold()


def test_pain_9_what_is_kept_is_there_when_what_is_new_takes_its_place(load, record):
    model = load("e2b-like")
    row_bytes = 4 * model.config.text_config.hidden_size
    talk = Talk(model, record, encoder_bytes=8 * row_bytes)
    talk("send", question("", picture(1), picture(2)))
    talk("edit", 0, question("", picture(9), picture(1), picture(9)))
    receipts = [event for event in talk.events if isinstance(event, MediaReceipt)]
    assert [receipt.cached for receipt in receipts] == [False, True, False]
    assert talk.record.encoded == 1
    assert talk.is_cold()


def test_pain_50_snapshots_stay_within_their_bytes_and_the_last_one_stays_longest(load, record):
    model = load("e2b-like")
    windows = [one.window for one in model.make_cache()]
    one = sum(24 * 2 * 16 * 4 for window in windows if window)
    talk = Talk(model, record, snapshot_bytes=3 * one)
    for seed in range(5):
        talk("send", words(seed, 30))
    trunk = talk.session._trunk
    assert trunk is not None and len(trunk.snapshots) == 3
    assert max(trunk.snapshots) == talk.events[-1].usage.prompt_tokens - 1
    talk("edit", 0, words(8, 30))
    assert talk.is_cold()


def test_pain_49_memory_is_flat_over_many_turns_with_pictures(load, record):
    talk = Talk(load("e2b-like"), record, encoder_bytes=2000)
    talk("send", question(words(1, 30), picture(0)), writes=ANSWER[:3])
    held = []
    for seed in range(1, 12):
        talk("edit", 0, question(words(1, 30), picture(seed)), writes=ANSWER[:3])
        held.append(mx.get_active_memory())
    assert max(held[3:]) - min(held[3:]) < 20_000


def test_a_stopped_answer_stays_and_is_gone_on_from(talk):
    asked = iter([False] * 9)
    stopped = talk("send", words(1, 40), should_stop=lambda: next(asked, True))
    partial = joined(talk.events, TextDelta)
    assert talk.events[-1].reason == "cancelled"
    assert 0 < len(partial) < len(ANSWER)
    assert talk.session.messages[-1] == {"role": "assistant", "content": partial}
    then = talk("send", words(2, 5))
    assert then.reused_tokens >= stopped.prompt_tokens + len(partial) - 1
    assert talk.is_cold()


def test_a_turn_stopped_while_reading_keeps_what_was_read(talk):
    asked = iter([False])
    prompt = talk("send", words(1, 60), should_stop=lambda: next(asked, True)).prompt_tokens
    assert talk.session.messages == ()
    then = talk("send", words(1, 60))
    assert (then.prompt_tokens, then.reused_tokens) == (prompt, prompt - 1)
    assert talk.is_cold()


def test_whoever_stops_listening_loses_nothing(talk):
    talk.record.script = list(ANSWER)
    events = talk.session.send(words(1, 40), max_tokens=9)
    heard = next(event.text for event in events if isinstance(event, TextDelta))
    events.close()
    assert talk.session.messages[-1]["content"] == heard
    assert talk("send", words(2, 5)).reused_tokens > 40
    assert talk.is_cold()


def test_a_turn_that_is_closed_late_changes_nothing(talk):
    talk.record.script = list(ANSWER)
    late = talk.session.send(words(1, 40), max_tokens=9)
    next(event for event in late if isinstance(event, TextDelta))
    talk("send", words(2, 40))
    messages = talk.session.messages
    late.close()
    assert talk.session.messages == messages
    assert talk("regenerate").reused_tokens > 40
    assert talk.is_cold()


def test_a_turn_that_ends_late_does_not_undo_one_that_ended_before(talk):
    talk.record.script = list(ANSWER)
    late = talk.session.send(words(1, 40), max_tokens=9)
    next(event for event in late if isinstance(event, TextDelta))
    talk("send", words(2, 40))
    messages = talk.session.messages
    list(late)
    assert talk.session.messages == messages
    talk("send", words(3, 5))
    assert talk.is_cold()


def test_turns_that_are_asked_for_ahead_come_one_after_the_other(talk):
    ahead = [talk.session.send(words(seed, 40), max_tokens=3) for seed in (1, 2)]
    for events in ahead:
        list(events)
    asked = [one["content"] for one in talk.session.messages if one["role"] == "user"]
    assert asked == [words(1, 40), words(2, 40)]
    talk("send", words(3, 5))
    assert talk.is_cold()


def test_after_an_error_the_conversation_is_read_anew(talk, monkeypatch):
    talk("send", words(1, 40))
    before = talk.session.messages
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(type(talk.model), "step", lambda *_: 1 / 0)
        talk("send", words(2, 5))
    assert talk.session.messages == before
    assert talk("send", words(2, 5)).reused_tokens == 0
    assert talk.is_cold()


def test_bad_options_leave_all_as_it_was(talk):
    first = talk("send", words(1, 40))
    with pytest.raises(UsageError):
        list(talk.session.send("no", max_tokens=0))
    assert talk("regenerate").reused_tokens == first.prompt_tokens - 1


def test_tokens_that_a_tokenizer_writes_otherwise_are_read_again(talk):
    odd = [(token | 7) for token in ANSWER]
    talk("send", words(1, 40), writes=(*odd, END))
    then = talk("send", words(2, 5))
    assert then.prompt_tokens - then.reused_tokens > len(odd)
    assert talk.is_cold()


def test_two_sessions_share_nothing(talk, record):
    other = Talk(talk.model, record)
    talk("send", question(words(1, 40), picture(1)))
    usage = other("send", question(words(1, 40), picture(1)))
    assert usage.reused_tokens == 0
    assert record.encoded == 1
    talk("send", words(2, 5))
    other("send", words(3, 5))
    assert other.is_cold()
    talk("regenerate")
    assert talk.is_cold()


def test_questions_that_are_not_there_are_refused(talk):
    with pytest.raises(UsageError, match="no answer to be given again"):
        talk.session.regenerate()
    talk("send", words(1, 4))
    for index in (1, 2, -1, "0", None):
        with pytest.raises(UsageError, match=r"those of the user are \[0\]"):
            talk.session.edit(index, "x")


@pytest.mark.parametrize("name", ["snapshot_bytes", "encoder_bytes"])
@pytest.mark.parametrize("limit", [-1, None, "1"])
def test_limits_that_are_none_are_refused(load, name, limit):
    with pytest.raises(UsageError, match=f"{name} {limit!r}: expected a whole number"):
        Session(load("e2b-like"), ChatProcessor(), **{name: limit})


def test_what_is_no_message_is_no_question(load):
    with pytest.raises(UsageError, match="no answer to be given again"):
        Session(load("e2b-like"), ChatProcessor(), ["hello"]).regenerate()


def test_four_snapshots_of_the_largest_model_are_kept():
    config = ModelConfig.from_dict(json.loads(LARGEST.read_text())).text_config
    windows = [spec for spec in config.layers if spec.owns_kv and spec.window]
    one = sum(spec.window * row_bytes(spec, 2, KVFormat()) for spec in windows)
    assert 4 * one <= SNAPSHOT_BYTES
    assert one <= SNAPSHOT_FILE_BYTES


def test_a_conversation_may_begin_with_messages(load, record):
    system = {"role": "system", "content": words(7, 30)}
    talk = Talk(load("e2b-like"), record, messages=[system])
    talk("send", words(1, 30))
    assert talk.session.messages[0] == system
    talk("edit", 1, words(2, 30))
    assert talk.record.encoded == 0
    assert talk.is_cold()


def test_chunks_begin_where_they_are_told_to():
    assert cut_chunks([(0, 8), (8, 12)], [3, 8, 11]) == [(0, 3), (3, 8), (8, 11), (11, 12)]
