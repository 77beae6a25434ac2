"""What was found, in lines for people or as JSON for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from gemma4_mlx.doctor.finding import HURTS, Finding, Level

SECTIONS = {
    "machine": "Machine",
    "mlx": "MLX",
    "terminal": "Terminal",
    "media": "Pictures and clips",
    "models": "Models",
}

MARKS: dict[Level, str] = {"ok": "✓", "info": "·", "warning": "!", "error": "✗"}
PLAIN_MARKS: dict[Level, str] = {"ok": "+", "info": "-", "warning": "!", "error": "x"}
"""For terminals that cannot show every letter."""

_MARK_COLUMNS, _TOPIC_COLUMNS = 2, 12
_NARROWEST = 24
_CURE = "> "


class Line(NamedTuple):
    """A line of the report; at its beginning stands the mark of `level`, if it has one."""

    text: str
    level: Level | None = None


def lines(finding: Finding, columns: int) -> Iterator[Line]:
    """A finding, in as many lines as it takes; where it hurts, a word says so.

    Args:
        finding: to be told.
        columns: of the terminal, the two of the mark included.
    """
    width = max(_NARROWEST, columns - _MARK_COLUMNS - _TOPIC_COLUMNS)
    word = f"{finding.level}: " if finding.level in HURTS else ""
    said = textwrap.wrap(word + finding.text, width)
    cure = textwrap.wrap(finding.cure, width - len(_CURE), break_on_hyphens=False)
    first = f"{finding.topic:<{_TOPIC_COLUMNS}}{said[0] if said else ''}"
    yield Line(first.rstrip(), finding.level)
    blank = " " * _TOPIC_COLUMNS
    for text in said[1:]:
        yield Line(blank + text)
    for number, text in enumerate(cure):
        yield Line(blank + (" " * len(_CURE) if number else _CURE) + text)


def summary(findings: Iterable[Finding]) -> str:
    """How many hurt: the last line."""
    levels = [finding.level for finding in findings]
    counts = [_counted(levels.count(level), level) for level in ("error", "warning")]
    return " and ".join(counts)


def as_json(examined: Iterable[tuple[str, Finding]], version: str) -> dict[str, Any]:
    """Everything, as an object of JSON; its keys stay from version to version."""
    pairs = list(examined)
    return {
        "version": version,
        "ok": is_well(finding for _, finding in pairs),
        "findings": [
            {
                "section": section,
                "topic": finding.topic,
                "level": finding.level,
                "text": finding.text,
                "cure": finding.cure,
                "data": dict(finding.data),
            }
            for section, finding in pairs
        ],
    }


def is_well(findings: Iterable[Finding]) -> bool:
    """Whether nothing is an error."""
    return all(finding.level != "error" for finding in findings)


def _counted(count: int, level: Level) -> str:
    return f"{count or 'no'} {level}{'' if count == 1 else 's'}"
