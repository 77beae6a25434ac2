"""One turn: messages in, events out, as they happen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import mlx.core as mx

from gemma4_mlx.channels import ChannelReader
from gemma4_mlx.config import ModelConfig
from gemma4_mlx.errors import ContextFullError, EngineError, UsageError
from gemma4_mlx.events import (
    Event,
    Finished,
    FinishReason,
    MediaReceipt,
    PromptProgress,
    Timings,
    Usage,
)
from gemma4_mlx.generate import generate_tokens
from gemma4_mlx.inputs import ModelInputs
from gemma4_mlx.kv_format import KVFormat
from gemma4_mlx.loop_guard import LoopGuard
from gemma4_mlx.memory import Plan, plan_turn, require_room
from gemma4_mlx.memory.scratch import feature_bytes, pixel_bytes
from gemma4_mlx.memory.weights import part_of
from gemma4_mlx.messages import ImageTokens, Message
from gemma4_mlx.model import Gemma4
from gemma4_mlx.sampling import Sampler, SamplingOptions, SamplingParams
from gemma4_mlx.tokenizer import ControlIds, Tokenizer

if TYPE_CHECKING:
    from gemma4_mlx.processing import Processor


class PromptOptions(TypedDict, total=False):
    """How the conversation is put to the model.

    Attributes:
        image_tokens: budget of the pictures that name none; None for the checkpoint's own.
        thinking: whether the model may think before it answers.
        tools: function declarations in JSON schema form.
    """

    image_tokens: ImageTokens | None
    thinking: bool
    tools: Sequence[Mapping[str, Any]] | None


class TurnOptions(PromptOptions, SamplingOptions, total=False):
    """All that a caller may choose for a turn; what is absent is the checkpoint's choice."""


def stream(
    model: Gemma4,
    processor: Processor,
    messages: Sequence[Message | Mapping[str, Any]],
    *,
    max_tokens: int = 256,
    should_stop: Callable[[], bool] | None = None,
    **options: Unpack[TurnOptions],
) -> Iterator[Event]:
    """Answer a conversation.

    Must be used up on the thread that loaded the model.

    Args:
        model: from `load`.
        processor: from `load`.
        messages: the whole conversation, in the chat form.
        max_tokens: how many tokens to write at most; fewer if the context ends before.
        should_stop: asked before each token and each piece of the prompt; once it says yes the
            turn finishes with the reason "cancelled".
        options: `image_tokens`, `thinking`, `tools`; `temperature`, `top_k`, `top_p`, `min_p`,
            `seed`: see `TurnOptions`.

    Yields:
        `MediaReceipt`*, `PromptProgress`*, then `ThoughtDelta`, `TextDelta` and `ToolCall` in
        any mix, and one `Finished`.

    Raises:
        ContextFullError, MemoryLimitError: there is no room for it and an answer; nothing was read.
        UsageError: an option out of its range.
        MessageError, AttachmentError, TokenizerError: the conversation cannot be used.
        EngineError: it was continued on another thread than it was begun on.
    """
    turn, inputs = prepare_turn(model, processor, messages, max_tokens=max_tokens, options=options)
    media = inputs.media
    plan = plan_answer(model, media, new=len(turn.prompt), context=turn.context)
    tokens = generate_tokens(
        model,
        inputs,
        sampler=turn.sampler,
        stop_ids=turn.stop_ids,
        max_tokens=turn.max_tokens,
        choice=plan and plan.choice,
    )
    del inputs  # the pixels: whoever reads the prompt lets go of them when they are encoded
    yield from turn.tell(tokens, media, should_stop=should_stop)


@dataclass(frozen=True)
class Turn:
    """A turn that is ready to be run, however its tokens are made.

    Attributes:
        tokenizer: of the model.
        started_s: when it was asked for.
        prompt: token ids.
        sampler: chooses a token.
        stop_ids: ids after which to end.
        max_tokens: how many to write at most; all of them have room.
    """

    tokenizer: Tokenizer
    started_s: float
    prompt: Sequence[int]
    sampler: Sampler
    stop_ids: frozenset[int]
    max_tokens: int

    @property
    def context(self) -> int:
        """Positions that there may be at its end."""
        return len(self.prompt) + self.max_tokens

    def tell(
        self,
        steps: Iterator[int | PromptProgress],
        media: Sequence[MediaReceipt],
        *,
        reused: int = 0,
        should_stop: Callable[[], bool] | None = None,
    ) -> Iterator[Event]:
        """Run it and tell what happens; see `stream`.

        Args:
            steps: what `generate_tokens` yields.
            media: receipts of what is attached.
            reused: positions of the prompt that need not be read.
            should_stop: see `stream`.
        """
        steps = _on_one_thread(steps, threading.get_ident())
        yield from media
        mx.reset_peak_memory()
        meter = _Meter(self.started_s, len(self.prompt), reused)
        reader = ChannelReader(self.tokenizer, prompt=self.prompt)
        reason = yield from _read(
            meter.watch(steps),
            reader,
            guard=LoopGuard(self.tokenizer.stream_decoder()),
            stop_ids=self.stop_ids,
            should_stop=should_stop or _never,
        )
        usage = replace(meter.usage(), thought_tokens=reader.thought_tokens)
        yield Finished(reason, usage, meter.timings(), mx.get_peak_memory())


