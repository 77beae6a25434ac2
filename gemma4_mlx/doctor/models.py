"""The models on this disk, and whether they fit into this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gemma4_mlx import engine_lock
from gemma4_mlx.byte_sizes import size
from gemma4_mlx.config import ModelConfig
from gemma4_mlx.doctor.finding import Finding, Level
from gemma4_mlx.doctor.machine import machine_of_mlx
from gemma4_mlx.errors import Gemma4Error
from gemma4_mlx.hub import cached_models
from gemma4_mlx.memory import Plan, Verdict, checkpoint_weights, plan_model
from gemma4_mlx.model_name import DEMO_MODEL, is_hub_id

_VERDICTS: dict[Verdict, str] = {
    "fits": "fits",
    "tight": "fits tightly",
    "too big": "is too big",
}


def engine() -> Finding:
    """Who has a large model in memory now."""
    try:
        holder = engine_lock.current_holder()
    except OSError as error:
        return Finding(
            "engine",
            "warning",
            f"no lock keeps two large models apart: {error}",
            f"make {engine_lock.lock_path().parent} a folder that you can write to",
        )
    if holder is None:
        return Finding("engine", "ok", "no large model is in memory", data={"pid": None})
    data = {"pid": holder.pid, "model": holder.model, "since": holder.since.isoformat()}
    return Finding("engine", "info", f"{holder} has a large model in memory", data=data)


def models_found(asked: str | None = None) -> dict[str, Path | None]:
    """Models by name, each with its folder: the bundled one, those of the hub, the one asked for.

    Args:
        asked: a name or folder; its folder is None if it is not on this disk.
    """
    import gemma4_mlx

    found: dict[str, Path | None] = {DEMO_MODEL: Path(gemma4_mlx.__path__[0]) / DEMO_MODEL}
    found |= _hub_models()
    if asked and asked not in found:
        found[asked] = Path(asked) if Path(asked).is_dir() else None
    return found


def model(name: str, folder: Path | None, *, is_asked: bool = False) -> Finding:
    """Whether a model can be read, and fits.

    Args:
        name: to call it by.
        folder: of its checkpoint; None if it is not on this disk.
        is_asked: whether it is the one to be used; then it is an error if it cannot be.
    """
    if folder is None:
        cure = "check the name; gemma4 models lists all"
        if is_hub_id(name):
            cure = f"check the name; gemma4 models get {name} fetches it from the hub"
        return Finding("model", "error", f"{name} is not on this disk", cure, {"name": name})
    weights_bytes = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    data: dict[str, Any] = {"name": name, "folder": str(folder), "weights_bytes": weights_bytes}
    hurts: Level = "error" if is_asked else "warning"
    try:
        plan = _plan(folder)
    except Gemma4Error as error:
        cure = error.hint or "take another model"
        return Finding("model", hurts, f"{name}: {error.message}", cure, data)
    data |= {
        "verdict": plan.verdict,
        "total_bytes": plan.total_bytes,
        "limit_bytes": plan.limit_bytes,
        "context": plan.context,
    }
    sum_in_words = f"{size(plan.total_bytes)} of {size(plan.limit_bytes)}"
    text = f"{name} {_VERDICTS[plan.verdict]}: {sum_in_words}, with {plan.context} tokens"
    if plan.verdict == "too big":
        cure = f"take a smaller one, or fewer bits; gemma4 plan {name} shows the sum"
        return Finding("model", hurts, text, cure, data)
    return Finding("model", "ok" if plan.verdict == "fits" else "info", text, data=data)


def _plan(folder: Path) -> Plan:
    """What a model would take here; nothing but headers is read.

    Raises:
        Gemma4Error: the checkpoint is not whole or not sound.
    """
    config = ModelConfig.from_folder(folder)
    return plan_model(config, checkpoint_weights(folder, config), machine_of_mlx())


def _hub_models() -> dict[str, Path | None]:
    """Gemma 4 in the hub's cache: id -> folder, of the newest version of each."""
    oldest_first = sorted(cached_models(), key=lambda cached: cached.folder.stat().st_mtime)
    return {cached.hub_id: cached.folder for cached in oldest_first}
