"""Names and shapes of the published checkpoints' tensors, from the lists under data/tensors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

DATA = Path(__file__).parent / "data"


def published_tensors(variant: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor of a published checkpoint: name and shape."""
    for line in (DATA / "tensors" / f"{variant}.txt").read_text().splitlines():
        if line.startswith("#"):
            continue
        pattern, shape, layers = (part.strip() for part in line.split("#")[0].split("|"))
        sizes = tuple(json.loads(shape))
        if ".N." not in pattern:
            yield pattern, sizes
            continue
        for span in layers.split("(")[0].strip().split(","):
            first, _, last = span.partition("-")
            for layer in range(int(first), int(last or first) + 1):
                yield pattern.replace(".N.", f".{layer}."), sizes
