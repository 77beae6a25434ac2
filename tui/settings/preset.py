"""A system prompt and sampling under a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tui.settings.kinds import Value, in_words
from tui.settings.schema import SETTINGS

CHOICES = {each.name: each for each in SETTINGS if each.per_chat}
"""What a preset can choose, by name."""


@dataclass(frozen=True, slots=True)
class Preset:
    """What is chosen together.

    Attributes:
        name: what to call it.
        choices: values by the names of `CHOICES`; what is not named stays as it was.
    """

    name: str
    choices: Mapping[str, Value]

    @property
    def summary(self) -> str:
        """What it chooses, in one line."""
        system = str(self.choices.get("system", "")).strip().partition("\n")[0]
        others = [
            f"{name} {in_words(value)}" for name, value in self.choices.items() if name != "system"
        ]
        return " · ".join(filter(None, [system, *others])) or "nothing"
