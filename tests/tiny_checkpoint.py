"""A checkpoint folder without weights: everything that the tokenizer and the processor read.

The files are the published ones, except for the tokenizer: of Gemma 4's kind, but tiny and with
other ids, so that nothing can rely on the published numbers.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

from gemma4_mlx.tokenizer import PUBLISHED_NAMES

DATA = Path(__file__).parent / "data"
TEMPLATES = {"small": "chat_template_E2B_E4B.jinja", "big": "chat_template_12B_26B_31B.jinja"}

_TEXT = """user model system thought hello there how are you? \n\n What is this picture? It is a
dog. The quick brown fox jumps over the lazy dog. <b>bold</b> a < b | c > d [1, 2] turn turns
image audio channel tool call response  two  spaces\n - a list\n - of things\n\n\tindented"""


def write_checkpoint(
    folder: Path, *, template: str = "small", sees: bool = True, hears: bool = True
) -> Path:
    """Write config, processor, template and tokenizer files of a checkpoint into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = make_tokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    config = json.loads((DATA / "config_E2B.json").read_text())
    for name in ("image", "audio", "video", "boi", "eoi", "boa", "eoa"):
        config[f"{name}_token_id"] = tokenizer.token_to_id(PUBLISHED_NAMES[f"{name}_token"])
    if not sees:
        config["vision_config"] = None
    if not hears:
        config["audio_config"] = None
    write_json(folder / "config.json", config)
    shutil.copy(DATA / "processor_config.json", folder / "processor_config.json")
    shutil.copy(DATA / "tokenizer_config_E2B.json", folder / "tokenizer_config.json")
    shutil.copy(DATA / TEMPLATES[template], folder / "chat_template.jinja")
    return folder


def make_tokenizer() -> Tokenizer:
    """A BPE with byte fallback whose merges reach across spaces and line breaks."""
    words = models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(words)
    tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    controls = [*PUBLISHED_NAMES.values(), "<mask>", "[multimodal]"]
    byte_tokens = [f"<0x{value:02X}>" for value in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=len(controls) + 256 + 220,
        special_tokens=[*reversed(controls), *byte_tokens],
        show_progress=False,
    )
    tokenizer.train_from_iterator([f"user\n{_TEXT}", f"model\n{_TEXT}"] * 3, trainer)
    final = Tokenizer(tokenizer.model)
    final.normalizer = tokenizer.normalizer
    final.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    final.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    final.add_special_tokens([AddedToken(name, normalized=False) for name in controls])
    return final


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON."""
    path.write_text(json.dumps(value, indent=1))


def edit_json(path: Path, **changes: Any) -> None:
    """Set the top-level fields `changes` of a JSON file; None removes a field."""
    value = json.loads(path.read_text())
    value.update(changes)
    write_json(path, {key: item for key, item in value.items() if item is not None})
