"""The first words in an empty transcript."""

from __future__ import annotations

from textual.widgets import Static

from gemma4_mlx.events import ModelReady
from tui.introduction import introduce


class Welcome(Static):
    """Says what the model is.

    Args:
        model: the model that is ready.
    """

    def __init__(self, model: ModelReady) -> None:
        super().__init__(introduce(model), markup=False)
