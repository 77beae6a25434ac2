"""Small whole checkpoints as on the hub: random weights, and the bundled model's tokenizer."""

from __future__ import annotations

import copy
import json
import math
import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from tests.parity import recipe
from tests.parity.configs import CONFIGS

POCKET = Path(str(files("gemma4_mlx") / "pocket"))
AUXILIARY = (
    *("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"),
    *("processor_config.json", "generation_config.json"),
)
INDEX = "model.safetensors.index.json"
ITEM_BYTES = {"BF16": 2, "F16": 2, "F32": 4, "F8_E4M3": 1, "I32": 4, "U32": 4}

Tensors = dict[str, tuple[str, np.ndarray]]
"""Name -> dtype by the format's name and the values' bytes in an array of the tensor's shape."""


def write_source(folder: Path, like: str = "e2b-like", *, shards: int = 2, **text: Any) -> Path:
    """A bf16 checkpoint of one of the tiny configs; `text` changes fields of its decoder."""
    config = tiny_config(like, **text)
    with patch.dict(CONFIGS, {like: config}):
        tensors = {
            name: ("BF16", bf16_bits(recipe.tensor(like, name, shape)))
            for name, shape in recipe.shapes(like)
        }
    return write_folder(folder, config, tensors, shards=shards)


def tiny_config(like: str, **text: Any) -> dict[str, Any]:
    """A tiny config with the markers and the vocabulary of the bundled tokenizer."""
    config = copy.deepcopy(CONFIGS[like])
    ours = json.loads((POCKET / "config.json").read_text())
    config |= {key: ours[key] for key in ours if key.endswith(("_token_id", "_token_index"))}
    size = ours["text_config"]["vocab_size"]
    config["text_config"] |= {"vocab_size": size, "vocab_size_per_layer_input": size, **text}
    return config | {"dtype": "bfloat16"}


def write_folder(
    folder: Path, config: Mapping[str, Any], tensors: Tensors, *, shards: int = 2
) -> Path:
    """A whole checkpoint with these tensors."""
    folder.mkdir(parents=True)
    for name in AUXILIARY:
        shutil.copy(POCKET / name, folder)
    (folder / "config.json").write_text(json.dumps(config))
    names = list(tensors)
    weight_map: dict[str, str] = {}
    for number in range(shards):
        file = f"model-{number + 1:05}-of-{shards:05}.safetensors"
        shard = names[number::shards]
        weight_map |= dict.fromkeys(shard, file)
        write_file(folder / file, {name: tensors[name] for name in shard})
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return folder


def write_file(path: Path, tensors: Tensors) -> None:
    """One file in the safetensors format."""
    header, chunks, end = {}, [], 0
    for name, (dtype, array) in tensors.items():
        chunks.append(array.tobytes())
        assert len(chunks[-1]) == ITEM_BYTES[dtype] * math.prod(array.shape)
        header[name] = {
            "dtype": dtype,
            "shape": array.shape,
            "data_offsets": [end, end + len(chunks[-1])],
        }
        end += len(chunks[-1])
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(chunks))


def read_file(path: Path) -> Tensors:
    """The other way round."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    tensors: Tensors = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__":
            start, end = (8 + length + offset for offset in entry["data_offsets"])
            width = ITEM_BYTES[entry["dtype"]]
            values = np.frombuffer(data[start:end], f"u{width}").reshape(entry["shape"])
            tensors[name] = (entry["dtype"], values.copy())
    return tensors


def bf16_bits(values: np.ndarray) -> np.ndarray:
    """The bits of the nearest bf16 values, uint16."""
    bits = np.asarray(values, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> np.uint64(16)) & np.uint64(1))) >> np.uint64(16)).astype(
        np.uint16
    )


def change(folder: Path, name: str, values: np.ndarray, dtype: str = "BF16") -> None:
    """Replace, or add, a tensor of a checkpoint."""
    index = json.loads((folder / INDEX).read_text())
    file = index["weight_map"].setdefault(name, min(index["weight_map"].values()))
    write_file(folder / file, read_file(folder / file) | {name: (dtype, values)})
    (folder / INDEX).write_text(json.dumps(index))


def values_of(folder: Path, name: str) -> np.ndarray:
    """The bits of a tensor."""
    file = json.loads((folder / INDEX).read_text())["weight_map"][name]
    return read_file(folder / file)[name][1]
