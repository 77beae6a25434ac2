"""One turn, from messages to events, with a model that follows a script."""

from __future__ import annotations

from types import SimpleNamespace

import mlx.core as mx
import numpy as np
import pytest

from gemma4_mlx import turn as turn_module
from gemma4_mlx.errors import ContextFullError, UsageError
from gemma4_mlx.events import (
    Finished,
    MediaReceipt,
    PromptProgress,
    TextDelta,
    ThoughtDelta,
    ToolCall,
    Usage,
)
from gemma4_mlx.inputs import ModelInputs
from gemma4_mlx.turn import stream
from tests.toys import ToyTokenizer, joined

TOKENIZER = ToyTokenizer()
MEDIA = (MediaReceipt("image", "a.png", 4, 4), MediaReceipt("audio", "b.wav", 2, 2))
QUESTION = [{"role": "user", "content": "Hi"}]


class ToyProcessor:
    """Every prompt is `prompt`; remembers what it was asked for."""

    def __init__(self, prompt):
        self.tokenizer = TOKENIZER
        self.prompt = prompt

    def __call__(self, messages, **options):
        self.asked = (messages, options)
        ids = np.array([self.prompt], np.int32)
        return ModelInputs(ids, np.zeros_like(ids), media=MEDIA)


class Turn:
    """Runs `stream` on scripted tokens and keeps what generation was asked for."""

    def __init__(self, monkeypatch, *script, prompt=("<|turn>", "model\n"), **model):
        self.script = TOKENIZER.spell(*script)
        self.processor = ToyProcessor(TOKENIZER.spell(*prompt))
        config = SimpleNamespace(context_length=1000, media_token_ids=(16, 17))
        self.model = SimpleNamespace(config=config, generation_config={}, plan=None)
        vars(self.model).update(model)
        monkeypatch.setattr(turn_module, "generate_tokens", self.generate)

    def generate(self, model, inputs, **request):
        self.request = request
        for token in self.script[: request["max_tokens"]]:
            yield token
            if token in request["stop_ids"]:
                return

    def __call__(self, **options):
        return list(stream(self.model, self.processor, QUESTION, **options))


def test_events_come_in_order(monkeypatch):
    turn = Turn(monkeypatch, "<|channel>", "thought\nHm\n", "<channel|>", "Ja!", "<turn|>")
    *events, finished = turn()
    total = len(turn.processor.prompt)
    begin = [*MEDIA, PromptProgress(0, total), PromptProgress(total, total)]
    assert events[:4] == begin
    assert events[4:] == [ThoughtDelta("H"), ThoughtDelta("m"), *map(TextDelta, "Ja!")]
    assert finished.reason == "stop"
    assert finished.usage == Usage(total, 0, len(turn.script), thought_tokens=13)


def test_progress_of_the_prompt_is_passed_on(monkeypatch):
    turn = Turn(monkeypatch, "a")
    turn.script = [PromptProgress(3, 7), *turn.script]
    progress = [event for event in turn() if isinstance(event, PromptProgress)]
    assert progress == [PromptProgress(0, 7), PromptProgress(3, 7), PromptProgress(7, 7)]


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (["Hi", "<turn|>"], "stop"),
        (["Hi", "<eos>"], "stop"),
        (["Hi", "<|tool_response>"], "stop"),
        (["<|tool_call>", "call:f{}", "<tool_call|>", "<|tool_response>"], "tool_call"),
        (["<|tool_call>", "call:f{}", "<tool_call|>", "<turn|>"], "tool_call"),
        (["<|tool_call>", "call:f{}", "<|tool_response>"], "tool_call"),
        (["<|tool_call>", "call:f{}", "<tool_call|>"], "length"),
        (["Hi"], "length"),
    ],
)
def test_pain_38_the_reason_says_why_it_ended(monkeypatch, script, reason):
    events = Turn(monkeypatch, *script)()
    assert events[-1].reason == reason
    assert any(isinstance(event, ToolCall) for event in events) == ("call:f{}" in script)


@pytest.mark.parametrize(
    ("config", "more"),
    [({}, set()), ({"eos_token_id": 40}, {40}), ({"eos_token_id": [40, 41]}, {40, 41})],
)
def test_pain_38_every_stop_id_ends_the_turn(monkeypatch, config, more):
    turn = Turn(monkeypatch, "Hi", generation_config=config)
    turn()
    named = {TOKENIZER.ids[name] for name in ("<eos>", "<turn|>", "<|tool_response>")}
    assert turn.request["stop_ids"] == named | more


def test_pain_58_media_ids_are_banned(monkeypatch):
    turn = Turn(monkeypatch, "Hi", generation_config={"suppress_tokens": [5]})
    turn()
    logits = mx.zeros((1, 32)).at[0, mx.array([5, 16, 17])].add(9.0).at[0, 3].add(1.0)
    assert turn.request["sampler"](logits).item() == 3


