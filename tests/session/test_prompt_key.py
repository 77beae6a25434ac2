"""What stands at a position, and where the published templates let prompts part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gemma4_mlx.config import ModelConfig
from gemma4_mlx.session.prompt_key import PromptKey, common_length, turning_points
from gemma4_mlx.tokenizer import Tokenizer
from tests.parity.configs import CONFIGS
from tests.session.toy_chat import ChatProcessor, clip, picture, question
from tests.tiny_checkpoint import write_checkpoint

CONFIG = ModelConfig.from_dict(CONFIGS["e2b-like"])
CALL = {
    "role": "assistant",
    "reasoning": "I look it up.",
    "tool_calls": [{"function": {"name": "clock", "arguments": {"zone": "UTC"}}}],
}
RESULT = {"role": "tool", "name": "clock", "content": "noon"}
SYSTEM = {"role": "system", "content": "Be brief."}
ANSWER = {"role": "assistant", "reasoning": "Well.", "content": "Hello!"}


@pytest.fixture(scope="module", params=["small", "big"])
def tokenizer(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer") / request.param
    return Tokenizer.from_folder(write_checkpoint(folder, template=request.param))


@pytest.mark.parametrize("thinking", [False, True])
@pytest.mark.parametrize(
    "history",
    [
        [question("Hi")],
        [SYSTEM, question("Hi")],
        [question("Hi"), ANSWER, question("And now?")],
        [question("What time is it?"), CALL, RESULT],
        [question("Hi"), ANSWER, question("What time is it?"), CALL, RESULT],
    ],
)
def test_pain_7_a_next_prompt_shares_this_one_up_to_its_turning_point(tokenizer, history, thinking):
    prompt = tokenizer.encode_chat(history, thinking=thinking)
    points = turning_points(prompt, tokenizer.control)
    assert points[-1] < len(prompt)
    # Answered, and asked again within a tool's turn or not: thoughts of this turn stay there.
    answered = tokenizer.encode_chat([*history, ANSWER], thinking=thinking)
    shared = common_length(np.array(prompt), np.array(answered))
    assert shared >= points[-1]
    if history[-1]["role"] == "tool":
        return  # the next question drops the thoughts that were kept until then
    then = tokenizer.encode_chat([*history, ANSWER, question("More")], thinking=thinking)
    assert common_length(np.array(prompt), np.array(then)) >= points[-1]
    assert len(prompt) - points[-1] <= 8  # what is run again if the answer is


def test_an_edited_question_shares_what_is_before_it(tokenizer):
    history = [SYSTEM]
    for asked in ("Hi", "Hello", "And now?", "And then?"):
        history += [question(asked), ANSWER]
    prompt = tokenizer.encode_chat(history[:-1])
    *places, _ = turning_points(prompt, tokenizer.control)
    for index, place in zip((3, 5, 7), places, strict=True):
        assert prompt[place] == tokenizer.control.sot_token_id
        edited = tokenizer.encode_chat([*history[:index], question("Or else")])
        assert 0 <= common_length(np.array(prompt), np.array(edited)) - place < 4


def key(*media):
    return PromptKey.of(ChatProcessor()([question("", *media)]), CONFIG)


@pytest.mark.parametrize(
    "other",
    [picture(2), picture(1, tokens=5), clip(1, frames=13)],
    ids=["pixels", "budget", "kind"],
)
def test_pain_8_media_that_differ_part_at_their_first_token(other):
    one, two = key(picture(1)), key(other)
    start = one.media[0].start
    first = start - (1 if other["type"] == "audio" else 0)  # its begin token differs, too
    assert common_length(one.positions, two.positions) == first
    assert (one.positions[start : one.media[0].stop] < 0).all()


def test_the_same_media_have_the_same_keys_wherever_they_stand():
    one, two = key(picture(1), clip(3)), key(picture(2), clip(3), picture(1))
    spans = [
        keys.positions[medium.start : medium.stop] for keys in (one, two) for medium in keys.media
    ]
    np.testing.assert_array_equal(spans[0], spans[4])
    np.testing.assert_array_equal(spans[1], spans[3])
    assert len(set(np.concatenate([spans[0], spans[1], spans[2]]).tolist())) == 13


def test_a_medium_is_known_by_its_digest_not_its_name():
    inputs = ChatProcessor()([question("", picture(1))])
    renamed = replace(inputs, media=(replace(inputs.media[0], name="other.png"),))
    assert PromptKey.of(renamed, CONFIG).media == PromptKey.of(inputs, CONFIG).media
