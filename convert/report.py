"""What a conversion did, and what it did to the model: told, and written beside the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from convert.card import write_card
from convert.files import FileReport
from convert.fingerprint import fingerprint
from convert.measuring import OnMeasured, check_reference, measured
from convert.origin import find_origin
from convert.progress import OnStep, Step
from convert.quality import Quality, TensorQuality
from gemma4_mlx.config import ModelConfig


@dataclass(frozen=True)
class ConversionReport:
    """What was done.

    Attributes:
        dest: the new checkpoint.
        source, revision: where it comes from: a folder, or a hub id with its commit.
        source_folder: where that lies.
        recipe: name and version.
        notes: what the user should know about the choice of the recipe.
        bits_per_weight, bits_per_text_weight: of everything, and of the text's matrices.
        source_bytes, predicted_bytes, written_bytes: of the weights, with the headers.
        tensors: what became of the packed ones, by path.
        dropped: the source's names of tensors that no layer uses.
        files: what became of everything besides the weights.
    """

    dest: Path
    source: str
    revision: str | None
    source_folder: Path
    recipe: str
    notes: tuple[str, ...]
    bits_per_weight: float
    bits_per_text_weight: float
    source_bytes: int
    predicted_bytes: int
    written_bytes: int
    tensors: Mapping[str, TensorQuality]
    dropped: tuple[str, ...]
    files: tuple[FileReport, ...]


def write_quality(folder: Path, report: ConversionReport, *, card: bool, on_step: OnStep) -> None:
    """Write quality.json and the model card.

    Args:
        folder: of the new checkpoint.
        report: of its conversion.
        card: whether to measure it against its source.
        on_step: told about every probe.
    """
    quality = Quality(
        source=report.source,
        revision=report.revision,
        fingerprint=fingerprint(report.source_folder),
        recipe=report.recipe,
        bits_per_weight=report.bits_per_weight,
        bits_per_text_weight=report.bits_per_text_weight,
        source_bytes=report.source_bytes,
        weight_bytes=report.written_bytes,
        tensors=report.tensors,
        logits={},
        logits_missing="it was not asked for.",
    )
    if card:
        quality = measured(quality, folder, report.source_folder, _told(on_step))
    quality.write(folder)
    write_card(folder, quality, ModelConfig.from_folder(folder))


def measure_later(
    folder: str | Path,
    source: str | Path,
    *,
    force: bool = False,
    on_step: OnStep = lambda step: None,
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
    folder = Path(folder)
    quality = Quality.read(folder)
    origin = find_origin(source, quality.revision if "/" in str(source) else None, on_step)
    check_reference(quality, origin.folder, force=force)
    quality = measured(quality, folder, origin.folder, _told(on_step))
    quality.write(folder)
    write_card(folder, quality, ModelConfig.from_folder(folder))
    return quality


def _told(on_step: OnStep) -> OnMeasured:
    return lambda model, done, total: on_step(
        Step("card", detail=f"{model}, {done} of {total} probes")
    )
