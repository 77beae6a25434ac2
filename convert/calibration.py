"""How much each column of a weight matters: the mean squared input it sees on some text.

A rounded weight does harm in proportion to what it is multiplied with, so errors are squared and
weighted by this. The source itself must fit into memory for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_unflatten

from gemma4_mlx.config import PER_LAYER_TABLE
from gemma4_mlx.inputs import ModelInputs
from gemma4_mlx.model import Gemma4
from gemma4_mlx.recipes import packable_shapes
from gemma4_mlx.tokenizer import Tokenizer

WINDOW = 512
"""Tokens that are read at once."""

MOST_WINDOWS = 64

_HEAD = "language_model.model.embed_tokens"
_FLOOR = 0.01
"""What a column counts at least, as a share of the mean: a text never shows everything."""


def mean_squared_inputs(model: Gemma4, prompts: Iterable[ModelInputs]) -> dict[str, mx.array]:
    """Read prompts and take note of what comes in.

    The experts of a layer share one statistic, of all that any of them was given. The table of
    embeddings is looked up as it is, but as the head it reads the last hidden states. The table
    of per-layer embeddings reads nothing.

    Args:
        model: the source's; left as it was.
        prompts: ready for it, of one each.

    Returns:
        float32 [in] by module path, for all modules that can be packed and were asked. Columns
        that saw next to nothing count a hundredth of the mean.
    """
    with _listening(model) as ears:
        decoder = model.language_model.model
        head = ears[_HEAD] = _Ear()
        for inputs in prompts:
            arrays = inputs.arrays()
            arrays.pop("mm_token_type_ids")
            prompt = model.embed(**arrays)
            per_layer = decoder.per_layer_inputs(prompt.token_ids, prompt.embeddings)
            head.hear(decoder(prompt.embeddings, per_layer, pictures=prompt.pictures))
    return {path: ear.mean() for path, ear in ears.items() if ear.rows}


def text_windows(tokenizer: Tokenizer, text: str) -> list[ModelInputs]:
    """Cut a text into prompts of at most `WINDOW` tokens, of which the first `MOST_WINDOWS`."""
    ids = tokenizer.encode(text)
    step = WINDOW - 1
    starts = range(0, len(ids), step)[:MOST_WINDOWS]
    windows = [[tokenizer.control.bos_token_id, *ids[start : start + step]] for start in starts]
    return [
        ModelInputs(np.array([window], np.int32), np.zeros((1, len(window)), np.int32))
        for window in windows
    ]


class _Ear:
    """Sums up what one module is given.

    Attributes:
        rows: how many inputs it had.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._squares = mx.array(0.0)

    def hear(self, x: mx.array) -> None:
        """Add inputs [..., in]."""
        flat = x.astype(mx.float32).reshape(-1, x.shape[-1])
        self._squares = self._squares + mx.square(flat).sum(axis=0)
        self.rows += flat.shape[0]
        mx.eval(self._squares)  # or the inputs of all layers would wait in memory to be added

    def mean(self) -> mx.array:
        """Mean squares [in], none of them far below the others."""
        means = self._squares / self.rows
        return mx.maximum(means, _FLOOR * means.mean())


class _Listener(nn.Module):
    """Stands in for a module and does what it does."""

    def __init__(self, module: nn.Module, ear: _Ear) -> None:
        super().__init__()
        self._module, self._ear = module, ear

    def __call__(self, x: mx.array, *others: Any) -> mx.array:
        """The module's own result."""
        self._ear.hear(x)
        return self._module(x, *others)


@contextmanager
def _listening(model: Gemma4) -> Iterator[dict[str, _Ear]]:
    """Have listeners in the place of all modules that multiply, for as long as it lasts."""
    tables = {_HEAD, PER_LAYER_TABLE}
    paths = packable_shapes(model.config).keys() - tables
    modules = {path: module for path, module in model.named_modules() if path in paths}
    ears = {path: _Ear() for path in modules}
    listeners = {path: _Listener(module, ears[path]) for path, module in modules.items()}
    _replace(model, listeners)
    try:
        yield ears
    finally:
        _replace(model, modules)


def _replace(model: Gemma4, modules: Mapping[str, nn.Module]) -> None:
    model.update_modules(tree_unflatten(list(modules.items())))
