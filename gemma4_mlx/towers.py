"""When the towers are in memory: from the first picture or clip on, until they are let go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import mlx.core as mx
import mlx.nn as nn

from gemma4_mlx.checkpoint import evaluate

VISION = ("vision_tower", "embed_vision")
AUDIO = ("audio_tower", "embed_audio")
"""Paths of the modules that only pictures, and only clips, need."""

Restore = Callable[[nn.Module, Sequence[str]], Iterable[mx.array]]
"""Puts the weights of the modules at some paths into a model, unevaluated; returns them."""


def _nothing(model: nn.Module, paths: Sequence[str]) -> Iterable[mx.array]:
    return ()


class Towers:
    """Fetches the weights of a tower when it is needed.

    They are opened anew each time: a lazy array belongs to the thread that made it, and letting
    go of an evaluated one takes another in its place.

    Args:
        restore: where they come from; a model that was not read from files has them anyway.

    Attributes:
        present: paths of the modules whose weights are in memory.
    """

    def __init__(self, restore: Restore = _nothing) -> None:
        self._restore = restore
        self.present: frozenset[str] = frozenset()

    def need(self, model: nn.Module, paths: Sequence[str]) -> None:
        """Have the modules at those paths of the model in memory.

        Raises:
            ModelNotFoundError, CheckpointError: their file is gone, or not what it was.
        """
        if not self.present.issuperset(paths):
            evaluate(self._restore(model, paths))
            self.present = self.present.union(paths)

    def release(self, model: nn.Module) -> None:
        """Let go of all; they are read again when they are needed."""
        if self.present:
            self._restore(model, sorted(self.present))
            self.present = frozenset()
