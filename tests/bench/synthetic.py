"""Checkpoints of published size without published weights: real names and shapes, random values.

`python -m tests.bench.synthetic --variant E2B --into DIR` writes one as the hub would have it: in
shards, with config, tokenizer, template and processor files. With --sparse all values are zeros
that take no room on the disk.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np

from tests.published import DATA, published_tensors

POCKET = Path(str(files("gemma4_mlx") / "pocket"))
CONFIGS = {
    "E2B": "gemma-4-E2B-it",
    "E4B": "gemma-4-E4B-it",
    "26B-A4B": "gemma-4-26B-A4B-it",
    "31B": "gemma-4-31B-it",
}
AUXILIARY = (
    *("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"),
    *("processor_config.json", "generation_config.json"),
)
SHARD_BYTES = 5_000_000_000
BLOCK_VALUES = 1 << 25  # of random numbers; every tensor starts elsewhere in them

Shapes = dict[str, tuple[int, ...]]


def published_shapes(variant: str) -> Shapes:
    """Every tensor of a published checkpoint, by the hub's name."""
    return dict(published_tensors(f"{variant}-it"))


def write_source(folder: Path, variant: str, *, sparse: bool = False) -> int:
    """Write a checkpoint; returns the bytes of its tensors."""
    folder.mkdir(parents=True)
    _write_small_files(folder, variant)
    shards = list(_shards(published_shapes(variant)))
    names = [f"model-{n:05}-of-{len(shards):05}.safetensors" for n in range(1, len(shards) + 1)]
    random = _random_block() if not sparse else None
    weight_map = {}
    for name, shard in zip(names, shards, strict=True):
        weight_map |= dict.fromkeys(shard, name)
        _write_shard(folder / name, shard, random)
    total = sum(_nbytes(shape) for shard in shards for shape in shard.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return total


def _write_small_files(folder: Path, variant: str) -> None:
    """The bundled model's tokenizer, and the published config with the ids of its markers."""
    for name in AUXILIARY:
        shutil.copy(POCKET / name, folder)
    config = json.loads((DATA / "configs" / f"{CONFIGS[variant]}.config.json").read_text())
    ours = json.loads((POCKET / "config.json").read_text())
    ids = {key: ours[key] for key in ours if key.endswith(("_token_id", "_token_index"))}
    (folder / "config.json").write_text(json.dumps(config | ids))


def _shards(shapes: Shapes) -> Iterator[Shapes]:
    shard: Shapes = {}
    filled = 0
    for name, shape in shapes.items():
        if shard and filled + _nbytes(shape) > SHARD_BYTES:
            yield shard
            shard, filled = {}, 0
        shard[name] = shape
        filled += _nbytes(shape)
    yield shard


def _write_shard(path: Path, shapes: Shapes, random: np.ndarray | None) -> None:
    header, end = {}, 0
    for name, shape in shapes.items():
        offsets = [end, end + _nbytes(shape)]
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": offsets}
        end = offsets[1]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        if random is None:
            file.truncate(8 + len(text) + end)
            return
        for index, shape in enumerate(shapes.values()):
            for piece in _random_values(random, index, math.prod(shape)):
                file.write(piece)


def _random_block() -> np.ndarray:
    """Normal values as weights have them, as the bits of bf16."""
    values = 0.02 * np.random.default_rng(0).standard_normal(BLOCK_VALUES, np.float32)
    return (values.view(np.uint32) >> 16).astype(np.uint16)


def _random_values(random: np.ndarray, index: int, count: int) -> Iterator[memoryview]:
    """`count` values, from a place in the random numbers that only this tensor begins at."""
    start = index * 7919 * 64 % (random.size // 2)
    while count:
        piece = random[start : start + count]
        yield memoryview(piece)
        count -= piece.size
        start = 0


def _nbytes(shape: tuple[int, ...]) -> int:
    return 2 * math.prod(shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", choices=CONFIGS, default="E2B")
    parser.add_argument("--into", type=Path, required=True, help="a folder that does not exist")
    parser.add_argument("--sparse", action="store_true", help="zeros that take no disk")
    options = parser.parse_args()
    written = write_source(options.into, options.variant, sparse=options.sparse)
    print(f"{options.into}: {written / 1e9:.2f} GB of tensors")


if __name__ == "__main__":
    main()
