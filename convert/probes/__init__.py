"""What a converted model and its source are both asked: texts, pictures and sounds with answers.

The answers are given, so that both models read the same and only their probabilities differ.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from convert.probes.media import CLIPS, PICTURES
from gemma4_mlx.processing import Processor

KINDS = ("text", "image", "audio")


@dataclass(frozen=True)
class Probe:
    """One question with its answer.

    Attributes:
        kind: "text", "image" or "audio".
        name: of the probe; unique within its kind.
        messages: the conversation up to the answer, in the chat form.
        answer: what is read as the model's own words.
    """

    kind: str
    name: str
    messages: tuple[dict[str, Any], ...]
    answer: str

    @property
    def question(self) -> str:
        """The words of the question."""
        return self.messages[-1]["content"][-1]["text"]


def probes_version() -> int:
    """Changes when a probe does; figures of different versions must not be compared."""
    return _file()["version"]


def probes_for(processor: Processor) -> list[Probe]:
    """The probes that a model can take: all texts, and what it sees and hears."""
    kinds = {"text": True, "image": processor.sees, "audio": processor.hears}
    if processor.tokenizer.template is None:
        # A base model has no turns to put pictures or sounds into.
        kinds = {"text": True}
    return load_probes([kind for kind, can in kinds.items() if can])


def load_probes(kinds: Collection[str] = KINDS) -> list[Probe]:
    """All probes of some kinds, in a fixed order."""
    return [_probe(kind, raw) for kind in KINDS if kind in kinds for raw in _file()[kind]]


def _probe(kind: str, raw: dict[str, str]) -> Probe:
    content: list[dict[str, Any]] = [{"type": "text", "text": raw["user"]}]
    if kind == "image":
        content.insert(0, {"type": "image", "image": PICTURES[raw["picture"]]()})
    if kind == "audio":
        samples, sampling_rate_hz = CLIPS[raw["clip"]]()
        content.insert(0, {"type": "audio", "audio": samples, "sampling_rate": sampling_rate_hz})
    return Probe(kind, raw["name"], ({"role": "user", "content": content},), raw["answer"])


@cache
def _file() -> dict[str, Any]:
    return json.loads((files("convert.probes") / "texts.json").read_text("utf-8"))
