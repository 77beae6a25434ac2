"""Which model it is, without reading all of it."""

from __future__ import annotations

import hashlib
import json

import mlx.core as mx
import numpy as np

from gemma4_mlx.checkpoint import read_optional_json
from gemma4_mlx.model import Gemma4
from gemma4_mlx.weight_file import middle_bytes, read_entries
from gemma4_mlx.weights import parameters

MAKES_MEDIA = ("processor_config.json", "preprocessor_config.json")
"""Files that say what the towers are given of a picture or clip."""


def model_identity(model: Gemma4) -> str:
    """A hash of its configs, of name, shape and dtype of every weight, and of samples.

    Two models that were tuned from the same one differ in nothing but the values, so some of them
    are taken in, too: three rows of every weight that is in memory for sure, the decoder's, and
    what stands in the middle of every tensor in the files, where towers and a mapped table are.

    Raises:
        ModelNotFoundError, CheckpointError: the files that the model was read from are gone.
    """
    digest = hashlib.sha256(json.dumps(model.config.raw, sort_keys=True).encode())
    samples: list[mx.array] = []
    for name, array in sorted(parameters(model).items()):
        digest.update(f"{name} {array.shape} {array.dtype}\n".encode())
        in_memory = name.startswith("language_model.") or model.folder is None
        if in_memory and array.size:
            rows = array.reshape(-1, array.shape[-1] if array.ndim else 1)
            last = len(rows) - 1
            samples.append(mx.contiguous(rows[mx.array([0, last // 2, last])]).view(mx.uint8))
    mx.eval(samples)
    for sample in samples:
        digest.update(np.array(sample).tobytes())
    if model.folder is not None:
        for name in MAKES_MEDIA:
            config = read_optional_json(model.folder / name)
            digest.update(json.dumps(config, sort_keys=True).encode())
        for sample in middle_bytes(read_entries(model.folder).values()):
            digest.update(sample)
    return digest.hexdigest()
