"""A checkpoint folder without weights: everything that the tokenizer and the processor read.

The files are the published ones, except for the tokenizer: of Gemma 4's kind, but tiny and with
other ids, so that nothing can rely on the published numbers.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from gemma4_mlx.config.model import MEDIA_MARKERS
from gemma4_mlx.tokenizer import PUBLISHED_NAMES

DATA = Path(__file__).parent / "data"
PUBLISHED = Path(__file__).parents[1] / "convert" / "defaults"
TEMPLATES = {size: PUBLISHED / f"chat_template_{size}.jinja" for size in ("small", "big")}


def write_checkpoint(
    folder: Path, *, template: str = "small", sees: bool = True, hears: bool = True
) -> Path:
    """Write config, processor, template and tokenizer files of a checkpoint into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(DATA / "tokenizer.json", folder)
    shutil.copy(PUBLISHED / "tokenizer_config.json", folder)
    shutil.copy(PUBLISHED / "processor_config.json", folder)
    shutil.copy(TEMPLATES[template], folder / "chat_template.jinja")
    shutil.copy(DATA / "configs" / "gemma-4-E2B-it.config.json", folder / "config.json")
    edit_json(folder / "config.json", **_media_ids(folder / "tokenizer.json"))
    if not sees:
        edit_json(folder / "config.json", vision_config=None)
    if not hears:
        edit_json(folder / "config.json", audio_config=None)
    return folder


def edit_json(path: Path, **changes: Any) -> None:
    """Set top-level fields of a JSON file; None removes a field."""
    value = json.loads(path.read_text())
    value.update(changes)
    path.write_text(json.dumps({key: item for key, item in value.items() if item is not None}))


def _media_ids(tokenizer_path: Path) -> dict[str, int]:
    added = json.loads(tokenizer_path.read_text())["added_tokens"]
    ids = {token["content"]: token["id"] for token in added}
    keys = [f"{name}_token" for name in MEDIA_MARKERS]
    return {f"{key}_id": ids[PUBLISHED_NAMES[key]] for key in keys}
