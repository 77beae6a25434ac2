"""What could be meant by what is being typed: a command after `/`, a file after `@`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from textual.fuzzy import Matcher

from tui import figures
from tui.attachments.folder_list import FolderEntry, FolderWalk, list_folder
from tui.commands import COMMANDS, find_command, matching_commands
from tui.text.printable import printable_line

MOST_SUGGESTIONS = 50
CUT = "only the nearest {} names were searched; name a folder, as in @Pictures/"
_PLACES = ("~/Desktop", "~/Downloads", "~/Pictures")

_COMMAND = re.compile(r"/[a-zA-Z?]*")
_WITH_ARGUMENT = re.compile(r"/(?P<name>[a-zA-Z?]+) ")
_FILE = re.compile(r'(?:^|(?<=\s))@(?:"(?P<quoted>[^"]*)|(?P<bare>\S*))$')


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Something that could be meant.

    Attributes:
        label: what it is called.
        detail: a few words on it.
        text: what is written in place of what was typed.
        path: the file that is attached instead; None for commands and folders.
        is_whole: whether nothing is left to be typed.
    """

    label: str
    detail: str = ""
    text: str = ""
    path: Path | None = None
    is_whole: bool = False


def suggest_commands(text: str) -> list[Suggestion]:
    """The commands that begin like the text; none unless it is a slash and part of a word."""
    if not _COMMAND.fullmatch(text):
        return []
    return [
        Suggestion(
            each.usage,
            each.summary,
            f"/{each.name}" + (" " if each.arguments else ""),
            is_whole=not each.arguments or each.arguments.startswith("["),
        )
        for each in (matching_commands(text[1:]) if len(text) > 1 else COMMANDS)
    ]


def ghost_arguments(text: str) -> str:
    """How to write what is expected after the name of a command, while nothing is."""
    match = _WITH_ARGUMENT.fullmatch(text)
    command = find_command(match["name"].lower()) if match else None
    return command.arguments if command else ""


def file_query(line: str) -> tuple[int, str] | None:
    """Where the last `@` of a line up to the cursor is, and what follows it; None if none is."""
    match = _FILE.search(line)
    if match is None:
        return None
    return match.start(), match["quoted"] if match["quoted"] is not None else match["bare"]


def suggest_files(
    query: str, folder: Path, is_wanted: Callable[[], bool] = lambda: True
) -> tuple[list[Suggestion], str]:
    """Media files and folders that fit, the best first. Looks at the disk.

    Args:
        query: a folder to look in, if there is a slash, and letters of the name in their order.
        folder: where it starts if it is not absolute.
        is_wanted: whether somebody still waits for it.

    Returns:
        What was found; and a remark if not everything was looked at.
    """
    inside, slash, letters = query.rpartition("/")
    place, remark = _place(folder, inside + slash), ""
    try:
        if slash or not letters or letters.startswith("."):
            entries = list_folder(place, everything=letters.startswith("."))
            entries = [entry for entry in entries if entry.is_folder or entry.is_media]
        else:
            walk = FolderWalk(place, is_wanted=is_wanted)
            entries = [entry for entry in walk if _has(letters, entry.path)]
            remark = CUT.format(walk.looked_at) if walk.is_cut else ""
    except (OSError, ValueError):
        return [], ""
    found = [_suggest(entry, place, inside + slash) for entry in _best(entries, letters, place)]
    return (found if query else [*found, *_well_known()]), remark


def _has(letters: str, path: Path) -> bool:
    """Whether a path has these letters in their order: quicker than to ask how well it fits."""
    rest = iter(str(path).lower())
    return all(letter in rest for letter in letters.lower())


def _place(folder: Path, typed: str) -> Path:
    path = Path(typed)
    if typed.startswith("~"):
        try:
            path = path.expanduser()
        except RuntimeError:  # ~nobody
            return path
    return folder / path


def _best(entries: list[FolderEntry], letters: str, place: Path) -> list[FolderEntry]:
    if not letters:
        return entries[:MOST_SUGGESTIONS]
    matcher = Matcher(letters)
    scores = {entry: matcher.match(str(entry.path.relative_to(place))) for entry in entries}
    fits = [entry for entry in entries if scores[entry] > 0]
    return sorted(fits, key=lambda entry: -scores[entry])[:MOST_SUGGESTIONS]


def _suggest(entry: FolderEntry, place: Path, typed: str) -> Suggestion:
    below = entry.path.parent.relative_to(place)
    label = entry.name if below == Path() else f"{printable_line(str(below))}/{entry.name}"
    if not entry.is_folder:
        return Suggestion(label, figures.size(entry.size), path=entry.path, is_whole=True)
    return Suggestion(label, "folder", _reference(f"{typed}{label}"))


def _well_known() -> list[Suggestion]:
    return [
        Suggestion(f"{name}/", "folder", _reference(f"{name}/"))
        for name in _PLACES
        if Path(name).expanduser().is_dir()
    ]


def _reference(path: str) -> str:
    return f'@"{path}' if " " in path else f"@{path}"
