"""From a name or a folder to a model that is ready: the one place where weights are read."""

from __future__ import annotations

import ctypes
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import mlx.core as mx

from gemma4_mlx.checkpoint import evaluate, read_optional_json, read_tensors
from gemma4_mlx.config import PER_LAYER_TABLE, ModelConfig
from gemma4_mlx.errors import ModelNotFoundError, UsageError
from gemma4_mlx.limits import BUFFER_CACHE_BYTES
from gemma4_mlx.memory import Demand, Machine, Weights, plan_loading, this_machine
from gemma4_mlx.memory.weights import Amount, amount_of, part_of
from gemma4_mlx.model import Gemma4
from gemma4_mlx.model_name import DEMO_MODEL, is_hub_id
from gemma4_mlx.tensor_names import target_names
from gemma4_mlx.text.mapped_table import MappedTable
from gemma4_mlx.towers import AUDIO, VISION, Towers
from gemma4_mlx.weight_file import TensorEntry, read_entries
from gemma4_mlx.weights import load_weights, parameters, renew_weights

if TYPE_CHECKING:
    from gemma4_mlx.processing import Processor

_LOG = logging.getLogger(__name__)

PerLayerTable = Literal["auto", "resident", "mapped"]
OnProgress = Callable[[int, int], None]

_DTYPES = (mx.bfloat16, mx.float16, mx.float32)


def load(
    name: str | Path,
    *,
    dtype: mx.Dtype | None = None,
    per_layer_table: PerLayerTable = "auto",
    on_progress: OnProgress | None = None,
) -> tuple[Gemma4, Processor]:
    """Load a model and its processor.

    Args:
        name: "pocket", a folder, or a hub id such as "google/gemma-4-E2B-it".
        dtype: of the weights; None takes the checkpoint's bf16 on a GPU and float32 on the CPU
            backend, whose bf16 products are slow and inexact.
        per_layer_table: see `load_model`.
        on_progress: called with bytes fetched, then read, so far and in all.

    Raises:
        ModelNotFoundError, CheckpointError: the checkpoint is not there or cannot be read.
    """
    # Not at the top: `load_model` needs neither tokenizer nor image and audio libraries.
    from gemma4_mlx.processing import Processor

    folder = find_checkpoint(name, on_progress=on_progress)
    # The small files first: a broken processor must not cost minutes of reading weights.
    processor = Processor.from_folder(folder)
    _return_freed_memory()
    model = load_model(
        folder, dtype=dtype, per_layer_table=per_layer_table, on_progress=on_progress
    )
    return model, processor


def load_model(
    folder: str | Path,
    *,
    dtype: mx.Dtype | None = None,
    per_layer_table: PerLayerTable = "auto",
    on_progress: OnProgress | None = None,
) -> Gemma4:
    """Load config.json and the weights alone; no tokenizer is needed.

    Args:
        folder: of a checkpoint.
        dtype: see `load`.
        per_layer_table: "resident" keeps the table of per-layer embeddings in memory, "mapped"
            leaves it in its file and reads the rows of the tokens at hand; "auto" maps it where
            the plan says that memory is tight.
        on_progress: see `load`.

    Returns:
        The model, its decoder in memory. The towers are read when the first picture or clip
        comes. Its `plan` says how much memory it was loaded for.

    Raises:
        ModelNotFoundError, ConfigError, WeightsError: see `errors`.
        MemoryLimitError: it does not fit this machine; no tensor was read.
        UsageError: a type that is none of floats; a table to be mapped that the model has not.
    """
    known = get_args(PerLayerTable)
    if per_layer_table not in known:
        raise UsageError(f"per_layer_table={per_layer_table!r}: expected one of {known}")
    if dtype is not None and not (isinstance(dtype, mx.Dtype) and dtype in _DTYPES):
        names = ", ".join(map(str, _DTYPES)).replace("mlx.core.", "mx.")
        raise UsageError(f"dtype={dtype!r}: expected None or one of {names}")
    _bound_buffer_cache()
    folder = Path(folder)
    config = ModelConfig.from_folder(folder)
    _tell_absent_towers(config, folder)
    model = Gemma4(config, read_optional_json(folder / "generation_config.json"))
    dtype = dtype or default_dtype()
    model.unused_tensors = load_weights(model, read_tensors(folder), dtype)
    # All is known of the weights now, and nothing of them read yet.
    arrays = parameters(model)
    model.plan = plan_loading(
        config, _weights(arrays, folder), _machine(dtype), Demand(per_layer_table=per_layer_table)
    )
    if model.plan.choice.per_layer_table == "mapped":
        _map_table(model, folder)
        arrays = parameters(model)
    model.folder = folder
    model.towers = Towers(
        lambda model, paths: renew_weights(model, config, read_tensors(folder), paths)
    )
    _evaluate_decoder(arrays, on_progress)
    return model


