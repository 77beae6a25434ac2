"""Which weights these are, whatever the files are called and however they are cut."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

from gemma4_mlx.config import ModelConfig
from gemma4_mlx.tensor_names import is_unused, target_names
from gemma4_mlx.weight_file import TensorEntry, read_entries

_SAMPLE_BYTES = 512


def fingerprint(folder: Path) -> str:
    """A short name for the weights of a checkpoint, from a sample of every tensor that is used.

    Two checkpoints of the same architecture, such as the ordinary one and that from
    quantization-aware training, have different ones; copies cut into other files have the same.

    Raises:
        CheckpointError: the checkpoint cannot be read.
    """
    return fingerprint_of(read_entries(folder).values(), ModelConfig.from_folder(folder))


def fingerprint_of(entries: Iterable[TensorEntry], config: ModelConfig) -> str:
    """See `fingerprint`."""
    digest = blake2b(digest_size=16)
    named = {" ".join(target_names(entry.name)): entry for entry in entries}
    for name, entry in sorted(named.items()):
        if is_unused(name, config):
            continue
        digest.update(f"{name} {entry.dtype} {entry.shape}\n".encode())
        digest.update(_sample(entry))
    return digest.hexdigest()


def _sample(entry: TensorEntry) -> bytes:
    """Some bytes from the middle of a tensor: the first rows of tables are often special."""
    with entry.path.open("rb") as file:
        file.seek(entry.start + entry.nbytes // 2)
        return file.read(min(_SAMPLE_BYTES, entry.nbytes - entry.nbytes // 2))
