"""Which weights these are, whatever the files are called and however they are cut."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

from gemma4_mlx.config import ModelConfig
from gemma4_mlx.tensor_names import is_unused, target_names
from gemma4_mlx.weight_file import middle_bytes, read_entries

_SAMPLE_BYTES = 512


def fingerprint(folder: Path) -> str:
    """A short name for the weights of a checkpoint, from a sample of every tensor that is used.

    Two checkpoints of the same architecture, such as the ordinary one and that from
    quantization-aware training, have different ones; copies cut into other files have the same.

    Raises:
        CheckpointError: the checkpoint cannot be read.
    """
    config = ModelConfig.from_folder(folder)
    named = {" ".join(target_names(name)): entry for name, entry in read_entries(folder).items()}
    used = {name: named[name] for name in sorted(named) if not is_unused(name, config)}
    digest = blake2b(digest_size=16)
    for name, sample in zip(used, middle_bytes(used.values(), _SAMPLE_BYTES), strict=True):
        digest.update(f"{name} {used[name].dtype} {used[name].shape}\n".encode())
        digest.update(sample)
    return digest.hexdigest()
