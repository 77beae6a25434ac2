"""What the terminal can show, as its environment tells; it is not asked."""

from __future__ import annotations

import os
import shutil
import sys

from gemma4_mlx.doctor.finding import Finding

SMALLEST = (60, 20)
"""Columns and lines below which the chat has no room."""

_PROGRAMS = {
    "kitty": "kitty",
    "ghostty": "kitty",
    "wezterm": "iTerm",
    "iterm.app": "iTerm",
    "vscode": "iTerm",
    "mintty": "iTerm",
    "foot": "sixel",
    "mlterm": "sixel",
    "contour": "sixel",
}
"""Program -> its protocol for pictures."""

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
    """Whether pictures could be shown, and by which protocol."""
    protocol = _PROGRAMS.get(_program().lower(), "")
    if not protocol and "sixel" in os.environ.get("TERM", ""):
        protocol = "sixel"
    between = [each for each in _between() if each != "ssh"]
    data = {"protocol": protocol, "is_passed_on": bool(protocol) and not between}
    if not protocol:
        return Finding("previews", "info", "none that we know of: pictures go by name", data=data)
    if between:
        held_back = f"{protocol}, which {between[0]} does not pass on by itself"
        return Finding("previews", "info", held_back, data=data)
    return Finding("previews", "ok", f"the {protocol} protocol", data=data)


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
    first = environment.get("TERM", "").split("-")[0]
    return first if first in _PROGRAMS else ""


def _between() -> list[str]:
    """What stands between the terminal and us, from the inside out."""
    found = {
        "tmux": os.environ.get("TMUX"),
        "screen": os.environ.get("STY"),
        "ssh": os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"),
    }
    return [name for name, value in found.items() if value]