def prepare_turn(
    model: Gemma4,
    processor: Processor,
    messages: Sequence[Message | Mapping[str, Any]],
    *,
    max_tokens: int,
    options: TurnOptions,
) -> tuple[Turn, ModelInputs]:
    """Check what was asked for and make the prompt; see `stream` for arguments and errors."""
    started_s = perf_counter()
    if not isinstance(max_tokens, int) or max_tokens < 1:
        raise UsageError(f"max_tokens {max_tokens!r}: expected a whole number above 0")
    chosen: dict[str, Any] = {**options}
    asked = {name: chosen.pop(name) for name in _PROMPT if name in chosen}
    params = SamplingParams.from_generation_config(model.generation_config, **chosen)
    inputs = processor(messages, **asked)
    prompt = inputs.input_ids[0].tolist()
    turn = Turn(
        tokenizer=processor.tokenizer,
        started_s=started_s,
        prompt=prompt,
        sampler=Sampler(params, banned=_banned_ids(model)),
        stop_ids=_stop_ids(model.generation_config, processor.tokenizer.control),
        max_tokens=min(max_tokens, _room(len(prompt), model.config.context_length)),
    )
    return turn, inputs


_PROMPT = tuple(PromptOptions.__annotations__)


def _read(
    steps: Iterator[int | PromptProgress],
    reader: ChannelReader,
    *,
    guard: LoopGuard,
    stop_ids: Collection[int],
    should_stop: Callable[[], bool],
) -> Generator[Event, None, FinishReason]:
    """Tell what the model writes; return why it ended."""
    reason: FinishReason = "length"
    for step in steps:
        if isinstance(step, PromptProgress):
            yield step
        else:
            yield from reader.push(step)
            if step in stop_ids:
                reason = "stop"
                break
            if guard.push(step):
                reason = "loop"
                break
        if should_stop():
            reason = "cancelled"
            break
    yield from reader.finish()
    return "tool_call" if reason == "stop" and reader.calls else reason


def _on_one_thread(
    steps: Iterator[int | PromptProgress], began_on: int
) -> Iterator[int | PromptProgress]:
    """Pass the steps on, as long as they are asked for where the turn was begun.

    MLX binds what is not yet evaluated to the thread that made it.
    """
    while True:
        if threading.get_ident() != began_on:
            raise EngineError(
                "a turn was begun on one thread and continued on another",
                "use it up on the thread that loaded the model, as `gemma4_mlx.engine` does",
            )
        step = next(steps, None)
        if step is None:
            return
        yield step


def _room(prompt_tokens: int, context_length: int) -> int:
    """Positions left for the answer."""
    if prompt_tokens >= context_length:
        raise ContextFullError(
            f"the conversation has {prompt_tokens} tokens, the model's context holds "
            f"{context_length} and needs room for an answer",
            "start a new conversation, attach fewer files or give pictures a smaller budget",
        )
    return context_length - prompt_tokens


