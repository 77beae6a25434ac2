"""docs/chat.md has three tables that follow from the program: `python -m tests.tui.reference`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tui import keys
from tui.commands import COMMANDS
from tui.screens.help import PLACES
from tui.settings.schema import SETTINGS

PAGE = Path(__file__).parents[2] / "docs" / "chat.md"


def tables() -> dict[str, str]:
    """Name -> the table as it should be."""
    return {
        "commands": "\n".join(_commands()),
        "keys": "\n".join(_keys()),
        "settings": "\n".join(_settings()),
    }


def written(page: str) -> dict[str, str]:
    """Name -> the table as it is."""
    return dict(re.findall(r"<!-- (\w+) -->\n(.*?)\n<!-- end -->", page, re.DOTALL))


def with_tables(page: str) -> str:
    """The page with the tables as they should be."""
    for name, table in tables().items():
        block = f"<!-- {name} -->\n{table}\n<!-- end -->"
        page = re.sub(
            rf"<!-- {name} -->\n.*?<!-- end -->",
            lambda _, block=block: block,
            page,
            flags=re.DOTALL,
        )
    return page


def _commands() -> Iterator[str]:
    yield "| command | does | also |"
    yield "|---|---|---|"
    for command in COMMANDS:
        also = ", ".join(f"`/{alias}`" for alias in command.aliases)
        yield f"| `{_cell(command.usage)}` | {_cell(command.summary)} | {also} |"


def _keys() -> Iterator[str]:
    yield "| where | key | does | name |"
    yield "|---|---|---|---|"
    places = list(PLACES)
    ordered = sorted(keys.all_keys(), key=lambda key: (places.index(key.place), key.id))
    for key in ordered:
        pressed = " ".join(f"`{keys.named(one)}`" for one in key.keys.split(","))
        yield f"| {PLACES[key.place]} | {pressed} | {key.description.lower()} | `{key.id}` |"


def _settings() -> Iterator[str]:
    yield "| setting | takes | default | does |"
    yield "|---|---|---|---|"
    for each in SETTINGS:
        takes, does = _cell(each.kind.expected), _cell(each.summary)
        yield f"| `{each.path}` | {takes} | {each.default_text} | {does} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
