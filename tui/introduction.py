"""The first words on a model: what it is and what it can take."""

from __future__ import annotations

from gemma4_mlx.events import ModelReady
from gemma4_mlx.hub import first_pick
from tui import figures

DEMO = """\
This is pocket, a small demo model that comes along:
a Gemma 4 in miniature, with all its parts.

  pictures   coloured shapes: which, and how many
  sound      single spoken words
  words      questions on this program, sums of digits

The rest it gets wrong. A real model (Mac, {size}):

  gemma4 chat -m {real_model}"""


def introduce(model: ModelReady) -> str:
    """What a model can take and how large it is; the demo model is honest about itself."""
    if model.is_demo:
        pick = first_pick()
        return DEMO.format(real_model=pick.hub_id, size=figures.size(pick.download_gb * 1e9))
    pictures = "sees pictures" if model.sees else "does not see"
    clips = "hears clips" if model.hears else "does not hear"
    weights = f", weights of {figures.size(model.weights_bytes)}" if model.weights_bytes else ""
    return (
        f"{model.name}{weights}\n{pictures} · {clips} · "
        f"a conversation can have {figures.tokens(model.context_length)}"
    )
