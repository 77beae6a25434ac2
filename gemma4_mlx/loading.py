"""From a name or a folder to a model that is ready: the one place where weights are read."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import mlx.core as mx

from gemma4_mlx.checkpoint import read_optional_json, read_tensors
from gemma4_mlx.config import DEMO_MODEL, ModelConfig
from gemma4_mlx.errors import ModelNotFoundError, UsageError
from gemma4_mlx.model import Gemma4
from gemma4_mlx.weights import LoadReport, load_weights, parameters

if TYPE_CHECKING:
    from gemma4_mlx.processing import Processor

PerLayerTable = Literal["auto", "resident", "mapped"]
OnProgress = Callable[[int, int], None]

BUFFER_CACHE_BYTES = 512 * 1024**2
"""The most memory that MLX keeps of buffers nobody uses. A step of decoding and a piece of a
prompt get theirs back out of it. MLX's own limit on Metal is about all memory, so that every
size of prompt ever read would leave its buffers behind."""

_EVALUATED_BYTES = 256 * 1024**2
_CHECKPOINT_FILES = ["*.json", "*.jinja", "model*.safetensors"]


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
        on_progress: called with bytes read so far and in all.

    Raises:
        ModelNotFoundError, CheckpointError: the checkpoint is not there or cannot be read.
    """
    # Not at the top: `load_model` needs neither tokenizer nor image and audio libraries.
    from gemma4_mlx.processing import Processor

    folder = find_checkpoint(name)
    # The small files first: a broken processor must not cost minutes of reading weights.
    processor = Processor.from_folder(folder)
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
        per_layer_table: "resident" keeps the table of per-layer embeddings in memory, and so
            does "auto". "mapped" is not available yet.
        on_progress: see `load`.

    Raises:
        ModelNotFoundError, ConfigError, WeightsError: see `errors`.
    """
    if per_layer_table not in ("auto", "resident"):
        raise UsageError(
            f"per_layer_table={per_layer_table!r}: this version knows 'auto' and 'resident'"
        )
    _bound_buffer_cache()
    folder = Path(folder)
    config = ModelConfig.from_folder(folder)
    model = Gemma4(config, read_optional_json(folder / "generation_config.json"))
    report = load_weights(model, read_tensors(folder), dtype or default_dtype())
    model.unused_tensors = report.dropped
    _evaluate(model, report, on_progress)
    return model


def _bound_buffer_cache() -> None:
    """Lower the limit; one that is lower already stays (MLX has no way to ask)."""
    before = mx.set_cache_limit(BUFFER_CACHE_BYTES)
    if before < BUFFER_CACHE_BYTES:
        mx.set_cache_limit(before)


def default_dtype() -> mx.Dtype:
    """bf16 on a GPU; float32 on the CPU backend, whose bf16 products are slow and inexact."""
    return mx.bfloat16 if mx.default_device() == mx.gpu else mx.float32


def find_checkpoint(name: str | Path) -> Path:
    """The folder of a model: bundled, on this disk, or fetched from the hub.

    Raises:
        ModelNotFoundError: there is none.
    """
    # First, so that a folder that happens to have its name does not hide it; ./pocket is a folder.
    if name == DEMO_MODEL:
        return Path(str(files("gemma4_mlx") / DEMO_MODEL))
    if str(name) and Path(name).is_dir():
        return Path(name)
    parts = str(name).split("/")
    if len(parts) != 2 or not all(parts) or str(name).startswith((".", "~")):
        raise ModelNotFoundError(
            f"no model {str(name)!r}: it is neither a folder nor a hub id",
            f"give {DEMO_MODEL!r}, the folder of a checkpoint, or an id like google/gemma-4-E2B-it",
        )
    return _fetch(str(name))


def _fetch(hub_id: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(hub_id, allow_patterns=_CHECKPOINT_FILES))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelNotFoundError(
            f"{hub_id} is not on this disk and could not be fetched: {reason}",
            "check the name and the network; a gated model needs `hf auth login` first",
        ) from None


def _evaluate(model: Gemma4, report: LoadReport, on_progress: OnProgress | None) -> None:
    """Read the weights, a few hundred megabytes at a time, on this thread."""
    done, batch, batch_bytes = 0, list[mx.array](), 0
    for parameter in parameters(model).values():
        batch.append(parameter)
        batch_bytes += parameter.nbytes
        if batch_bytes >= _EVALUATED_BYTES:
            mx.eval(batch)
            done += batch_bytes
            batch, batch_bytes = [], 0
            if on_progress is not None:
                on_progress(done, report.loaded_bytes)
    mx.eval(batch)
    if on_progress is not None:
        on_progress(report.loaded_bytes, report.loaded_bytes)
