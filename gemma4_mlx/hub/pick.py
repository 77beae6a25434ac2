"""Published checkpoints worth fetching, known without a network: picks.json.

Sizes are those of the hub on the day that stands in the file; what a download really takes is
told by `plan_download`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

RECOMMENDED_PACKING = "4-bit qat"
"""Weights that were not trained for 4 bits suffer from them, those of E2B and E4B badly."""


@dataclass(frozen=True, slots=True)
class Pick:
    """A published checkpoint.

    Attributes:
        hub_id: of the checkpoint.
        variant: E2B, E4B, 26B-A4B or 31B.
        packing: bits of its weights; "qat" where it was trained for them.
        download_gb: what has to be fetched, in GB (1e9 bytes).
        note: what it is good for; may be empty.
    """

    hub_id: str
    variant: str
    packing: str
    download_gb: float
    note: str


@cache
def picks() -> tuple[Pick, ...]:
    """All of them, by variant and size."""
    return tuple(Pick(**entry) for entry in _data()["models"])


def first_pick() -> Pick:
    """The one to begin with where nothing is known of the machine: the smallest recommended."""
    recommended = (pick for pick in picks() if pick.packing == RECOMMENDED_PACKING)
    return min(recommended, key=lambda pick: pick.download_gb)


def picks_as_of() -> str:
    """The day of the sizes, as YYYY-MM-DD."""
    return _data()["as_of"]


def _data() -> dict:
    return json.loads((files("gemma4_mlx.hub") / "picks.json").read_text(encoding="utf-8"))
