"""The model card: README.md of a converted checkpoint, from what quality.json holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from convert.comparison import EVERY_KIND
from convert.quality import FILE_NAME, Quality
from gemma4_mlx.byte_sizes import exact_size
from gemma4_mlx.config import ModelConfig
from gemma4_mlx.model_name import is_hub_id

CARD_NAME = "README.md"


def write_card(folder: Path, quality: Quality, config: ModelConfig) -> None:
    """Write `folder/README.md`; `config` is that of the checkpoint."""
    lines = [*_head(quality, config), *_weights(quality), *_logits(quality), *_use(folder)]
    (folder / CARD_NAME).write_text("\n".join(lines) + "\n", "utf-8")


def _head(quality: Quality, config: ModelConfig) -> Iterator[str]:
    tags = [("vision", config.vision_config), ("audio", config.audio_config)]
    revision = f" (revision {quality.revision})" if quality.revision else ""
    yield from ("---", "library_name: mlx", "license: apache-2.0")
    if is_hub_id(quality.source):
        yield f"base_model: {quality.source}"
    yield "pipeline_tag: any-to-any" if config.audio_config else "pipeline_tag: image-text-to-text"
    yield "tags: [" + ", ".join(["mlx", "gemma4", *[tag for tag, has in tags if has]]) + "]"
    yield from ("---", "", f"# {quality.source.rstrip('/').split('/')[-1]} in MLX", "")
    yield f"Converted by gemma4-mlx from `{quality.source}`{revision} with the recipe"
    yield f"`{quality.recipe}`. Towers, projectors, norms and scalars are as they were, unless the"
    yield "recipe says otherwise. The licence is that of the source: see LICENSE or its page."
    yield ""


def _weights(quality: Quality) -> Iterator[str]:
    saved = 1 - quality.weight_bytes / quality.source_bytes if quality.source_bytes else 0.0
    yield from ("## Weights", "", "| | |", "|---|--:|")
    yield f"| size | {exact_size(quality.weight_bytes)} |"
    yield f"| size of the source | {exact_size(quality.source_bytes)} ({saved:.0%} saved) |"
    yield f"| bits per weight, all | {quality.bits_per_weight:.2f} |"
    yield f"| bits per weight, text | {quality.bits_per_text_weight:.2f} |"
    yield f"| fingerprint of the source | `{quality.fingerprint}` |"
    yield ""
    if not quality.tensors:
        yield from ("Nothing is packed: the weights are those of the source.", "")
        return
    yield "Tensors with the largest errors (root mean square of the difference over that of the"
    yield f"tensor; all {len(quality.tensors)} are in {FILE_NAME}):"
    yield from ("", "| tensor | packed as | error | by plain rounding |", "|---|---|--:|--:|")
    for path, tensor in quality.worst:
        rounding = "same" if tensor.rounding_error is None else f"{tensor.rounding_error:.4f}"
        yield f"| `{path}` | {tensor.packed_as} | {tensor.relative_error:.4f} | {rounding} |"
    yield ""
    yield from _gain(quality)


def _gain(quality: Quality) -> Iterator[str]:
    """What the search for better scales and the exact lattice brought."""
    pairs = [
        (tensor.relative_error, tensor.rounding_error)
        for tensor in quality.tensors.values()
        if tensor.rounding_error
    ]
    if pairs:
        share = sum(found / rounded for found, rounded in pairs) / len(pairs)
        yield f"Scales and biases are searched for: on average the error is {share:.3f} of that of"
        yield "plain rounding at the same size and in the same format."
        yield ""
    exact = [
        tensor.exact_share for tensor in quality.tensors.values() if tensor.exact_share is not None
    ]
    if exact:
        yield f"{len(exact)} tensors stood on the Q4_0 lattice; of their blocks {min(exact):.2%} or"
        yield "more are kept exactly."
        yield ""


def _logits(quality: Quality) -> Iterator[str]:
    yield from ("## Against its source", "")
    if not quality.logits:
        yield f"Not measured: {quality.logits_missing}"
        yield "Later: `gemma4 convert --card-only FOLDER --against SOURCE`."
        yield ""
        return
    yield f"Next-word probabilities against `{quality.source}`, over the given answers of the"
    yield f"bundled probes (version {quality.probes_version}):"
    yield ""
    yield "| probes | words | mean KLD | 99th percentile | same first choice | perplexity ratio |"
    yield "|---|--:|--:|--:|--:|--:|"
    for kind, figures in sorted(quality.logits.items(), key=lambda item: item[0] != EVERY_KIND):
        yield _row(kind, figures)
    yield ""


def _row(kind: str, figures: Mapping[str, float]) -> str:
    return (
        f"| {kind} | {figures['positions']} | {figures['mean_kld']:.4f} | "
        f"{figures['p99_kld']:.4f} | {figures['top1_agreement']:.1%} | "
        f"{figures['perplexity_ratio']:.4f} |"
    )


def _use(folder: Path) -> Iterator[str]:
    yield from ("## Use", "", "```", f"gemma4 chat -m {folder.name}", "```", "")
    yield "mlx-lm, mlx-vlm and LM Studio load this folder, too."
