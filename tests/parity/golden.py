"""What is kept of the reference's outputs: samples of each stage, and how far ours are from them.

A stage is a matrix with one row per position (or real patch, or valid soft token). All rows are
kept; of its columns every n-th, by the table below. An error anywhere upstream reaches every
column, so that a sample finds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).with_name("goldens")

STRIDES = {
    "embedding": 13,
    "per_layer_inputs": 37,
    "layer": 11,
    "norm": 13,
    "logits": 5,
    "vision": 11,
    "audio": 7,
}
"""Stage family -> every n-th column. `vision.layer.0` belongs to the family `vision`."""

MAX_ERROR = 2e-3
MEAN_ERROR = 1e-4


def sample(stage: str, rows: np.ndarray) -> np.ndarray:
    """The kept columns of a stage.

    Args:
        stage: such as `layer.3` or `audio.output_proj`.
        rows: [rows, ...]; all but the first axis are flattened.
    """
    flat = rows.reshape(len(rows), -1)
    return flat[:, :: STRIDES[stage.partition(".")[0]]].astype(np.float32)


@dataclass(frozen=True)
class Error:
    """How far two samples are apart.

    Attributes:
        largest: the largest absolute difference.
        mean: the mean absolute difference.
    """

    largest: float
    mean: float

    @property
    def passes(self) -> bool:
        """Within the project's limits."""
        return self.largest <= MAX_ERROR and self.mean <= MEAN_ERROR

    def __str__(self) -> str:
        return f"max {self.largest:.2e}, mean {self.mean:.2e}"


def error(ours: np.ndarray, golden: np.ndarray) -> Error:
    """Compare two samples of one shape; NaN counts as infinitely far."""
    assert ours.shape == golden.shape, f"shape {ours.shape}, the reference has {golden.shape}"
    difference = np.nan_to_num(np.abs(ours.astype(np.float64) - golden), nan=np.inf)
    return Error(float(difference.max()), float(difference.mean()))


def path(case: object) -> Path:
    """Where a case's outputs are kept."""
    return FOLDER / f"{case}.npz"


def load(case: object) -> dict[str, np.ndarray]:
    """The kept outputs of a case, by stage; `greedy` holds the token ids."""
    with np.load(path(case)) as arrays:
        return dict(arrays)
