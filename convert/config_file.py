"""config.json of a converted checkpoint: the source's, and what was done to its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gemma4_mlx.config import ModelConfig

PROVENANCE = "gemma4_mlx"
"""The block that tells where the weights come from and by which recipe they were made."""


def write_config(
    source: Path,
    dest: Path,
    *,
    quantization: Mapping[str, Any] | None,
    provenance: Mapping[str, Any],
) -> Path:
    """Write `dest/config.json`.

    Everything that the source says stays. The block of the quantization stands there under both
    of its names, as mlx-lm writes it. The size of the vocabulary is repeated at the top level,
    where mlx-lm and mlx-vlm read it.

    Args:
        source: folder of the unpacked checkpoint.
        dest: folder of the converted one.
        quantization: MLX's block: group_size, bits, mode, and overrides by module path; None
            if nothing is packed.
        provenance: source, revision, recipe, version and so on; plain JSON.

    Returns:
        The path of the file.

    Raises:
        ModelNotFoundError, ConfigError: the source's config.json is missing or wrong, or the
            result would be.
    """
    config = ModelConfig.from_folder(source)
    raw = {**config.raw, "vocab_size": config.text_config.vocab_size}
    if quantization is not None:
        raw |= {"quantization": dict(quantization), "quantization_config": dict(quantization)}
    raw[PROVENANCE] = dict(provenance)
    ModelConfig.from_dict(raw)  # a block that nobody could load must not be written
    path = dest / "config.json"
    path.write_text(json.dumps(raw, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