def _tell_absent_towers(config: ModelConfig, folder: Path) -> None:
    """Say what config.json promises and the weight files do not hold."""
    towers = {"vision": config.vision_config, "audio": config.audio_config}
    for kind, found in towers.items():
        if found is None and config.raw.get(f"{kind}_config"):
            _LOG.warning("%s holds no weights of the %s tower that it describes", folder, kind)


def _weights(arrays: Mapping[str, mx.array], folder: Path) -> Weights:
    """What the planner wants to know of a model's parameters."""
    parts: dict[str, Amount] = {}
    for name, array in arrays.items():
        is_float = mx.issubdtype(array.dtype, mx.floating)
        amount = amount_of(name, array.nbytes, array.itemsize if is_float else None)
        parts[part_of(name)] = parts.get(part_of(name), Amount()) + amount
    return Weights(parts, f"the files in {folder}")


def _machine(dtype: mx.Dtype) -> Machine:
    """This machine, as MLX sees it."""
    info = mx.device_info() if mx.default_device() == mx.gpu else None
    return replace(this_machine(info), item_bytes=dtype.size)


def _map_table(model: Gemma4, folder: Path) -> None:
    """Have the table of per-layer embeddings stay in its file."""
    entries: dict[str, TensorEntry] = {}
    for entry in read_entries(folder).values():
        path, _, name = target_names(entry.name)[0].rpartition(".")
        if path == PER_LAYER_TABLE:
            entries[name] = entry
    decoder = model.language_model.model
    resident = decoder.get("embed_tokens_per_layer")
    if resident is None:
        raise UsageError(
            "per_layer_table='mapped': this model has no table of per-layer embeddings",
            "E2B and E4B have one",
        )
    decoder.embed_tokens_per_layer = MappedTable(resident, entries)
    model.mapped_tensors = tuple(sorted(entry.name for entry in entries.values()))


def _return_freed_memory() -> None:
    """Give back what reading a large vocabulary has freed: 200 MB that glibc would keep."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _bound_buffer_cache() -> None:
    """Lower the limit; one that is lower already stays (MLX has no way to ask)."""
    before = mx.set_cache_limit(BUFFER_CACHE_BYTES)
    if before < BUFFER_CACHE_BYTES:
        mx.set_cache_limit(before)


def default_dtype() -> mx.Dtype:
    """bf16 on a GPU; float32 on the CPU backend, whose bf16 products are slow and inexact."""
    return mx.bfloat16 if mx.default_device() == mx.gpu else mx.float32


def find_checkpoint(name: str | Path, *, on_progress: OnProgress | None = None) -> Path:
    """The folder of a model: bundled, on this disk, or fetched from the hub.

    Args:
        name: see `load`.
        on_progress: called with the bytes that are on this disk and those that will be; only if
            the hub is asked.

    Raises:
        ModelNotFoundError: there is none.
        CheckpointError: a file came damaged.
    """
    # First, so that a folder that happens to have its name does not hide it; ./pocket is a folder.
    if name == DEMO_MODEL:
        return Path(__file__).with_name(DEMO_MODEL)
    if str(name) and Path(name).is_dir():
        return Path(name)
    if not is_hub_id(name):
        raise ModelNotFoundError(
            f"no model {str(name)!r}: it is neither a folder nor a hub id",
            f"give {DEMO_MODEL!r}, the folder of a checkpoint, or an id like "
            "google/gemma-4-E2B-it; `gemma4 models` lists all",
        )
    from gemma4_mlx.hub import obtain

    return obtain(str(name), on_progress)


def _evaluate_decoder(arrays: Mapping[str, mx.array], on_progress: OnProgress | None) -> None:
    """Read what every turn needs; told are bytes of that."""
    later = tuple(f"{path}." for path in (*VISION, *AUDIO))
    wanted = [array for name, array in arrays.items() if not name.startswith(later)]
    total = sum(array.nbytes for array in wanted)
    evaluate(wanted, None if on_progress is None else lambda done: on_progress(done, total))
