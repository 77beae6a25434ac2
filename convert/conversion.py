"""A whole conversion: from a checkpoint in Hugging Face's layout to one that MLX programs load.

Whatever is wrong with the source is found before a byte is written, and every tensor is read back
before the result gets its name.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import mlx.core as mx

import gemma4_mlx
from convert.calibration import mean_squared_inputs, text_windows
from convert.choice import Choice, choose, lattice_paths
from convert.config_file import write_config
from convert.files import FileReport, put_files
from convert.fingerprint import fingerprint
from convert.job import Job
from convert.lattice import repack
from convert.measuring import write_quality
from convert.origin import Origin, find_origin
from convert.packed import Packed
from convert.packer import PackRows
from convert.plan import Item, Plan, plan_files
from convert.progress import OnStep, Step
from convert.quality import Quality
from convert.rounding import pack_rows
from convert.scan import check_finite, find_lattice
from convert.source import Source
from convert.tensors import TensorWork
from gemma4_mlx.byte_sizes import exact_size
from gemma4_mlx.config import PER_LAYER_TABLE
from gemma4_mlx.errors import ConversionError, UsageError
from gemma4_mlx.loading import load_model
from gemma4_mlx.processing import Processor
from gemma4_mlx.recipes import Recipe, bits_per_weight, quantization_block
from gemma4_mlx.weight_file import INDEX_NAME

_SPARE_BYTES = 64 * 1024**2  # of disk, for everything besides the weights
_BUFFER_CACHE_BYTES = 64 * 1024**2


@dataclass(frozen=True)
class Settings:
    """How to convert.

    Attributes:
        recipe: None takes the one that fits the source.
        revision: of the hub's checkpoint; None for the newest.
        search: whether scales and biases are searched for, or taken from `mx.quantize`; takes
            two to three times as long.
        calibration: a text by which a search is told which weights matter most; None takes all
            alike.
        card: whether the result is measured against its source, where both fit into memory.
        force: whether what another command left unfinished at DEST may be thrown away.
    """

    recipe: Recipe | None = None
    revision: str | None = None
    search: bool = False
    calibration: Path | None = None
    card: bool = True
    force: bool = False


@dataclass(frozen=True)
class ConversionReport:
    """What was done.

    Attributes:
        dest: the new checkpoint.
        quality: what was done to the weights and, where it was measured, to the model.
        notes: what the user should know about the choice of the recipe.
        dropped: the source's names of tensors that no layer uses.
        files: what became of everything besides the weights.
    """

    dest: Path
    quality: Quality
    notes: tuple[str, ...]
    dropped: tuple[str, ...]
    files: tuple[FileReport, ...]


def convert_checkpoint(
    source: str | Path,
    dest: str | Path,
    settings: Settings | None = None,
    *,
    on_step: OnStep = lambda step: None,
) -> ConversionReport:
    """Convert a checkpoint.

    Args:
        source: a folder, a hub id, or "pocket".
        dest: a folder that does not exist.
        settings: how; None for the defaults.
        on_step: told what was done, from several threads, one at a time.

    Returns:
        What was done. `dest` is complete.

    Raises:
        UsageError: `dest` exists, the recipe does not fit the source, or the calibration is no
            text.
        ModelNotFoundError, CheckpointError: the source is not there, damaged, packed already, or
            holds values that are no numbers.
        ConversionError: the disk is full, or another run is at it; what is done is kept, and the
            same call goes on from there.
    """
    settings = settings or Settings()
    calibration = _text(settings.calibration)
    with Job(Path(dest)) as job, _small_buffer_cache():
        origin = find_origin(source, settings.revision, on_step)
        opened = Source(origin.folder)
        lattice = find_lattice(opened, lattice_paths(opened.config))
        choice = choose(settings.recipe, lattice, opened.config)
        plan = plan_files(opened.tensors.values(), choice.formats)
        _announce(opened, choice, plan, on_step)
        _check_space(job, plan)
        check_finite(opened, on_step)
        job.start(_identity(opened, choice, settings, calibration), force=settings.force)
        files = put_files(origin.folder, job.folder, hub_id=origin.hub_id)
        _write_config(job.folder, origin, opened, choice)
        on_step(Step("files", detail=f"{len(files)} files"))
        work = TensorWork(opened, plan, job, on_step)
        work.run(_packing(choice, settings, calibration, origin.folder), choice.exact_shares)
        if plan.index is not None:
            (job.folder / INDEX_NAME).write_text(plan.index)
        quality = _quality(job, origin, opened, choice)
        reference = origin.folder if settings.card else None
        quality = write_quality(job.folder, quality, reference, on_step)
        job.publish()
    on_step(Step("done", quality.weight_bytes, quality.weight_bytes, str(job.dest)))
    return ConversionReport(job.dest, quality, choice.notes, opened.dropped, tuple(files))


def _text(path: Path | None) -> str | None:
    """What a calibration text says."""
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not text in UTF-8") from None
    if not text.strip():
        raise UsageError(f"{path} is empty", "give a text as the model will be used for")
    return text


def _announce(source: Source, choice: Choice, plan: Plan, on_step: OnStep) -> None:
    """Say what will be done, before hours are spent on it."""
    bits = bits_per_weight(source.config, choice.formats)
    text_bits = bits_per_weight(source.config, choice.formats, text_only=True)
    detail = (
        f"{choice.recipe}: {bits:.2f} bits per weight ({text_bits:.2f} in the text part), "
        f"{exact_size(plan.total_bytes)}"
    )
    on_step(Step("plan", total_bytes=plan.total_bytes, detail=detail))
    for note in choice.notes:
        on_step(Step("note", detail=note))
    if source.dropped:
        on_step(
            Step("note", detail=f"{len(source.dropped)} tensors that no layer uses are left out")
        )


def _check_space(job: Job, plan: Plan) -> None:
    """Raise unless there is room for what is still to be written."""
    free = shutil.disk_usage(job.folder.parent).free + job.occupied_bytes
    needed = plan.total_bytes + _SPARE_BYTES
    if free < needed:
        raise ConversionError(
            f"{job.dest} needs {exact_size(needed)} of disk, {exact_size(free)} are free",
            "make room, or choose a DEST on another disk",
        )


def _packing(choice: Choice, settings: Settings, calibration: str | None, folder: Path) -> PackRows:
    """How the rows of each tensor are packed."""
    importance = {} if calibration is None else _importance(calibration, folder)

    def pack(item: Item, rows: mx.array) -> Packed:
        path = item.tensor.path
        if path in choice.exact_shares:
            return repack(rows)
        assert item.packed is not None
        # The table is looked up, not multiplied: what a search gains there is not worth its time.
        searched = settings.search and path != PER_LAYER_TABLE
        return pack_rows(rows, item.packed, importance=importance.get(path), search=searched)

    return pack


def _importance(text: str, folder: Path) -> Mapping[str, mx.array]:
    """How much each column of the source's weights matters for a text; the model is loaded."""
    windows = text_windows(Processor.from_folder(folder).tokenizer, text)
    found = mean_squared_inputs(load_model(folder), windows)
    mx.clear_cache()
    return found


