"""Our model asked as the reference was: whole prompts, chunks through a cache, greedy tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.parity.cases import GREEDY_TOKENS
from tests.parity.recorder import Recorder

Arrays = dict[str, np.ndarray]

MEDIA = {1: ("pixel_values", "image_position_ids"), 3: ("input_features", "input_features_mask")}
"""Token type -> the arrays of its attachments."""


def logits(model: Any, inputs: Arrays, cache: Any = None) -> np.ndarray:
    """Logits [L, V] of one call."""
    return np.array(model(**inputs, cache=cache))[0]


def stages(model: Any, inputs: Arrays) -> Arrays:
    """Every stage of one pass without a cache, logits included."""
    with Recorder(model) as recorder:
        last = logits(model, inputs)
    return {**recorder.stages, "logits": last}


def chunks(inputs: Arrays, size: int) -> Iterator[Arrays]:
    """The prompt cut into pieces of `size`, longer where a cut would fall into a media run."""
    types = inputs["mm_token_type_ids"][0]
    start, used = 0, dict.fromkeys(MEDIA, 0)
    while start < len(types):
        end = min(start + size, len(types))
        while end < len(types) and types[end] and types[end] == types[end - 1]:
            end += 1
        piece = {name: inputs[name][:, start:end] for name in ("input_ids", "mm_token_type_ids")}
        for kind, names in MEDIA.items():
            first, used[kind] = used[kind], used[kind] + _runs(types[start:end], kind)
            if used[kind] > first:
                piece |= {name: inputs[name][first : used[kind]] for name in names}
        yield piece
        start = end


def _runs(types: np.ndarray, kind: int) -> int:
    """How many runs of one token type there are."""
    is_kind = np.concatenate([[False], types == kind])
    return int((is_kind[1:] & ~is_kind[:-1]).sum())


def chunked_logits(model: Any, inputs: Arrays, size: int, cache: Any) -> np.ndarray:
    """Logits [L, V] of a prompt read in chunks through a cache."""
    return np.concatenate([logits(model, piece, cache) for piece in chunks(inputs, size)])


def greedy_through_cache(model: Any, last: np.ndarray, cache: Any) -> list[int]:
    """Greedy tokens after a prompt that the cache holds.

    Args:
        model: ours.
        last: logits [V] of the prompt's last position.
        cache: as the prompt left it.
    """
    tokens = [int(last.argmax())]
    while len(tokens) < GREEDY_TOKENS:
        step = logits(model, {"input_ids": np.array([tokens[-1:]], dtype=np.int32)}, cache)
        tokens.append(int(step[-1].argmax()))
    return tokens


def confirmed_through_cache(
    model: Any, last: np.ndarray, tokens: np.ndarray, cache: Any
) -> list[int]:
    """What the model would say at each step of `tokens`, all read in one piece after a prompt.

    The model is causal: where every prediction is the token that follows, decoding step by step
    gives just those tokens.
    """
    rows = logits(model, {"input_ids": tokens[None, :-1].astype(np.int32)}, cache)
    return [int(last.argmax()), *map(int, rows.argmax(-1))]


def predicted_without_cache(model: Any, inputs: Arrays, tokens: np.ndarray) -> np.ndarray:
    """The same in one pass, with the prompt in front."""
    said, length = tokens[:-1], inputs["input_ids"].shape[1]
    more = {"input_ids": said, "mm_token_type_ids": np.zeros_like(said)}
    grown = {name: np.append(inputs[name], [row], axis=1) for name, row in more.items()}
    return logits(model, inputs | grown)[length - 1 :].argmax(-1)
