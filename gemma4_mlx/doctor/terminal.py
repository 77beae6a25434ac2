"""What the terminal can show, as its environment tells; it is not asked."""

from __future__ import annotations

import os
import shutil
import sys

from gemma4_mlx.doctor.finding import Finding

SMALLEST = (60, 20)
"""Columns and lines below which the chat has no room."""

_DRAWING = ("xterm-kitty", "xterm-ghostty")
"""What terminals call themselves that draw pictures in the chat by kitty's protocol."""
_PLAIN = ("dumb", "linux", "tmux", "screen", *_DRAWING)
"""How those begin to call themselves that the chat does not ask for sixels."""

_BETWEEN = {"tmux": "in tmux", "screen": "in screen", "ssh": "over ssh"}


def terminal() -> Finding:
    """Which one it is, how large, and what is between it and us."""
    columns, lines = shutil.get_terminal_size()
    name = _program() or os.environ.get("TERM", "")
    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    between = _between()
    data = {
        "program": name,
        "columns": columns,
        "lines": lines,
        "is_terminal": on_terminal,
        "between": between,
    }
    if os.environ.get("TERM", "") in ("", "dumb"):
        cure = "set TERM, to xterm-256color for most terminals; gemma4 ask works without"
        return Finding("terminal", "warning", "TERM is not set: no chat", cure, data)
    if not on_terminal:
        return Finding("terminal", "info", "this output goes to a pipe or a file", data=data)
    text = " ".join([f"{name}, {columns} x {lines}", *(_BETWEEN[each] for each in between)])
    if columns < SMALLEST[0] or lines < SMALLEST[1]:
        need = f"{text}: the chat needs {SMALLEST[0]} x {SMALLEST[1]}"
        return Finding("terminal", "warning", need, "make the window larger", data)
    return Finding("terminal", "ok", text, data=data)


def colours() -> Finding:
    """How many colours there are."""
    data = {
        "colorterm": os.environ.get("COLORTERM", ""),
        "no_color": bool(os.environ.get("NO_COLOR")),
    }
    if data["no_color"]:
        return Finding("colours", "info", "none: NO_COLOR is set", data=data)
    if data["colorterm"] in ("truecolor", "24bit"):
        return Finding("colours", "ok", "16 million", data=data)
    cure = "in a terminal that has more, set COLORTERM=truecolor"
    if "tmux" in _between():
        cure = "add to ~/.tmux.conf: set -as terminal-features ',*:RGB'"
    return Finding("colours", "info", "256 or fewer, as far as it tells", cure, data)


def letters() -> Finding:
    """Whether every letter can be shown."""
    encoding = (getattr(sys.stdout, "encoding", None) or "").lower()
    locale = next(
        (os.environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(name)), ""
    )
    data = {"encoding": encoding, "locale": locale}
    if encoding.replace("-", "") != "utf8":
        return Finding(
            "letters",
            "warning",
            f"the encoding is {encoding or 'not known'}, not UTF-8: letters will be missing",
            "export LANG=en_US.UTF-8, or your language's",
            data,
        )
    return Finding("letters", "ok", f"UTF-8 ({locale or 'no locale set'})", data=data)


def previews() -> Finding:
    """How the chat shows a picture before it is sent."""
    environment = os.environ
    term = environment.get("TERM") or "dumb"
    has_all_colours = environment.get("COLORTERM") in ("truecolor", "24bit")
    is_outermost = not any(map(environment.get, ("NO_COLOR", "TMUX", "STY", "ZELLIJ")))
    protocol, text = "blocks", "as coloured half-blocks"
    if is_outermost and has_all_colours and term in _DRAWING:
        protocol, text = "kitty", "drawn by the terminal, by kitty's protocol"
    elif is_outermost and (has_all_colours or "256color" in term) and not term.startswith(_PLAIN):
        protocol, text = "asked", "as sixels if the terminal says it draws them, or half-blocks"
    return Finding("previews", "ok", text, data={"protocol": protocol})


def _program() -> str:
    """The terminal's name; empty where it does not tell."""
    environment = os.environ
    if environment.get("KITTY_WINDOW_ID") or environment.get("TERM") == "xterm-kitty":
        return "kitty"
    if environment.get("GHOSTTY_RESOURCES_DIR"):
        return "ghostty"
    for name in (environment.get("LC_TERMINAL"), environment.get("TERM_PROGRAM")):
        if name and name.lower() not in ("tmux", "screen"):
            return "iTerm.app" if name == "iTerm2" else name
    return ""


def _between() -> list[str]:
    """What stands between the terminal and us, from the inside out."""
    found = {
        "tmux": os.environ.get("TMUX"),
        "screen": os.environ.get("STY"),
        "ssh": os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"),
    }
    return [name for name, value in found.items() if value]
