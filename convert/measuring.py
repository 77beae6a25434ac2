"""Measuring a conversion against its source, where this machine can hold both in turn.

What was found is written beside the weights: as quality.json, and as the model card.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import mlx.core as mx

from convert.card import write_card
from convert.comparison import compare_logits, logits_bytes, record_logits
from convert.fingerprint import fingerprint
from convert.origin import find_origin, is_on_hub
from convert.probes import probes_for, probes_version
from convert.progress import OnStep, Step
from convert.quality import Quality
from gemma4_mlx.byte_sizes import exact_size
from gemma4_mlx.config import ModelConfig
from gemma4_mlx.errors import MemoryLimitError, UsageError
from gemma4_mlx.loading import load_model
from gemma4_mlx.processing import Processor

OnMeasured = Callable[[str, int, int], None]
"""Called with "source" or "converted", the probes done, and all."""


def write_quality(folder: Path, quality: Quality, source: Path | None, on_step: OnStep) -> Quality:
    """Write quality.json and the model card of a converted checkpoint.

    Args:
        folder: of the checkpoint.
        quality: of its conversion.
        source: what to measure it against; None to leave that out.
        on_step: told about every probe.

    Returns:
        What was written.
    """
    if source is not None:
        quality = measured(quality, folder, source, _told(on_step))
    quality.write(folder)
    write_card(folder, quality, ModelConfig.from_folder(folder))
    return quality


def measure_later(
    folder: Path, source: str | Path, *, force: bool = False, on_step: OnStep = lambda step: None
) -> Quality:
    """Measure a converted checkpoint against its source, and write its card anew.

    Args:
        folder: what `convert_checkpoint` wrote.
        source: what it was made from: a folder or a hub id.
        force: whether another source may be compared with, too.
        on_step: told about every probe.

    Raises:
        UsageError: it was made from another source.
        CheckpointError: it was not made by this program.
    """
    quality = Quality.read(folder)
    origin = find_origin(source, quality.revision if is_on_hub(source) else None, on_step)
    check_reference(quality, origin.folder, force=force)
    return write_quality(folder, quality, origin.folder, on_step)


def measured(
    quality: Quality,
    folder: Path,
    source: Path,
    on_progress: OnMeasured = lambda model, done, total: None,
) -> Quality:
    """`quality` with the figures of the logits, or with the reason why there are none.

    The models are loaded one after the other; the reference's logits lie in a temporary folder
    beside `folder` in between.

    Args:
        quality: of the conversion.
        folder: the converted checkpoint.
        source: the checkpoint it was converted from.
        on_progress: told about every probe.
    """
    processor = Processor.from_folder(folder)
    probes = probes_for(processor)
    vocab_size = ModelConfig.from_folder(folder).text_config.vocab_size
    needed = logits_bytes(processor, probes, vocab_size)
    free = shutil.disk_usage(folder.parent).free
    if free < needed:
        return quality.without_logits(
            f"the reference's logits need {exact_size(needed)} of disk, "
            f"{exact_size(free)} are free."
        )
    with tempfile.TemporaryDirectory(prefix=".logits-", dir=folder.parent) as scratch:
        try:
            model = load_model(source)
            record_logits(
                model, processor, probes, Path(scratch), lambda *at: on_progress("source", *at)
            )
            del model
            mx.clear_cache()
            found = compare_logits(
                load_model(folder),
                processor,
                probes,
                Path(scratch),
                lambda *at: on_progress("converted", *at),
            )
        except MemoryLimitError as error:
            return quality.without_logits(f"{error.message}.")
    return quality.with_logits(found, probes_version())


def check_reference(quality: Quality, source: Path, *, force: bool = False) -> None:
    """Raise unless `source` is what the checkpoint was converted from.

    A comparison with another base says nothing about the conversion: that of quantization-aware
    training, for one, differs from the ordinary model before anything is packed.

    Raises:
        UsageError: it is not, and `force` is not given.
    """
    found = fingerprint(source)
    if found != quality.fingerprint and not force:
        raise UsageError(
            f"{source} has the fingerprint {found}, but the checkpoint was converted from "
            f"{quality.source} with {quality.fingerprint}",
            "name the source it was made from, or give --force to compare all the same",
        )


def _told(on_step: OnStep) -> OnMeasured:
    return lambda model, done, total: on_step(
        Step("card", detail=f"{model}, {done} of {total} probes")
    )
