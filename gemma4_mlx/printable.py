"""Text from outside, made safe to put on a terminal.

A name, an answer or an error can hold anything: escape sequences that retitle the window or
move the cursor, and marks that turn the reading direction around. None of it may reach the
terminal; none of it is dropped without a sign either.
"""

from __future__ import annotations

_LINE_ENDS = dict.fromkeys(map(ord, "\v\f\x1c\x1d\x1e\x85\u2028\u2029"), "\n")
_SIGNS = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"}
_SIGNS |= {code: "�" for code in (0x7F, *range(0x80, 0xA0))}
_SIGNS |= {code: "�" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)}
_SIGNS |= {code: "�" for code in range(0xD800, 0xE000)}
_TABLE = _SIGNS | _LINE_ENDS
_ONE_LINE = _TABLE | {code: " " for code in map(ord, "\n\t")} | dict.fromkeys(_LINE_ENDS, " ")


def printable(text: str) -> str:
    r"""The same text with a visible sign for each character that would steer the terminal.

    All ends of lines become "\n", so that everybody counts the same lines.
    """
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_TABLE)


def printable_line(text: str) -> str:
    """As `printable`, in one line: for names and titles."""
    return printable(text).translate(_ONE_LINE).strip()