def test_pain_37_the_checkpoints_sampling_is_used_unless_told_otherwise(monkeypatch):
    published = {"do_sample": True, "temperature": 1.0, "top_k": 64, "top_p": 0.95}
    turn = Turn(monkeypatch, "Hi", generation_config=published)
    turn()
    params = turn.request["sampler"].params
    assert (params.temperature, params.top_k, params.top_p) == (1.0, 64, 0.95)
    turn(temperature=0.0, seed=4)
    assert turn.request["sampler"].params.is_greedy
    assert turn.request["sampler"].params.seed == 4


def test_options_of_the_prompt_reach_the_processor(monkeypatch):
    turn = Turn(monkeypatch, "Hi")
    turn(image_tokens=70, thinking=True, tools=[])
    assert turn.processor.asked == (
        QUESTION,
        {"image_tokens": 70, "thinking": True, "tools": []},
    )


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"max_tokens": 0}, UsageError),
        ({"max_tokens": "9"}, UsageError),
        ({"max_tokens": 9.5}, UsageError),
        ({"temperature": -1.0}, UsageError),
        ({"temprature": 1.0}, TypeError),
    ],
)
def test_bad_options_are_refused_before_anything_is_read(monkeypatch, options, error):
    turn = Turn(monkeypatch, "Hi")
    with pytest.raises(error):
        turn(**options)
    assert not hasattr(turn.processor, "asked")


def test_a_full_context_is_an_error_before_anything_runs(monkeypatch):
    turn = Turn(monkeypatch, "Hi")
    turn.model.config.context_length = len(turn.processor.prompt)
    with pytest.raises(ContextFullError, match="has 7 tokens, the model's context holds 7"):
        turn()
    assert not hasattr(turn, "request")


def test_the_answer_ends_with_the_context(monkeypatch):
    turn = Turn(monkeypatch, "Hello there")
    turn.model.config.context_length = len(turn.processor.prompt) + 3
    events = turn(max_tokens=100)
    assert joined(events, TextDelta) == "Hel"
    assert events[-1].reason == "length"


def test_stopping_keeps_what_was_written(monkeypatch):
    turn = Turn(monkeypatch, "Hello", "<turn|>")
    asked = iter([False, False, False, True])  # before and after the prompt, then per token
    events = turn(should_stop=lambda: next(asked))
    assert joined(events, TextDelta) == "He"
    assert events[-1].reason == "cancelled"


def test_a_turn_that_is_stopped_early_reads_nothing(monkeypatch):
    turn = Turn(monkeypatch, "Hello")
    events = turn(should_stop=lambda: True)
    assert events[-1] == Finished("cancelled", Usage(7, 0, 0), peak_bytes=events[-1].peak_bytes)
    assert not hasattr(turn, "request")


def test_a_thought_opened_by_the_prompt_goes_on(monkeypatch):
    prompt = ("<|turn>", "model\n", "<|channel>", "thought\n")
    events = Turn(monkeypatch, "So", "<channel|>", "Yes", "<turn|>", prompt=prompt)()
    assert joined(events, ThoughtDelta) == "So"
    assert joined(events, TextDelta) == "Yes"
    assert events[-1].usage.thought_tokens == 3


def test_a_character_cut_off_by_the_end_is_told(monkeypatch):
    assert joined(Turn(monkeypatch, "aé")(max_tokens=2), TextDelta) == "a�"


def test_pain_59_rates_count_only_what_was_timed(monkeypatch):
    clock = iter([0.0, 1.0, 3.0, 4.0, 5.0])  # asked, reading, then three tokens
    monkeypatch.setattr(turn_module, "perf_counter", lambda: next(clock))
    timings = Turn(monkeypatch, "ab", "<turn|>")()[-1].timings
    assert timings.first_token_s == 3.0
    assert timings.prefill_tokens_per_s == 7 / 2.0
    assert timings.decode_tokens_per_s == 2 / 2.0


def test_pain_59_what_was_reused_is_in_no_rate(monkeypatch):
    clock = iter([0.0, 1.0, 3.0, 4.0])
    monkeypatch.setattr(turn_module, "perf_counter", lambda: next(clock))
    prompt = TOKENIZER.spell("a question")
    made, _ = turn_module.prepare_turn(
        Turn(monkeypatch).model, ToyProcessor(prompt), QUESTION, max_tokens=9, options={}
    )
    events = list(made.tell(iter(TOKENIZER.spell("a", "<turn|>")), (), reused=6))
    assert events[0] == PromptProgress(6, len(prompt))
    assert events[-1].usage == Usage(len(prompt), 6, 2)
    assert events[-1].timings.prefill_tokens_per_s == (len(prompt) - 6) / 2.0


def test_pain_59_one_token_has_no_rate(monkeypatch):
    assert Turn(monkeypatch, "<turn|>")()[-1].timings.decode_tokens_per_s == 0.0


def test_pain_36_an_answer_that_only_repeats_itself_is_stopped(monkeypatch):
    turn = Turn(monkeypatch, *["a"] * 900)
    *_, finished = turn(max_tokens=900)
    assert finished.reason == "loop"
    assert finished.usage.completion_tokens < 300
