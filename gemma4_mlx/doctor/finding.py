"""One thing that was looked at, and what to do where it hurts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["ok", "info", "warning", "error"]
"""ok: as it should be. info: worth knowing. warning: something works badly or not at all.
error: no real model can run."""

HURTS: tuple[Level, ...] = ("warning", "error")


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        topic: what was looked at; stays the same from version to version.
        level: how it is.
        text: what was found, in words.
        cure: what to do about it; never empty where it hurts.
        data: what was measured, with units in the names; JSON.
    """

    topic: str
    level: Level
    text: str
    cure: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.level in HURTS and not self.cure:
            raise ValueError(f"{self.topic}: a finding that hurts needs a cure")
