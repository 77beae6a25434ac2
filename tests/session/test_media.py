"""What is attached is really seen and heard, in a warm session, too; videos are read once."""

from __future__ import annotations

import numpy as np
import pytest

from gemma4_mlx.events import MediaReceipt
from gemma4_mlx.session import Session
from tests.session.toy_chat import (
    ChatProcessor,
    ChatTokenizer,
    clip,
    cold_logits,
    picture,
    question,
    video,
    words,
)

ANSWER = [*ChatTokenizer().encode(words(5, 8)), ChatTokenizer.control.eot_token_id]


class Talk:
    """A session whose first logits of each answer are kept."""

    def __init__(self, model, record):
        self.model, self.record, self.processor = model, record, ChatProcessor()
        self.session = Session(model, self.processor)

    def __call__(self, ask, *args):
        self.record.clear()
        self.record.script = list(ANSWER)
        *self.events, finished = getattr(self.session, ask)(*args, max_tokens=len(ANSWER))
        self.usage = finished.usage
        return np.array(self.record.logits[0])

    @property
    def receipts(self):
        return [event for event in self.events if isinstance(event, MediaReceipt)]

    def cold(self):
        return cold_logits(self.model, self.processor(self.session.messages[:-1]))


@pytest.fixture(params=["e2b-like", "26b-like"])
def talk(request, load, record):
    return Talk(load(request.param), record)


@pytest.mark.parametrize("make", [picture, clip, video])
def test_pain_1_noise_instead_moves_the_logits_of_a_warm_session(load, record, make):
    talk = Talk(load("e2b-like"), record)
    talk("send", words(1, 30))
    seen = talk("send", question(words(2, 10), make(1)))
    assert [receipt.cached for receipt in talk.receipts] == [False]
    swapped = talk("edit", 2, question(words(2, 10), make(9)))
    assert talk.usage.reused_tokens > 30  # it is warm
    assert np.abs(swapped - seen).max() > 1e-2
    np.testing.assert_allclose(swapped, talk.cold(), atol=1e-4)
    back = talk("edit", 2, question(words(2, 10), make(1)))
    assert [receipt.cached for receipt in talk.receipts] == [True]
    np.testing.assert_allclose(back, seen, atol=1e-4)


def test_pain_1_noise_far_back_moves_the_logits_of_a_later_turn(load, record):
    """The last question is the same, and its picture; the first one's is not."""
    model = load("e2b-like", 1024)
    asked = [question(words(1, 9), picture(1)), question(words(2, 9), picture(2))]
    one, other = Talk(model, record), Talk(model, record)
    one("send", asked[0]), other("send", question(words(1, 9), picture(7)))
    assert np.abs(one("send", asked[1]) - other("send", asked[1])).max() > 1e-3


def test_pain_7_a_video_is_read_once_and_encoded_once(talk):
    talk("send", question(words(1, 20), video(1)))
    assert (talk.record.encoded, [receipt.frames for receipt in talk.receipts]) == (3, [3])
    logits = talk("send", words(2, 6))
    assert talk.usage.prompt_tokens - talk.usage.reused_tokens < 20
    assert talk.record.encoded == 0
    assert [receipt.cached for receipt in talk.receipts] == [True]
    np.testing.assert_allclose(logits, talk.cold(), atol=1e-4)


def test_pain_8_another_video_of_the_same_size_is_another_prompt(talk):
    before = talk("send", question(words(1, 20), video(1), picture(3)))
    after = talk("edit", 0, question(words(1, 20), video(2), picture(3)))
    assert talk.record.encoded == 3  # its frames, not the picture behind them
    assert [receipt.cached for receipt in talk.receipts] == [False, True]
    assert np.abs(after - before).max() > 1e-3
    np.testing.assert_allclose(after, talk.cold(), atol=1e-4)
    talk("edit", 0, question(words(1, 20), video(1), picture(3), video(2)))
    assert talk.record.encoded == 0