def plan_answer(
    model: Gemma4,
    media: Sequence[MediaReceipt],
    *,
    new: int,
    context: int,
    kv: KVFormat | None = None,
) -> Plan | None:
    """How to run a turn so that it fits; None for a model without a plan.

    Towers that an earlier turn has left in memory, and this one does not need, are let go of
    unless half of what is free holds them: a session's snapshots take the other half.

    Args:
        model: with the plan that it was loaded by.
        media: all that is attached; what is `cached` need not be encoded.
        new: how many positions those are.
        context: how many there may be at the end.
        kv: how keys and values are kept already; None leaves it to the plan.

    Raises:
        MemoryLimitError: it does not fit.
    """
    if model.plan is None:
        return None
    loaded = model.plan
    if kv is not None:
        loaded = replace(loaded, demand=replace(loaded.demand, kv=kv))
    to_see = [each.rows // (each.frames or 1) for each in media if _is_new_picture(each)]
    plan = plan_turn(
        loaded,
        context=context,
        new=new,
        image_tokens=max(to_see, default=0),
        hears=any(each.kind == "audio" and not each.cached for each in media),
        prepared_bytes=_prepared_bytes(model.config, media),
    )
    require_room(plan)
    if plan.choice.keeps_towers:  # else they are let go of anyway
        free_bytes = plan.limit_bytes - plan.total_bytes
        if _idle_tower_bytes(model, plan) > free_bytes // 2:
            model.release_towers()
    return plan


def _idle_tower_bytes(model: Gemma4, plan: Plan) -> int:
    """What towers hold that are in memory and that the plan does not count."""
    present = {part_of(f"{path}.") for path in model.towers.present}
    idle = present.difference(line.key for line in plan.lines)
    return plan.weights.nbytes(plan.machine.item_bytes, *idle) if idle else 0


def _is_new_picture(receipt: MediaReceipt) -> bool:
    return receipt.kind != "audio" and not receipt.cached


def _prepared_bytes(config: ModelConfig, media: Sequence[MediaReceipt]) -> int:
    """Of all pictures, frames and clips as the processor hands them over."""
    vision = config.vision_config
    seen = _prepared_rows(media, "image") + _prepared_rows(media, "video")
    pixels = pixel_bytes(vision, seen) if vision is not None else 0
    return pixels + feature_bytes(_prepared_rows(media, "audio"))


def _prepared_rows(media: Sequence[MediaReceipt], kind: str) -> int:
    """Soft tokens of an array of one kind, in which each is as long as the longest."""
    pieces = [(each.frames or 1, each.rows) for each in media if each.kind == kind]
    longest = max((rows // count for count, rows in pieces), default=0)
    return longest * sum(count for count, _ in pieces)


def _stop_ids(generation_config: Mapping[str, Any], control: ControlIds) -> frozenset[int]:
    """What ends a turn: not every checkpoint lists all of it."""
    named = {control.eos_token_id, control.eot_token_id, control.str_token_id}
    return frozenset(named | _ids(generation_config.get("eos_token_id")))


def _banned_ids(model: Gemma4) -> set[int]:
    """What a model must not write: ids that stand for media, and those the checkpoint names."""
    suppressed = _ids(model.generation_config.get("suppress_tokens"))
    return suppressed.union(model.config.media_token_ids)


def _ids(value: int | Sequence[int] | None) -> set[int]:
    """One id, several or none, as generation_config.json writes them."""
    if value is None:
        return set()
    return {value} if isinstance(value, int) else set(value)


def _never() -> bool:
    return False


class _Meter:
    """Counts and times one turn; the prompt counts as read when the first token is there."""

    def __init__(self, started_s: float, prompt_tokens: int, reused_tokens: int) -> None:
        self._started_s = started_s
        self._prompt_tokens = prompt_tokens
        self._reused_tokens = reused_tokens
        self._read_from_s = self._first_s = self._last_s = perf_counter()
        self._tokens = 0

    def watch(self, steps: Iterator[int | PromptProgress]) -> Iterator[int | PromptProgress]:
        """Pass the steps on, framed by the prompt's beginning and end."""
        total = self._prompt_tokens
        yield PromptProgress(self._reused_tokens, total)
        for step in steps:
            if not isinstance(step, PromptProgress):
                self._last_s = perf_counter()
                self._tokens += 1
                if self._tokens == 1:
                    self._first_s = self._last_s
                    yield PromptProgress(total, total)
            yield step

    def usage(self) -> Usage:
        """Tokens; the one that ended the turn is among those written."""
        return Usage(self._prompt_tokens, self._reused_tokens, self._tokens)

    def timings(self) -> Timings:
        """Rates are 0 where nothing was read or written that could be timed."""
        if not self._tokens:
            return Timings()
        read = self._prompt_tokens - self._reused_tokens
        return Timings(
            first_token_s=self._first_s - self._started_s,
            prefill_tokens_per_s=_rate(read, self._first_s - self._read_from_s),
            decode_tokens_per_s=_rate(self._tokens - 1, self._last_s - self._first_s),
        )


def _rate(tokens: int, duration_s: float) -> float:
    return tokens / duration_s if tokens and duration_s > 0 else 0.0
