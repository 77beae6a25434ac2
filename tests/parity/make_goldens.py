"""Ask the reference for the goldens.

Run from the root of the repository, in an environment of its own:

    pip install -r tests/parity/requirements-goldens.txt
    python -m tests.parity.make_goldens            # all checkpoints
    python -m tests.parity.make_goldens --salts    # print salts with clear greedy margins

Reference: transformers 5.23 `Gemma4ForConditionalGeneration`, float32, eager attention, CPU. The
greedy tokens come from whole forward passes without a cache.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import Gemma4ForConditionalGeneration, Gemma4TextConfig
from transformers.models.gemma4 import modeling_gemma4

from tests.parity.cases import GREEDY_TOKENS, Case, cases
from tests.parity.configs import CONFIGS
from tests.parity.golden import FOLDER, path, sample
from tests.parity.recipe import fingerprint, write_checkpoint

CLEAR_MARGIN = 2e-2
"""Each greedy token must lead the second by this much: ten times the allowed error."""

LEAST_CLIPPED = 0.02
"""Share of the values entering or leaving the towers' linears that the bounds must change."""

ROPE_POSITIONS = (0, 1, 700, 8191, 131071)

Model = Gemma4ForConditionalGeneration


def load_reference(checkpoint: str) -> Model:
    """The reference with the recipe's weights; every tensor of it comes from the file."""
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(Path(folder), checkpoint)
        model, info = Model.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
        )
    assert not info["missing_keys"], info["missing_keys"]
    assert not info["mismatched_keys"], info["mismatched_keys"]
    return model.eval()


class Recorder:
    """Keeps the real rows of every stage of one forward pass.

    Attributes:
        stages: stage -> [rows, ...].
    """

    def __init__(self, model: Model, inputs: dict[str, np.ndarray]) -> None:
        self.stages: dict[str, np.ndarray] = {}
        self._inputs = inputs
        self._handles: list[Any] = []
        text = model.model.language_model
        self._listen("norm", text.norm)
        for index, layer in enumerate(text.layers):
            self._listen(f"layer.{index}", layer)
        self._handles.append(text.register_forward_pre_hook(self._embedding, with_kwargs=True))
        has_per_layer_inputs = bool(text.config.hidden_size_per_layer_input)
        self._restore = self._wrap_per_layer_inputs(text) if has_per_layer_inputs else _nothing
        if "pixel_values" in inputs:
            self._listen_to_vision(model.model)
        if "input_features" in inputs:
            self._listen_to_audio(model.model)

    def close(self) -> None:
        """Take the hooks off again."""
        for handle in self._handles:
            handle.remove()
        self._restore()

    def _keep(self, stage: str, value: torch.Tensor, mask: torch.Tensor | None = None) -> None:
        rows = (
            value[mask] if mask is not None else value.flatten(0, 1) if value.dim() > 2 else value
        )
        self.stages[stage] = rows.detach().clone().numpy()

    def _listen(
        self, stage: str, module: torch.nn.Module, mask: torch.Tensor | None = None
    ) -> None:
        def keep(_module: torch.nn.Module, _args: Any, output: Any) -> None:
            value = output[0] if isinstance(output, tuple) else output
            self._keep(stage, value, mask)

        self._handles.append(module.register_forward_hook(keep))

    def _embedding(self, _module: torch.nn.Module, _args: Any, kwargs: dict[str, Any]) -> None:
        self._keep("embedding", kwargs["inputs_embeds"])

    def _wrap_per_layer_inputs(self, text: Any) -> Callable[[], None]:
        original = text.project_per_layer_inputs

        def record(*args: Any, **kwargs: Any) -> torch.Tensor:
            value = original(*args, **kwargs)
            self._keep("per_layer_inputs", value)
            return value

        text.project_per_layer_inputs = record
        return lambda: delattr(text, "project_per_layer_inputs")

    def _listen_to_vision(self, model: Any) -> None:
        real = torch.from_numpy((self._inputs["image_position_ids"] >= 0).all(-1))
        tower = model.vision_tower
        self._listen("vision.patch_embedder", tower.patch_embedder, real)
        for index, layer in enumerate(tower.encoder.layers):
            self._listen(f"vision.layer.{index}", layer, real)
        self._handles.append(
            tower.register_forward_hook(
                lambda _m, _a, output: self._keep("vision.pooled", output.last_hidden_state)
            )
        )
        self._listen("vision.projector", model.embed_vision)

    def _listen_to_audio(self, model: Any) -> None:
        real = torch.from_numpy(self._inputs["input_features_mask"][:, ::2][:, ::2].copy())
        tower = model.audio_tower
        self._listen("audio.subsample", tower.subsample_conv_projection, real)
        for index, layer in enumerate(tower.layers):
            self._listen(f"audio.layer.{index}", layer, real)
        self._listen("audio.output_proj", tower.output_proj, real)
        self._listen("audio.projector", model.embed_audio, real)


def _nothing() -> None:
    """Nothing was wrapped."""


