"""Token ids from a prompt, one after the other. It knows nothing of text."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Sequence

import mlx.core as mx

from gemma4_mlx.cache import KVCache
from gemma4_mlx.events import PromptProgress
from gemma4_mlx.inputs import ModelInputs
from gemma4_mlx.limits import RUN_AHEAD_BYTES
from gemma4_mlx.memory import Choice
from gemma4_mlx.model import Gemma4
from gemma4_mlx.prefill import prefill

Sampler = Callable[[mx.array], mx.array]
"""From logits float32 [B, V] to token ids [B], lazily."""


def generate_tokens(  # noqa: PLR0913 - all but two by name
    model: Gemma4,
    inputs: ModelInputs,
    *,
    sampler: Sampler,
    stop_ids: Collection[int],
    max_tokens: int,
    cache: Sequence[KVCache] | None = None,
    choice: Choice | None = None,
) -> Iterator[int | PromptProgress]:
    """Read the prompt, then write until a stop id or `max_tokens`.

    While the caller looks at a token the next step is already under way. It is built while the
    last one runs, and started then, too, as long as the caches are small: `RUN_AHEAD_BYTES`. Must
    be used up on the thread that loaded the model.

    Args:
        model: to read and write with.
        inputs: from the processor.
        sampler: chooses a token.
        stop_ids: ids after which to end.
        max_tokens: how many to write at most.
        cache: to read into; a new one unless given.
        choice: how to run the model; the usual way unless given.

    Yields:
        Progress of a long prompt, then token ids; the stop id too, last, so that the caller sees
        why it ended.
    """
    choice = choice or Choice()
    cache = model.make_cache(choice.kv) if cache is None else cache
    if max_tokens <= 0:
        return
    reading = prefill(model, inputs, cache, chunk=choice.chunk, keeps_towers=choice.keeps_towers)
    del inputs  # now `reading` alone holds the pixels, and lets go of them when they are encoded
    yield from write_tokens(
        model, reading, cache, sampler=sampler, stop_ids=stop_ids, max_tokens=max_tokens
    )


def write_tokens(
    model: Gemma4,
    reading: Generator[PromptProgress, None, mx.array],
    cache: Sequence[KVCache],
    *,
    sampler: Sampler,
    stop_ids: Collection[int],
    max_tokens: int,
) -> Iterator[int | PromptProgress]:
    """Let a prompt be read, then write until a stop id or `max_tokens`, which is above 0.

    Args:
        model: to write with.
        reading: reads the prompt into the cache and returns the logits behind it.
        cache: holds the prompt once it is read. Whenever a token is told it holds what was
            written before that, and the token itself unless it is the last of `max_tokens`.
        sampler: chooses a token.
        stop_ids: ids after which to end.
        max_tokens: how many to write at most.

    Yields:
        As `generate_tokens` does.
    """
    token = sampler((yield from reading))
    mx.async_eval(token)
    for left in range(max_tokens - 1, -1, -1):
        following = None
        if left:
            following = sampler(model.step(token[:, None], cache)[:, -1])
            if sum(one.nbytes for one in cache) <= RUN_AHEAD_BYTES:
                mx.async_eval(following)
        value = token.item()
        assert isinstance(value, int)
        if following is not None:
            mx.async_eval(following)
        yield value
        if value in stop_ids or following is None:
            return
        token = following
