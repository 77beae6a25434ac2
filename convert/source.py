"""A checkpoint to convert: which tensor of its files is which of ours, and its values by blocks.

Nothing is read before the headers say that everything is there; values come from mapped files,
and what was read is let go again, so that neither a copy nor a page of it stays.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from gemma4_mlx.config import ModelConfig, parameter_shapes
from gemma4_mlx.config.quantization import BLOCK_NAMES
from gemma4_mlx.config.shapes import Shape
from gemma4_mlx.errors import CheckpointError, ModelNotFoundError
from gemma4_mlx.json_file import read_json_object
from gemma4_mlx.tensor_fit import Found, misfits, renamed, require_none
from gemma4_mlx.tensor_names import Transform
from gemma4_mlx.weight_file import ITEM_BYTES, TensorEntry, read_entries

BLOCK_BYTES = 16 * 1024**2
"""The most of a tensor that is one piece of work: large beside the cost of handing it on."""

_READERS = 2

_NUMPY: Mapping[str, type[np.generic]] = {"BF16": np.uint16, "F16": np.float16, "F32": np.float32}
"""How values of the dtypes that can be converted are held; NumPy knows no bf16, only its bits."""

_PACKED_ENDINGS = (
    *(".scales", ".qweight", ".qzeros", ".g_idx", ".weight_packed"),
    *(".weight_scale", ".weight_scale_inv", ".absmax", ".weight_shape"),
)
_TAKE_BF16 = "take the bf16 checkpoint: what packing lost once cannot be found again"


@dataclass(frozen=True, slots=True)
class SourceTensor:
    """One of our tensors, and where its values stand.

    Attributes:
        name: ours.
        shape: of the tensor, in our layout.
        entry: the tensor in the file that holds it, perhaps with others.
        transform: from what the entry holds to our layout.
    """

    name: str
    shape: Shape
    entry: TensorEntry
    transform: Transform

    @property
    def path(self) -> str:
        """Of the module that the tensor is the weight of."""
        return self.name.removesuffix(".weight")

    @property
    def nbytes(self) -> int:
        """Of our tensor, as the source has it."""
        return prod(self.shape) * ITEM_BYTES[self.entry.dtype]


class Source:
    """A checkpoint that can be converted.

    Attributes:
        folder: it lies there.
        config: its config.json.
        tensors: ours, by name, in the order of `parameter_shapes`.
        dropped: tensors of its files that no layer uses.
    """

    def __init__(self, folder: Path) -> None:
        """Check everything that can be known without reading values.

        Raises:
            ModelNotFoundError: there is no checkpoint, or not all of it.
            CheckpointError: a file is damaged, or the weights are packed already.
            WeightsError: tensors that are missing, unknown, misshapen or there twice; all of them.
        """
        self.folder = folder
        _refuse_packed_config(folder)
        self.config = ModelConfig.from_folder(folder)
        entries = read_entries(folder)
        _refuse_packed_tensors(entries)
        self.tensors, self.dropped = our_tensors(entries, self.config)
        self._paths = sorted({entry.path for entry in entries.values()})
        self._maps: dict[Path, mmap.mmap] = {}

    def values(self, tensor: SourceTensor) -> np.ndarray:
        """A tensor in our layout, as a view of the mapped file; bf16 as its bits in uint16."""
        entry = tensor.entry
        count = prod(entry.shape)
        mapped = self._mapped(entry.path)
        flat = np.frombuffer(mapped, _NUMPY[entry.dtype], count, entry.start)
        return tensor.transform(flat.reshape(entry.shape))

    def blocks(self, tensor: SourceTensor, block_bytes: int = BLOCK_BYTES) -> Iterator[np.ndarray]:
        """The tensor's values in order, a view of at most about `block_bytes` at a time.

        A view is good until the next one is asked for.
        """
        for block in _pieces(self.values(tensor), block_bytes):
            yield block
            self.forget(tensor)

    def forget(self, tensor: SourceTensor) -> None:
        """Let go of the pages that were read of the tensor's file."""
        self._maps[tensor.entry.path].madvise(mmap.MADV_DONTNEED)

    def identity(self) -> dict[str, Any]:
        """What tells these files from others, or from themselves after a change; plain JSON."""
        config = (self.folder / "config.json").read_bytes()
        files = {path.name: _identity(path) for path in self._paths}
        return {"config": hashlib.sha256(config).hexdigest(), "files": files}

    def _mapped(self, path: Path) -> mmap.mmap:
        if path not in self._maps:
            try:
                with path.open("rb") as file:
                    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except OSError as error:
                raise CheckpointError(f"{path} cannot be read: {error.strerror}") from None
            mapped.madvise(mmap.MADV_SEQUENTIAL)
            self._maps[path] = mapped
        return self._maps[path]


