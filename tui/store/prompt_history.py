"""What was typed before, also in earlier chats: for leafing in the prompt.

One JSON object a line, added at the end, so that two chats at once lose nothing of each other.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

from gemma4_mlx.folders import state_folder

MOST = 500
"""How many are kept."""

_MOST_CHARACTERS = 100_000
"""A longer text is remembered until the chat ends."""


class PromptHistory:
    """The last texts that were sent, and a place among them.

    Whatever is wrong with the file, leafing works with what can be read and what is added.

    Args:
        path: such as `prompts_path()`; None keeps nothing on disk.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._texts = _read(path) if path else []
        self._place = len(self._texts)
        self._draft = ""

    def add(self, text: str) -> None:
        """Remember a text that was sent; the place is behind it."""
        if text.strip() and self._texts[-1:] != [text]:
            self._texts = [*self._texts, text][-MOST:]
            if self._path and len(text) <= _MOST_CHARACTERS:
                with suppress(OSError):
                    _append(self._path, text)
        self._place = len(self._texts)
        self._draft = ""

    def previous(self, written: str) -> str | None:
        """The text before, or None at the beginning; what is written comes back by `next`."""
        if self._place == 0:
            return None
        if self._place == len(self._texts):
            self._draft = written
        self._place -= 1
        return self._texts[self._place]

    def next(self) -> str | None:
        """The text after, at last what was written before leafing; None if there already."""
        if self._place == len(self._texts):
            return None
        self._place += 1
        return self._draft if self._place == len(self._texts) else self._texts[self._place]

    def search(self, words: str) -> list[str]:
        """Texts that have all these words, the newest first, each once."""
        wanted = words.lower().split()
        newest_first = dict.fromkeys(reversed(self._texts))
        return [text for text in newest_first if all(word in text.lower() for word in wanted)]


def prompts_path(*, is_kept: bool = True) -> Path | None:
    """Where the texts of all chats are; None if nothing is to be kept."""
    return state_folder() / "prompts.jsonl" if is_kept else None


def _read(path: Path) -> list[str]:
    """The last texts; a file that has become long is cut."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    texts = [text for line in lines if (text := _text(line))]
    if len(lines) > 2 * MOST:
        with suppress(OSError):
            _replace(path, texts[-MOST:])
    return texts[-MOST:]


def _text(line: str) -> str:
    try:
        text = json.loads(line)["text"]
    except (ValueError, TypeError, KeyError, RecursionError):  # half a line, after a crash
        return ""
    return text if isinstance(text, str) else ""


def _append(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(handle, "a", encoding="utf-8") as file:
        file.write(_line(text))


def _replace(path: Path, texts: list[str]) -> None:
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text("".join(map(_line, texts)), encoding="utf-8")
    new.replace(path)


def _line(text: str) -> str:
    return json.dumps({"text": text}) + "\n"