def _identity(
    source: Source, choice: Choice, settings: Settings, calibration: str | None
) -> dict[str, Any]:
    """What makes a run the same as another; plain JSON."""
    return {
        "version": gemma4_mlx.__version__,
        "source": source.identity(),
        "recipe": choice.recipe,
        "formats": {path: str(packed) for path, packed in choice.formats.items()},
        "search": settings.search,
        "calibration": calibration and sha256(calibration.encode()).hexdigest(),
    }


def _write_config(folder: Path, origin: Origin, source: Source, choice: Choice) -> None:
    write_config(
        origin.folder,
        folder,
        quantization=quantization_block(source.config, choice.formats),
        provenance={
            "source": origin.name,
            "revision": origin.revision,
            "recipe": choice.recipe,
            "version": gemma4_mlx.__version__,
        },
    )


def _quality(job: Job, origin: Origin, source: Source, choice: Choice) -> Quality:
    """What was done to the weights; all of them are written."""
    tensors = {name.removesuffix(".weight"): done.quality for name, done in job.finished.items()}
    return Quality(
        source=origin.name,
        revision=origin.revision,
        fingerprint=fingerprint(origin.folder),
        recipe=choice.recipe,
        bits_per_weight=bits_per_weight(source.config, choice.formats),
        bits_per_text_weight=bits_per_weight(source.config, choice.formats, text_only=True),
        source_bytes=sum(tensor.nbytes for tensor in source.tensors.values()),
        weight_bytes=sum(path.stat().st_size for path in job.folder.glob("model*.safetensors*")),
        tensors={path: quality for path in choice.formats if (quality := tensors[path])},
    )


@contextmanager
def _small_buffer_cache() -> Iterator[None]:
    """Have MLX keep few buffers that nobody uses."""
    before = mx.set_cache_limit(_BUFFER_CACHE_BYTES)
    try:
        yield
    finally:
        mx.set_cache_limit(before)
        mx.clear_cache()
