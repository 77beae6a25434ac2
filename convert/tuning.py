"""Whether a checkpoint was tuned to hold conversations (its name ends in -it) or is a base model.

Nothing in a checkpoint says so outright, so the signs are read in an order of their own: a chat
template; the name, as published names hold "it" as a word; config.json, where only the tuned ones
stop at the end of a turn. A checkpoint with none of these signs is a base model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gemma4_mlx.config import ModelConfig
from gemma4_mlx.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Tuning:
    """Base or tuned, and the sign that told.

    Attributes:
        holds_conversations: False for a base model.
        sign: what told, in words.
    """

    holds_conversations: bool
    sign: str


def tuning_of(config: ModelConfig, tokenizer: Tokenizer, name: str) -> Tuning:
    """Read the signs.

    Args:
        config: of the checkpoint.
        tokenizer: of the checkpoint.
        name: its hub id or the name of its folder.
    """
    if tokenizer.template is not None:
        return Tuning(True, f"it has a chat template, {Path(tokenizer.template.origin).name}")
    if "it" in re.split(r"[^a-z0-9]+", name.rpartition("/")[2].lower()):
        return Tuning(True, f"its name is {name}")
    if tokenizer.control.eot_token_id in _stop_ids(config):
        return Tuning(True, "eos_token_id in config.json holds the end of a turn")
    return Tuning(False, "it has no chat template, no -it in its name, no end of a turn to stop at")


def checkpoint_name(folder: Path) -> str:
    """The hub id of a folder in the hub's cache, else the folder's own name."""
    folder = folder.resolve()
    for parent in folder.parents:
        kind, _, rest = parent.name.partition("--")
        if kind == "models" and rest:
            return rest.replace("--", "/")
    return folder.name


def _stop_ids(config: ModelConfig) -> set[Any]:
    """Ids in config.json at which generation stops."""
    ids = config.raw.get("eos_token_id")
    return set(ids if isinstance(ids, list) else [ids])
