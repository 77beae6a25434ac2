"""Everything in a checkpoint's folder besides its weights and config.json.

Each file is copied, after it was read the way a loader reads it; or made anew from published
defaults where it is missing; or known to be missing. All of it is told. What other programs need:
mlx-lm and mlx-vlm take the tokenizer from tokenizer.json with tokenizer_config.json, the template
from chat_template.jinja, stop ids from generation_config.json; mlx-vlm takes pictures, clips and
video from processor_config.json.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from convert import synthesis
from convert.tuning import Tuning, checkpoint_name, tuning_of
from gemma4_mlx.config import ModelConfig
from gemma4_mlx.config.model import MEDIA_MARKERS
from gemma4_mlx.errors import ConfigError, TokenizerError
from gemma4_mlx.json_file import read_json_object
from gemma4_mlx.processing import Processor
from gemma4_mlx.processing.settings import audio_settings, image_settings, video_settings
from gemma4_mlx.sampling import SamplingParams
from gemma4_mlx.tokenizer import Tokenizer
from gemma4_mlx.weight_file import INDEX_NAME

How = Literal["copied", "synthesised", "absent", "left out"]

_PLAIN_COPIES = ("special_tokens_map.json", "added_tokens.json", "preprocessor_config.json")
_LICENCES = ("LICENSE*", "LICENCE*", "NOTICE*")
_OPEN_THOUGHT = "<|channel>"
# What the weights' writer and the model card's make themselves.
_MADE_ELSEWHERE = ("config.json", "model*.safetensors", INDEX_NAME)
_LEFT_OUT: Mapping[str, str] = {
    "README.md": "the result gets a model card of its own",
    "chat_template.json": "chat_template.jinja says it, so that no two programs read two templates",
}


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of one file.

    Attributes:
        name: of the file, or of a folder, with a slash at its end.
        how: "copied", byte by byte; "synthesised", made anew, at least in part; "absent", missed
            in the source and not made; "left out", in the source but not in the result.
        why: in words; empty where there is nothing to say.
    """

    name: str
    how: How
    why: str = ""


_NO_LICENCE = FileReport(
    "LICENSE", "absent", "the source has none; published Gemma 4 weights are under Apache-2.0"
)


def put_files(source: Path, dest: Path, *, hub_id: str = "") -> list[FileReport]:
    """Fill `dest` with what `source` has beside its weights, and with what it should have.

    All files of the source are read first, so whatever is wrong with them is told before anything
    is written. The result is read back.

    Args:
        source: folder of a checkpoint.
        dest: an existing folder.
        hub_id: where the source comes from, if that is known; its name helps to tell a base model.

    Raises:
        ModelNotFoundError: there is no source, or no config.json in it.
        ConfigError, TokenizerError: a file is missing that cannot be made (tokenizer.json), is
            broken, or belongs to another checkpoint.
    """
    given = _Source.read(source, hub_id)
    plan = _plan(given)
    for planned in plan:
        planned.write(dest)
    _read_back(dest, given.config)
    reports = [planned.report for planned in plan]
    return [*reports, *_left_out(source, {report.name for report in reports})]


@dataclass(frozen=True)
class _Planned:
    """A file of the result: what will be told of it, and a file to copy, text, or nothing."""

    report: FileReport
    content: Path | str | None = None

    def write(self, dest: Path) -> None:
        path = dest / self.report.name
        if isinstance(self.content, Path):
            # The bytes alone: a source may be read-only, the result must not be.
            shutil.copyfile(self.content, path)
        elif self.content is not None:
            path.write_text(self.content, encoding="utf-8")


@dataclass(frozen=True)
class _Source:
    """The folder a conversion starts from, read."""

    folder: Path
    config: ModelConfig
    processor: Processor
    tuning: Tuning

    @classmethod
    def read(cls, folder: Path, hub_id: str) -> _Source:
        config = ModelConfig.from_folder(folder)
        processor = Processor.from_folder(folder)
        _check_vocabulary(processor.tokenizer, config, folder)
        name = hub_id or checkpoint_name(folder)
        return cls(folder, config, processor, tuning_of(config, processor.tokenizer, name))

    def json(self, name: str) -> dict[str, Any]:
        """A JSON file; empty where there is none."""
        path = self.folder / name
        return read_json_object(path, ConfigError) if path.is_file() else {}


def _plan(given: _Source) -> list[_Planned]:
    """What will be written, with everything that is wrong with it found."""
    copies = [*(name for name in _PLAIN_COPIES if given.json(name)), *_licences(given.folder)]
    return [
        _copy(given, "tokenizer.json"),
        _tokenizer_config(given),
        _template(given),
        _processor_config(given),
        _generation_config(given),
        *(_copy(given, name) for name in copies),
        *([] if _licences(given.folder) else [_Planned(_NO_LICENCE)]),
    ]


def _tokenizer_config(given: _Source) -> _Planned:
    name = "tokenizer_config.json"
    if (given.folder / name).is_file():
        return _copy(given, name)
    content = synthesis.tokenizer_config()
    return _make(name, content, "the published names of the control tokens")