def forward(model: Model, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Logits [L, V] of one pass without a cache."""
    tensors = {
        name: torch.from_numpy(array.astype(np.int64) if array.dtype == np.int32 else array)
        for name, array in inputs.items()
    }
    with torch.no_grad():
        return model(**tensors, use_cache=False).logits[0].numpy()


def greedy(model: Model, inputs: dict[str, np.ndarray]) -> tuple[np.ndarray, float]:
    """The next tokens by argmax, and the smallest lead of a winner over its second."""
    inputs = dict(inputs)
    tokens: list[int] = []
    margin = np.inf
    for _ in range(GREEDY_TOKENS):
        last = forward(model, inputs)[-1]
        second, first = np.sort(last)[-2:]
        margin = min(margin, float(first - second))
        tokens.append(int(last.argmax()))
        for name, value in (("input_ids", tokens[-1]), ("mm_token_type_ids", 0)):
            grown = np.append(inputs[name], np.int32(value))
            inputs[name] = grown[None].astype(np.int32)
    return np.array(tokens, dtype=np.int32), margin


class ClipCounter:
    """Counts how many values the clip bounds of the towers change."""

    def __init__(self) -> None:
        self.seen = self.changed = 0

    def __enter__(self) -> ClipCounter:
        self._original = modeling_gemma4.Gemma4ClippableLinear.forward

        def count(linear: Any, values: torch.Tensor) -> torch.Tensor:
            if not linear.use_clipped_linears:
                return linear.linear(values)
            clipped = values.clamp(linear.input_min, linear.input_max)
            self._add(values, clipped)
            raw = linear.linear(clipped)
            output = raw.clamp(linear.output_min, linear.output_max)
            self._add(raw, output)
            return output

        modeling_gemma4.Gemma4ClippableLinear.forward = count
        return self

    def __exit__(self, *_: object) -> None:
        modeling_gemma4.Gemma4ClippableLinear.forward = self._original

    def _add(self, before: torch.Tensor, after: torch.Tensor) -> None:
        self.seen += before.numel()
        self.changed += int((before != after).sum())


def outputs(model: Model, case: Case) -> dict[str, np.ndarray]:
    """Everything that is kept of one case."""
    inputs = case.inputs()
    recorder = Recorder(model, inputs)
    with ClipCounter() as clips:
        recorder.stages["logits"] = forward(model, inputs)
    recorder.close()
    if clips.seen and model.config.vision_config.use_clipped_linears:
        assert clips.changed > LEAST_CLIPPED * clips.seen, f"{case}: the clip bounds never bite"
    tokens, margin = greedy(model, inputs)
    assert margin > CLEAR_MARGIN, f"{case}: a greedy token leads by {margin} only; run --salts"
    assert len(set(tokens.tolist())) > GREEDY_TOKENS // 3, f"{case}: greedy tokens repeat"
    print(f"{case}: margin {margin:.3f}, clipped {clips.changed / max(clips.seen, 1):.1%}", tokens)
    kept = {stage: sample(stage, rows) for stage, rows in recorder.stages.items()}
    return {**kept, "greedy": tokens}


def rope_tables() -> dict[str, np.ndarray]:
    """Cosines and sines [positions, head_dim] of both layer kinds at the published sizes."""
    rotary = modeling_gemma4.Gemma4TextRotaryEmbedding(Gemma4TextConfig(num_hidden_layers=6))
    tables = {"positions": np.array(ROPE_POSITIONS)}
    for kind in ("full_attention", "sliding_attention"):
        cos, sin = rotary(torch.zeros(1), torch.tensor([ROPE_POSITIONS]), kind)
        tables |= {f"{kind}.cos": cos[0].numpy(), f"{kind}.sin": sin[0].numpy()}
    return tables


def clear_salt(model: Model, case: Case) -> int:
    """The first salt whose greedy tokens all win clearly and vary."""
    for salt in range(1000):
        tokens, margin = greedy(model, dataclasses.replace(case, salt=salt).inputs())
        if margin > 1.5 * CLEAR_MARGIN and len(set(tokens.tolist())) > GREEDY_TOKENS // 3:
            return salt
    raise SystemExit(f"{case}: no salt gives clear greedy tokens")


def main() -> None:
    """Write all goldens, or print salts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--salts", action="store_true", help="print salts, write nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for checkpoint in CONFIGS:
        model = load_reference(checkpoint)
        own = [case for case in cases() if case.checkpoint == checkpoint]
        if arguments.salts:
            print(f'"{checkpoint}":', {case.name: clear_salt(model, case) for case in own})
            continue
        FOLDER.mkdir(exist_ok=True)
        for case in own:
            np.savez_compressed(path(case), **outputs(model, case))
    if not arguments.salts:
        fingerprints = {name: np.array(fingerprint(name)) for name in CONFIGS}
        np.savez_compressed(path("fingerprints"), **fingerprints)
        np.savez_compressed(path("rope"), **rope_tables())


if __name__ == "__main__":
    main()
