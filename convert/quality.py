"""quality.json: what a conversion did to the weights and, where it was measured, to the model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from convert.comparison import Difference, as_json
from gemma4_mlx.errors import CheckpointError
from gemma4_mlx.json_file import read_json_object

FILE_NAME = "quality.json"
FORMAT = 1
WORST = 10
"""How many tensors the card names."""


@dataclass(frozen=True)
class TensorQuality:
    """What became of one packed tensor.

    Attributes:
        packed_as: such as "affine 4 bits, group 64".
        relative_error: root mean square of the difference, in units of that of the tensor.
        rounding_error: the same with plain rounding (`mx.quantize`), where that is another.
        exact_share: share of blocks that were kept to the last bit; None off the Q4_0 lattice.
    """

    packed_as: str
    relative_error: float
    rounding_error: float | None = None
    exact_share: float | None = None


@dataclass(frozen=True)
class Quality:
    """All of quality.json.

    Attributes:
        source: folder or hub id of the checkpoint that was converted.
        revision: of the hub's, where it came from there.
        fingerprint: of its weights; a comparison needs the same.
        recipe: name and version.
        bits_per_weight: of the whole checkpoint.
        bits_per_text_weight: of the decoder's matrices, the embedding tables included.
        source_bytes, weight_bytes: of the weights before and after.
        tensors: by path, packed ones only.
        logits: figures by kind of probe, as `comparison.as_json` writes them; empty if they
            were not measured.
        logits_missing: why they were not; empty if they were.
        probes_version: of the probes they were measured with.
    """

    source: str
    revision: str | None
    fingerprint: str
    recipe: str
    bits_per_weight: float
    bits_per_text_weight: float
    source_bytes: int
    weight_bytes: int
    tensors: Mapping[str, TensorQuality]
    logits: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    logits_missing: str = "it was not asked for."
    probes_version: int | None = None

    @property
    def worst(self) -> list[tuple[str, TensorQuality]]:
        """The tensors with the largest relative errors, worst first."""
        ranked = sorted(self.tensors.items(), key=lambda item: -item[1].relative_error)
        return ranked[:WORST]

    def with_logits(self, differences: Mapping[str, Difference], probes_version: int) -> Quality:
        """The same with measured figures."""
        return replace(
            self,
            logits=as_json(differences),
            logits_missing="",
            probes_version=probes_version,
        )

    def without_logits(self, why: str) -> Quality:
        """The same, saying why nothing was measured."""
        return replace(self, logits={}, logits_missing=why, probes_version=None)

    def write(self, folder: Path) -> None:
        """Write `folder/quality.json`."""
        content = {"format": FORMAT, **asdict(self), "worst": [path for path, _ in self.worst]}
        text = json.dumps(content, indent=2, ensure_ascii=False)
        (folder / FILE_NAME).write_text(f"{text}\n", "utf-8")

    @classmethod
    def read(cls, folder: Path) -> Quality:
        """Read `folder/quality.json`.

        Raises:
            CheckpointError: it is not there, or of another form.
        """
        path = folder / FILE_NAME
        if not path.is_file():
            raise CheckpointError(
                f"{path} does not exist", "only what `gemma4 convert` wrote says what it is from"
            )
        raw: dict[str, Any] = read_json_object(path)
        if raw.pop("format", None) != FORMAT:
            raise CheckpointError(
                f"{path} is of another version, expected format {FORMAT}", "convert again"
            )
        raw.pop("worst", None)
        try:
            tensors = {name: TensorQuality(**item) for name, item in raw.pop("tensors").items()}
            return cls(tensors=tensors, **raw)
        except (KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{path} is damaged: {error}", "convert again") from None