@contextmanager
def reading_threads() -> Iterator[ThreadPoolExecutor]:
    """Threads that read; an interruption does not wait for what they have not begun."""
    threads = ThreadPoolExecutor(_READERS)
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)


def our_tensors(
    entries: Mapping[str, TensorEntry], config: ModelConfig
) -> tuple[dict[str, SourceTensor], tuple[str, ...]]:
    """Which tensors of a checkpoint's files are ours.

    Args:
        entries: by the checkpoint's names.
        config: of the checkpoint.

    Returns:
        Our tensors by name, and the checkpoint's names of those that no layer uses.

    Raises:
        WeightsError: they are not exactly the model's.
    """
    shapes = parameter_shapes(config)
    ours = renamed(entries, config, place=lambda entry: f" in {entry.path}")
    require_none([*ours.problems, *misfits(ours.found, shapes)])
    tensors = {name: _placed(name, shape, ours.found[name]) for name, shape in shapes.items()}
    return tensors, ours.dropped


def as_rows(block: np.ndarray, tensor: SourceTensor) -> mx.array:
    """A block of a tensor's values as rows [R, in] in bf16; those of bf16 keep every bit."""
    array = mx.array(block.reshape(-1, tensor.shape[-1]))
    is_bits = tensor.entry.dtype == "BF16"
    return array.view(mx.bfloat16) if is_bits else array.astype(mx.bfloat16)


def _pieces(values: np.ndarray, block_bytes: int) -> Iterator[np.ndarray]:
    """Slices along the first axis; along the next one where a single item is too large."""
    if values.ndim < 2 or values.nbytes <= block_bytes:
        yield values
        return
    item_bytes = values.nbytes // len(values)
    if item_bytes > block_bytes:
        for item in values:
            yield from _pieces(item, block_bytes)
        return
    step = max(1, block_bytes // item_bytes)
    for start in range(0, len(values), step):
        yield values[start : start + step]


def _identity(path: Path) -> list[int | str]:
    """Size, time of the last change, and the header's hash."""
    with path.open("rb") as file:
        header = file.read(int.from_bytes(file.read(8), "little"))
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, hashlib.sha256(header).hexdigest()]


def _placed(name: str, shape: Shape, found: Found[TensorEntry]) -> SourceTensor:
    is_ours = found.tensor.shape == shape
    transform = (lambda values: values) if is_ours else found.transform
    return SourceTensor(name, shape, found.tensor, transform)


def _refuse_packed_config(folder: Path) -> None:
    path = folder / "config.json"
    if not path.is_file():
        raise ModelNotFoundError(f"{path} does not exist", "give the folder of a checkpoint")
    raw = read_json_object(path)
    text = raw.get("text_config")
    for section in (raw, text if isinstance(text, Mapping) else {}):
        for name in BLOCK_NAMES:
            if section.get(name) is not None:
                kind = _kind_of(section[name])
                raise CheckpointError(
                    f"{path}: {name} says that the weights are packed already ({kind})", _TAKE_BF16
                )


def _kind_of(block: Any) -> str:
    """A quantization block in a few words."""
    if not isinstance(block, Mapping):
        return str(block)
    if block.get("quant_method"):
        return str(block["quant_method"])
    return f"MLX, {block.get('bits', '?')} bits"


def _refuse_packed_tensors(entries: Mapping[str, TensorEntry]) -> None:
    for entry in entries.values():
        if entry.name.endswith(_PACKED_ENDINGS):
            raise CheckpointError(
                f"{entry.path}: {entry.name} belongs to weights that are packed already",
                _TAKE_BF16,
            )
        if entry.dtype not in _NUMPY:
            raise CheckpointError(
                f"{entry.path}: {entry.name} is {entry.dtype}, expected one of {', '.join(_NUMPY)}",
                _TAKE_BF16,
            )
