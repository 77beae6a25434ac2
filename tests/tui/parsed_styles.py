"""Style sheets are parsed once for all chats of a test run, not once for each chat."""

from __future__ import annotations

from typing import Any

from pytest import MonkeyPatch
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet


def parse_once(patch: MonkeyPatch) -> None:
    """Remember what was parsed, with all that it depends on."""
    parsed: dict[tuple[Any, ...], list[RuleSet]] = {}
    parse = Stylesheet._parse_rules

    def parse_or_remember(sheet: Stylesheet, *source: Any, **options: Any) -> list[RuleSet]:
        key = (*sheet._variables.items(), *source, *options.items())
        if key not in parsed:
            parsed[key] = parse(sheet, *source, **options)
        return parsed[key]

    patch.setattr(Stylesheet, "_parse_rules", parse_or_remember)
