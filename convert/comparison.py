"""Two models on the same words: how far one's probabilities are from the other's.

The models are never in memory together: the first leaves its logits on disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx
import numpy as np

from convert.probes import KINDS, Probe
from gemma4_mlx.inputs import ModelInputs
from gemma4_mlx.model import Gemma4
from gemma4_mlx.prefill import prefill
from gemma4_mlx.processing import Processor

OnProbe = Callable[[int, int], None]
"""Called with the probes done and all."""

EVERY_KIND = "all"


@dataclass(frozen=True)
class Difference:
    """How far a model's probabilities are from the reference's, over the words of some answers.

    Attributes:
        positions: how many next words were compared.
        mean_kld: Kullback-Leibler divergence of the model from the reference, in nats, mean.
        p99_kld: the same, 99th percentile over the positions.
        top1_agreement: share of positions where both think the same word most likely.
        perplexity: of the model on the answers.
        reference_perplexity: of the reference on the answers.
    """

    positions: int
    mean_kld: float
    p99_kld: float
    top1_agreement: float
    perplexity: float
    reference_perplexity: float

    @property
    def perplexity_ratio(self) -> float:
        """The model's perplexity in units of the reference's; 1 if nothing was lost."""
        return self.perplexity / self.reference_perplexity


def record_logits(
    model: Gemma4,
    processor: Processor,
    probes: Sequence[Probe],
    folder: Path,
    on_probe: OnProbe = lambda done, total: None,
) -> None:
    """Write the logits of every answer to `folder`, a float32 file [A, V] for each probe."""
    for done, probe in enumerate(probes, start=1):
        logits, _ = answer_logits(model, processor, probe)
        np.save(_path(folder, probe), np.array(logits))
        on_probe(done, len(probes))


def compare_logits(
    model: Gemma4,
    processor: Processor,
    probes: Sequence[Probe],
    folder: Path,
    on_probe: OnProbe = lambda done, total: None,
) -> dict[str, Difference]:
    """Compare a model with the one that wrote `folder`.

    Returns:
        By kind of probe, and under "all".
    """
    columns: dict[str, list[np.ndarray]] = {}
    for done, probe in enumerate(probes, start=1):
        logits, ids = answer_logits(model, processor, probe)
        reference = mx.array(np.load(_path(folder, probe)))
        columns.setdefault(probe.kind, []).append(_columns(reference, logits, ids))
        on_probe(done, len(probes))
    kinds = {kind: np.concatenate(columns[kind]) for kind in KINDS if kind in columns}
    return {
        EVERY_KIND: _difference(np.concatenate(list(kinds.values()))),
        **{kind: _difference(rows) for kind, rows in kinds.items()},
    }


def answer_logits(model: Gemma4, processor: Processor, probe: Probe) -> tuple[mx.array, np.ndarray]:
    """What the model expects at each word of the answer.

    Returns:
        Logits float32 [A, V], evaluated, and the answer's ids, int [A].
    """
    ids = np.asarray(processor.tokenizer.encode(probe.answer), np.int32)
    cache = model.make_cache()
    rows = [_last(prefill(model, _prompt(processor, probe), cache))]
    if len(ids) > 1:
        rows.append(model(ids[None, :-1], cache=cache)[0])
    logits = mx.concatenate(rows)
    mx.eval(logits)
    return logits, ids


def as_json(differences: Mapping[str, Difference]) -> dict[str, dict[str, float]]:
    """The figures by kind, as quality.json holds them."""
    return {
        kind: {
            "positions": found.positions,
            "mean_kld": round(found.mean_kld, 6),
            "p99_kld": round(found.p99_kld, 6),
            "top1_agreement": round(found.top1_agreement, 4),
            "perplexity": round(found.perplexity, 4),
            "reference_perplexity": round(found.reference_perplexity, 4),
            "perplexity_ratio": round(found.perplexity_ratio, 4),
        }
        for kind, found in differences.items()
    }


def _prompt(processor: Processor, probe: Probe) -> ModelInputs:
    tokenizer = processor.tokenizer
    if tokenizer.template is not None:
        return processor(probe.messages)
    ids = [tokenizer.control.bos_token_id, *tokenizer.encode(f"{probe.question}\n")]
    input_ids = np.asarray([ids], np.int32)
    return ModelInputs(input_ids=input_ids, mm_token_type_ids=np.zeros_like(input_ids))


def _last(steps: Iterator[object]) -> mx.array:
    """The result of a generator whose progress is of no interest."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def _columns(reference: mx.array, logits: mx.array, ids: np.ndarray) -> np.ndarray:
    """Per word [A, 4]: divergence, whether the first choices agree, and both log-probabilities."""
    expected = reference - mx.logsumexp(reference, axis=-1, keepdims=True)
    found = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
    divergence = (mx.exp(expected) * (expected - found)).sum(axis=-1)
    agree = reference.argmax(axis=-1) == logits.argmax(axis=-1)
    chosen = mx.array(ids)[:, None]
    likely = [mx.take_along_axis(table, chosen, axis=-1)[:, 0] for table in (found, expected)]
    # Rounding can bring a divergence of nothing below nothing.
    columns = mx.stack([mx.maximum(divergence, 0), agree.astype(mx.float32), *likely], axis=-1)
    return np.array(columns).astype(np.float64)


def _difference(rows: np.ndarray) -> Difference:
    divergence, agree, likely, reference_likely = rows.T
    return Difference(
        positions=len(rows),
        mean_kld=float(divergence.mean()),
        p99_kld=float(np.percentile(divergence, 99)),
        top1_agreement=float(agree.mean()),
        perplexity=float(np.exp(-likely.mean())),
        reference_perplexity=float(np.exp(-reference_likely.mean())),
    )


def _path(folder: Path, probe: Probe) -> Path:
    return folder / f"{probe.kind}-{probe.name}.npy"


def logits_bytes(processor: Processor, probes: Iterable[Probe], vocab_size: int) -> int:
    """Bytes that `record_logits` writes."""
    words = sum(len(processor.tokenizer.encode(probe.answer)) for probe in probes)
    return 4 * words * vocab_size
