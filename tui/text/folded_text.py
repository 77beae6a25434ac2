"""Long pasted text, folded to a mark of one line."""

from __future__ import annotations

import re

LONGEST_OPEN = 4_000
"""Longer text is folded, in characters: wrapping it again at every key would take too long."""
MOST_OPEN_LINES = 100

_MARK = re.compile(r"\[pasted text \d+: [^\]\n]*\]")


class FoldedText:
    """Which mark stands for which text."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def fold(self, text: str) -> str:
        """A mark for a long text; a short one itself."""
        lines = text.count("\n") + 1
        if len(text) <= LONGEST_OPEN and lines <= MOST_OPEN_LINES:
            return text
        extent = f"{lines} lines" if lines > 1 else f"{len(text)} characters"
        mark = f"[pasted text {len(self._texts) + 1}: {extent}]"
        self._texts[mark] = text
        return mark

    def unfold(self, text: str) -> str:
        """The text with what its marks stand for; a mark that somebody just typed stays."""
        return _MARK.sub(lambda match: self._texts.get(match[0], match[0]), text)

    def mark_before(self, line: str) -> str:
        """The mark that a line ends with; nothing if it ends with none."""
        marks = _MARK.findall(line)
        return marks[-1] if marks and marks[-1] in self._texts and line.endswith(marks[-1]) else ""