def _template(given: _Source) -> _Planned:
    name = "chat_template.jinja"
    template = given.processor.tokenizer.template
    if template is not None:
        origin, notes = Path(template.origin).name, _notes_on_template(given)
        if origin == name:
            return _copy(given, name, notes)
        why = "; ".join([f"taken out of {origin}", *notes])
        return _Planned(FileReport(name, "copied", why), template.source)
    sign = given.tuning.sign
    if not given.tuning.holds_conversations:
        return _Planned(FileReport(name, "absent", f"this is a base model: {sign}"))
    family = "E2B and E4B" if synthesis.is_small(given.config) else "26B-A4B and 31B"
    why = f"the published one of {family}, because {sign}"
    return _make(name, synthesis.chat_template(given.config), why)


def _processor_config(given: _Source) -> _Planned:
    name = "processor_config.json"
    sees, hears = given.processor.sees, given.processor.hears
    wanted = {"image_processor": sees, "video_processor": sees, "feature_extractor": hears}
    ours = given.json(name)
    missing = [section for section, needed in wanted.items() if needed and not ours.get(section)]
    if ours and not missing:
        return _copy(given, name)
    why = "published values, with the numbers of config.json"
    if ours:
        why = f"copied, with what it lacked: {', '.join(missing)}"
    return _make(name, synthesis.processor_config(ours, given.processor), why)


def _generation_config(given: _Source) -> _Planned:
    name = "generation_config.json"
    tuned, control = given.tuning.holds_conversations, given.processor.tokenizer.control
    if not (given.folder / name).is_file():
        content = synthesis.generation_config(control, holds_conversations=tuned)
        return _make(name, content, "published sampling, and the ids of this tokenizer")
    ours, notes = given.json(name), []
    SamplingParams.from_generation_config(ours)
    if tuned and control.eot_token_id not in _stop_ids(ours, given):
        notes = [f"eos_token_id lacks {control.eot_token_id}, the end of a turn"]
    return _copy(given, name, notes)


def _copy(given: _Source, name: str, notes: Iterable[str] = ()) -> _Planned:
    return _Planned(FileReport(name, "copied", "; ".join(notes)), given.folder / name)


def _make(name: str, content: str | Mapping[str, Any], why: str) -> _Planned:
    if isinstance(content, Mapping):
        content = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    return _Planned(FileReport(name, "synthesised", why), content)


def _stop_ids(generation_config: Mapping[str, Any], given: _Source) -> set[int]:
    """The eos ids, checked."""
    ids = generation_config.get("eos_token_id")
    ids = ids if isinstance(ids, list) else [ids] if ids is not None else []
    size = given.config.text_config.vocab_size
    for token_id in ids:
        if type(token_id) is not int or not 0 <= token_id < size:
            raise ConfigError(
                f"{given.folder / 'generation_config.json'}: eos_token_id holds {token_id!r}, "
                f"expected token ids from 0 to {size - 1}",
                "the file belongs to another checkpoint",
            )
    return set(ids)


def _notes_on_template(given: _Source) -> list[str]:
    """What is odd about a template for a model of this kind; nothing about a published one."""
    tokenizer, notes = given.processor.tokenizer, []
    text = tokenizer.render([{"role": "user", "content": "Hi"}])
    primes = _OPEN_THOUGHT in text
    if primes == synthesis.is_small(given.config):
        does = "opens with an empty thought" if primes else "opens without an empty thought"
        notes.append(f"it {does}, the published one of this family does the opposite")
    for kind, takes in (("image", given.processor.sees), ("audio", given.processor.hears)):
        content = [{"type": kind}, {"type": "text", "text": "Hi"}]
        if takes and len(tokenizer.render([{"role": "user", "content": content}])) == len(text):
            notes.append(f"it writes no place for {kind}")
    return notes


def _check_vocabulary(tokenizer: Tokenizer, config: ModelConfig, folder: Path) -> None:
    """Raise unless the tokenizer's ids are the ones that config.json counts on."""
    path, size = folder / "tokenizer.json", config.text_config.vocab_size
    if tokenizer.vocab_size > size:
        raise TokenizerError(
            f"{path} has {tokenizer.vocab_size} tokens, config.json has room for {size}",
            "config.json and tokenizer.json are of different checkpoints",
        )
    for marker in MEDIA_MARKERS:
        ours = getattr(tokenizer.control, f"{marker}_token_id")
        for key in (f"{marker}_token_id", f"{marker}_token_index"):
            theirs = config.raw.get(key, ours)
            if None not in (ours, theirs) and ours != theirs:
                raise TokenizerError(
                    f"{path} says {key} {ours}, config.json says {theirs}",
                    "config.json and tokenizer.json are of different checkpoints",
                )


def _read_back(dest: Path, config: ModelConfig) -> None:
    """Raise unless a loader would accept what was written."""
    Tokenizer.from_folder(dest)
    if config.vision_config is not None:
        image_settings(dest, config)
        video_settings(dest, config)
    if config.audio_config is not None:
        audio_settings(dest, config)


def _licences(source: Path) -> list[str]:
    found = {path.name for pattern in _LICENCES for path in source.glob(pattern) if path.is_file()}
    return sorted(found)


def _left_out(source: Path, told: set[str]) -> list[FileReport]:
    """Whatever else lies in the source."""
    reports = []
    for path in sorted(source.iterdir()):
        if path.name in told or any(path.match(pattern) for pattern in _MADE_ELSEWHERE):
            continue
        name = f"{path.name}/" if path.is_dir() else path.name
        reports.append(FileReport(name, "left out", _LEFT_OUT.get(name, "not known to gemma4-mlx")))
    return reports
