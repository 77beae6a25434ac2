"""Files that a source folder lacks, made from the published ones and from what the source says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from gemma4_mlx.config import ModelConfig
from gemma4_mlx.processing import Processor
from gemma4_mlx.tokenizer import ControlIds


def chat_template(config: ModelConfig) -> str:
    """The published template of the model's family.

    The big models expect an empty thought where thinking is off, the small ones (those with
    per-layer embeddings) must not get one.
    """
    return _default(f"chat_template_{'small' if is_small(config) else 'big'}.jinja")


def is_small(config: ModelConfig) -> bool:
    """Whether the model is of the family of E2B and E4B."""
    return config.text_config.hidden_size_per_layer_input > 0


def tokenizer_config() -> dict[str, Any]:
    """The published names of the control tokens."""
    return json.loads(_default("tokenizer_config.json"))


def generation_config(control: ControlIds, *, holds_conversations: bool) -> dict[str, Any]:
    """The published sampling, with the ids of this tokenizer; a base model stops at eos alone."""
    stop_ids = [control.eos_token_id]
    if holds_conversations:
        stop_ids += [control.eot_token_id, control.str_token_id]
    return {
        **json.loads(_default("generation_config.json")),
        "bos_token_id": control.bos_token_id,
        "eos_token_id": stop_ids,
        "pad_token_id": control.pad_token_id,
    }


def processor_config(given: Mapping[str, Any], processor: Processor) -> dict[str, Any]:
    """processor_config.json with the sections that it lacks.

    Args:
        given: what the source's file holds; empty if there is none.
        processor: read from the source; its numbers win over the published ones.
    """
    whole = json.loads(_default("processor_config.json"))
    if processor.images is not None:
        whole["image_processor"] |= asdict(processor.images)
        for part in (whole, whole["image_processor"]):
            part["image_seq_length"] = processor.images.max_soft_tokens
        for name in ("patch_size", "pooling_kernel_size"):
            whole["video_processor"][name] = getattr(processor.images, name)
    if processor.audio is not None:
        whole["feature_extractor"] |= asdict(processor.audio)
    return {**whole, **{name: value for name, value in given.items() if value not in (None, {})}}


def _default(name: str) -> str:
    return (files("convert") / "defaults" / name).read_text(encoding="utf-8")
