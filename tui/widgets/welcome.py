"""The first words in an empty transcript."""

from __future__ import annotations

from textual.widgets import Static

from gemma4_mlx.events import ModelReady

REAL_MODEL = "gemma4 chat -m google/gemma-4-E2B-it"

DEMO = f"""\
This is pocket, a small demo model that comes with the program: a Gemma 4
in miniature with all its parts, trained for a few things only.

  pictures   names coloured shapes, their colours, their number
  sound      hears single spoken words
  words      answers questions on this program, adds two digits

Everything else it gets wrong. For a real model (on a Mac; several GB):

  {REAL_MODEL}"""

REAL = "Ask anything. /image PATH and /audio PATH attach files; /help lists the rest."


class Welcome(Static):
    """Says what the model is; the demo model is honest about itself.

    Args:
        model: the model that is ready.
    """

    def __init__(self, model: ModelReady) -> None:
        super().__init__(DEMO if model.is_demo else REAL, markup=False)
