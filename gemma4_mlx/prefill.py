"""Reading a prompt: in chunks, and no more of each than what comes after it needs.

A chunk that is not the last only has to leave its keys and values in the cache, so only those
are evaluated: the layers that read another layer's, and the head, are never run for it. Of the
last chunk only the last row goes through them.

Where a chunk takes long, it is evaluated a few layers at a time; see `parts`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import mlx.core as mx

from gemma4_mlx.cache import KVCache
from gemma4_mlx.errors import UsageError
from gemma4_mlx.events import PromptProgress
from gemma4_mlx.inputs import ModelInputs
from gemma4_mlx.limits import CHUNK_POSITIONS
from gemma4_mlx.model import Gemma4, Prompt
from gemma4_mlx.parts import FEW_ROWS, evaluate_in_parts
from gemma4_mlx.splice import Span, slot_runs


def plan_chunks(length: int, uncut: Sequence[Span], size: int = CHUNK_POSITIONS) -> list[Span]:
    """Cut a prompt into chunks, but never inside a run.

    Args:
        length: of the prompt.
        uncut: runs that must stay whole, in order, such as those of pictures.
        size: of a chunk; one that ends inside a run ends before it instead, or, if it begins with
            the run, behind it.

    Returns:
        Spans that cover the prompt, in order.

    Raises:
        UsageError: `size` is not a number of positions.
    """
    if size < 1:
        raise UsageError(f"chunk {size!r}: expected a whole number of positions above 0")
    chunks: list[Span] = []
    start = 0
    while start < length:
        stop = min(start + size, length)
        for first, behind in uncut:
            if first < stop < behind:
                stop = first if first > start else behind
                break
        chunks.append((start, stop))
        start = stop
    return chunks


def cut_chunks(chunks: Sequence[Span], places: Sequence[int]) -> list[Span]:
    """The same chunks, but one begins at each of the places, which must not be in a picture."""
    edges = sorted({edge for chunk in chunks for edge in chunk}.union(places))
    return list(pairwise(edges))


def prefill(
    model: Gemma4,
    inputs: ModelInputs,
    cache: Sequence[KVCache],
    *,
    chunk: int = CHUNK_POSITIONS,
    keeps_towers: bool = True,
) -> Generator[PromptProgress, None, mx.array]:
    """Read a prompt into the cache.

    Args:
        model: to read with.
        inputs: from the processor.
        cache: from `model.make_cache()`.
        chunk: positions to read at once; a picture of more is read whole.
        keeps_towers: whether towers stay in memory once they have encoded what is attached.

    Yields:
        How far it is: what is attached, one after the other; then see `read_chunks`.

    Returns:
        Logits of the last position, float32 [1, V], not yet evaluated.

    Raises:
        PlaceholderMismatchError: see `Gemma4.embed`.
        UsageError: `chunk` is not a number of positions.
    """
    ids, encoding = inputs.input_ids, _encode(model, inputs)
    del inputs
    prompt = model.splice(ids, *(yield from encoding))
    mx.eval(prompt)
    del encoding
    if not keeps_towers:
        model.release_towers()
    chunks = plan_chunks(ids.shape[1], slot_runs(ids, *model.picture_token_ids), chunk)
    return (yield from read_chunks(model, prompt, cache, chunks))


def _encode(
    model: Gemma4, inputs: ModelInputs
) -> Generator[PromptProgress, None, tuple[list[mx.array], ...]]:
    """Soft tokens of pictures, of clips and of frames.

    Each is evaluated by itself, so that pixels and the towers' intermediate results are let go of
    before the long part, and whoever wants the turn stopped is heard.
    """
    soft_tokens = (
        model.encode_images(inputs.pixel_values, inputs.image_position_ids),
        model.encode_audio(inputs.input_features, inputs.input_features_mask),
        model.encode_images(inputs.pixel_values_videos, inputs.video_position_ids),
    )
    each = [rows for kind in soft_tokens for rows in kind]
    told = PromptProgress(0, inputs.input_ids.shape[1], to_encode=len(each))
    if each:
        yield told
    for rows in each:
        mx.eval(rows)
        told = replace(told, encoded=told.encoded + 1)
        yield told
    return soft_tokens


def read_chunks(
    model: Gemma4, prompt: Prompt, cache: Sequence[KVCache], chunks: Sequence[Span]
) -> Generator[PromptProgress, None, mx.array]:
    """Read what is embedded into the cache, behind what it holds.

    Args:
        model: to read with.
        prompt: positions that follow on those in the cache.
        cache: from `model.make_cache()`.
        chunks: spans of the prompt from `plan_chunks`.

    Yields:
        How far the conversation is read. After each chunk but the last the cache holds exactly so
        much; within one that takes long it is told after each part, and whoever leaves there
        has caches that stand at the chunk's end: what is missing is made when they are used.

    Returns:
        Logits of the last position, float32 [1, V], not yet evaluated.
    """
    before = cache[0].offset
    total = before + chunks[-1][1]
    for start, stop in chunks[:-1]:
        model.forward(prompt.rows(start, stop), cache, last_row_only=True)
        for position in _evaluated(cache, (before + start, before + stop)):
            yield PromptProgress(position, total)
        yield PromptProgress(before + stop, total)
    start, stop = chunks[-1]
    logits = model.forward(prompt.rows(start, stop), cache, last_row_only=True)[:, -1]
    if stop - start > FEW_ROWS:
        for position in _evaluated(cache, (before + start, before + stop)):
            yield PromptProgress(position, total)
    return logits


def _evaluated(cache: Sequence[KVCache], span: Span) -> Iterator[int]:
    """Evaluate what the positions of a chunk leave in the caches.

    Yields:
        Positions inside the chunk: the share of it that is done.
    """
    start, stop = span
    layers = len(cache)
    for left in evaluate_in_parts([one.state for one in cache], rows=stop - start):
        yield start + (stop - start) * (layers - left) // layers
