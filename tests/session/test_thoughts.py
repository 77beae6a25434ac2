"""Thoughts come and go in the history as the published templates say, and the caches follow."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from gemma4_mlx.events import Finished, TextDelta, ThoughtDelta, ToolCall
from gemma4_mlx.loading import load_model
from gemma4_mlx.processing import Processor
from gemma4_mlx.session import Session
from tests.session.toy_chat import cold_logits
from tests.tiny_checkpoint import TEMPLATES
from tests.toys import joined

POCKET = Path(str(files("gemma4_mlx") / "pocket"))
THOUGHT, ANSWER = "The sun is up, so it is day.", "It is day."
CLOCK = {"type": "function", "function": {"name": "clock", "description": "The time."}}
FEW = 16
"""Tokens that a turn may read again: its end, the next one's opening, and the like."""


@pytest.fixture(scope="module")
def model():
    return load_model(POCKET, dtype=mx.float32)


class Talk:
    """A session whose model writes what it is told to."""

    def __init__(self, model, record, processor):
        self.model, self.record, self.processor = model, record, processor
        self.session = Session(model, processor)
        self.prompt = []

    def __call__(self, message, *writes, **options):
        tokenizer = self.processor.tokenizer
        names = {tokenizer.decode([i], skip_control=False): i for i in tokenizer.control_ids}
        pieces = [[names[each]] if each in names else tokenizer.encode(each) for each in writes]
        self.record.clear()
        self.record.script = tokens = [token for piece in pieces for token in piece]
        self.written = len(tokens)
        self.events = list(self.session.send(message, max_tokens=len(tokens), **options))
        finished = self.events[-1]
        assert isinstance(finished, Finished)
        inputs = self.processor(self.session.messages[:-1], **options)
        self.before, self.prompt = self.prompt, inputs.input_ids[0].tolist()
        usage = finished.usage
        assert usage.prompt_tokens == len(self.prompt)
        self.read = usage.prompt_tokens - usage.reused_tokens
        assert self.record.rows == self.read + usage.completion_tokens - 1
        cold = cold_logits(self.model, inputs)
        np.testing.assert_allclose(np.array(self.record.logits[0]), cold, atol=2e-3)
        return finished

    @property
    def text(self):
        return self.processor.tokenizer.decode(self.prompt)


@pytest.fixture(params=TEMPLATES)
def talk(request, model, record, tmp_path):
    for name in ("config.json", "processor_config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(POCKET / name, tmp_path)
    shutil.copy(TEMPLATES[request.param], tmp_path / "chat_template.jinja")
    return Talk(model, record, Processor.from_folder(tmp_path))


THINKS = ("<|channel>", f"thought\n{THOUGHT}\n", "<channel|>")
CONCLUDES = ("Noon.", "<channel|>", ANSWER)  # both templates open a thought after a result
CALLS = ("<|tool_call>", "call:clock{}", "<tool_call|>", "<|tool_response>")


def test_pain_15_a_thought_is_gone_with_the_next_question_and_only_the_answer_read_again(talk):
    talk("Is it day?", *THINKS, ANSWER, "<turn|>", thinking=True)
    assert joined(talk.events, ThoughtDelta) == THOUGHT
    assert joined(talk.events, TextDelta) == ANSWER
    answer = len(talk.processor.tokenizer.encode(ANSWER))
    talk("And now?", ANSWER, "<turn|>", thinking=True)
    assert THOUGHT not in talk.text and ANSWER in talk.text
    assert talk.read < answer + len(talk.processor.tokenizer.encode("And now?")) + FEW


def test_pain_14_thinking_is_switched_on_and_off_from_turn_to_turn(talk):
    for thinking in (False, True, False, False):
        writes = [*THINKS, ANSWER] if thinking else [ANSWER]
        talk("Is it day?", *writes, "<turn|>", thinking=thinking)
        assert bool(joined(talk.events, ThoughtDelta)) == thinking
        assert joined(talk.events, TextDelta) == ANSWER
        assert THOUGHT not in talk.text
        assert (talk.processor.tokenizer.control.think_token_id in talk.prompt) == thinking
    assert talk.read < 3 * FEW  # the last two were alike


def test_pain_15_a_thought_stays_as_long_as_its_tools_are_called(talk):
    options = {"thinking": True, "tools": [CLOCK]}
    finished = talk("Is it day?", *THINKS, *CALLS, **options)
    assert finished.reason == "tool_call"
    [call] = [event for event in talk.events if isinstance(event, ToolCall)]
    assert (call.name, call.arguments, call.error) == ("clock", {}, "")
    written = talk.written
    talk({"role": "tool", "name": "clock", "content": "noon"}, *CONCLUDES, "<turn|>", **options)
    assert THOUGHT in talk.text and "noon" in talk.text
    assert talk.prompt[: len(talk.before)] == talk.before
    assert talk.read < len(talk.prompt) - len(talk.before) - written + FEW
    talk("And now?", ANSWER, "<turn|>", **options)
    assert THOUGHT not in talk.text and "noon" in talk.text


def test_a_call_inside_a_thought_is_told_and_asked_for_again(talk):
    options = {"thinking": True, "tools": [CLOCK]}
    opened = ("<|channel>", f"thought\n{THOUGHT} ")
    talk("Is it day?", *opened, *CALLS, **options)
    assert joined(talk.events, ThoughtDelta) == f"{THOUGHT} "
    assert [event.name for event in talk.events if isinstance(event, ToolCall)] == ["clock"]
    talk({"role": "tool", "name": "clock", "content": "noon"}, *CONCLUDES, "<turn|>", **options)
    assert THOUGHT in talk.text and "noon" in talk.text


def test_a_call_that_cannot_be_read_is_not_handed_on(talk):
    broken = ("<|tool_call>", "call:clock{zone", "<tool_call|>", "<turn|>")
    talk("Is it day?", "Hm.", *broken, tools=[CLOCK])
    assert talk.session.messages[-1] == {"role": "assistant", "content": "Hm."}
    talk("And now?", ANSWER, "<turn|>", tools=[CLOCK])
