"""How far logits move when keys and values are packed or folded, as a Markdown table.

Run from the root of the repository: `python -m tests.parity.kv_formats`.
"""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import mlx.core as mx
import numpy as np

import gemma4_mlx as g4
from gemma4_mlx.cache import cache_report
from gemma4_mlx.kv_format import KVFormat
from tests.parity import ours
from tests.parity.cases import Case, cases
from tests.parity.configs import CONFIGS, WINDOW
from tests.parity.recipe import write_checkpoint

WIDE = "wide-31b-like"
"""`31b-like` with full heads of 128 lanes, whose folded rows (160 lanes) can be packed."""

FORMATS = (KVFormat(folded=True), KVFormat(8), KVFormat(4), KVFormat(8, True), KVFormat(4, True))


def wide_config() -> dict[str, Any]:
    """The config of `WIDE`."""
    config = copy.deepcopy(CONFIGS["31b-like"])
    config["text_config"]["global_head_dim"] = 128
    return config


def formats(checkpoint: str) -> tuple[KVFormat, ...]:
    """What a checkpoint's caches can be kept in, besides as they are."""
    folds = checkpoint.startswith(("26b", "31b", WIDE))
    packs_folded = checkpoint == WIDE
    return tuple(
        kv for kv in FORMATS if not kv.folded or (folds and (packs_folded or kv.bits is None))
    )


def prompt(checkpoint: str) -> Case:
    """A text of five windows."""
    name = "31b-like" if checkpoint == WIDE else checkpoint
    return next(case for case in cases() if (case.checkpoint, case.name) == (name, "text"))


class Difference(NamedTuple):
    """Logits of one format beside those of plain caches.

    Attributes:
        relative_error: root mean square of the difference, over that of the logits.
        same_token: share of the positions with the same most likely token.
        share: bytes of the caches of full layers, over those of plain ones.
    """

    relative_error: float
    same_token: float
    share: float


def difference(model: Any, case: Case, kv: KVFormat) -> Difference:
    """Read a prompt in chunks through plain caches and through those of a format."""
    logits, held = [], []
    for one in (KVFormat(), kv):
        cache = model.make_cache(one)
        logits.append(ours.chunked_logits(model, case.inputs(), WINDOW + 1, cache))
        held.append(cache_report([layer for layer in cache if layer.window is None]).bytes)
    plain, other = logits
    error = np.sqrt(np.mean((plain - other) ** 2) / np.mean(plain**2))
    same = np.mean(plain.argmax(-1) == other.argmax(-1))
    return Difference(float(error), float(same), held[1] / held[0])


def main() -> None:
    """Print the table."""
    CONFIGS[WIDE] = wide_config()
    print("| checkpoint | full layers | bytes | relative error of logits | same token |")
    print("|---|---|---|---|---|")
    for checkpoint in CONFIGS:
        with tempfile.TemporaryDirectory() as folder:
            model = g4.load_model(write_checkpoint(Path(folder), checkpoint), dtype=mx.float32)
            for kv in formats(checkpoint):
                name = f"{kv.bits or 32} bits" + (", folded" if kv.folded else "")
                error, same, share = difference(model, prompt(checkpoint), kv)
                print(f"| {checkpoint} | {name} | {share:.3f} | {error:.1e} | {same:.0%} |")


if __name__ == "__main__":
    main()
