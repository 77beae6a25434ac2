"""Colours: quiet greys, one blue for what is chosen, violet for media."""

from __future__ import annotations

import os
from collections.abc import Mapping

from textual.theme import Theme

QUIET = "$foreground 60%"
"""The style of what is only said in passing."""

DARK = Theme(
    name="dark",
    primary="#8ab4f8",
    secondary="#c58af9",
    accent="#8ab4f8",
    success="#81c995",
    warning="#fdd663",
    error="#f28b82",
    foreground="#e3e6ea",
    background="#131519",
    surface="#1a1d22",
    panel="#24282f",
    dark=True,
)

LIGHT = Theme(
    name="light",
    primary="#1a56c4",
    secondary="#8430ce",
    accent="#1a56c4",
    success="#137333",
    warning="#945700",
    error="#b3261e",
    foreground="#1f2328",
    background="#ffffff",
    surface="#f3f4f6",
    panel="#dfe2e7",
    dark=False,
)

ANSI = Theme(
    name="ansi",
    ansi=True,
    primary="ansi_blue",
    secondary="ansi_magenta",
    accent="ansi_blue",
    success="ansi_green",
    warning="ansi_yellow",
    error="ansi_red",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_bright_black",
    boost="ansi_default",
    dark=True,
    variables={
        "ansi-background": "ansi_black",
        "ansi-foreground": "ansi_white",
        "block-cursor-foreground": "ansi_black",
        "block-cursor-background": "ansi_white",
        "input-cursor-background": "ansi_white",
        "input-cursor-foreground": "ansi_black",
        "input-selection-background": "ansi_bright_blue",
        "input-selection-foreground": "ansi_black",
        "screen-selection-background": "ansi_bright_blue",
        "screen-selection-foreground": "ansi_black",
        "border-blurred": "ansi_bright_black",
    },
)
"""The terminal's own sixteen colours, on its own background: dark or light, as it is."""

THEMES = {theme.name: theme for theme in (DARK, LIGHT, ANSI)}

_RICH_COLOURS = ("truecolor", "24bit", "256color", "direct", "kitty", "ghostty", "alacritty")


def theme_for(choice: str, environ: Mapping[str, str] | None = None) -> str:
    """The name of a theme; "auto" goes by what the terminal says of itself.

    COLORFGBG is what some terminals set to their colours, as in "15;0" for white on black. The
    others are taken for dark: asking them would take an answer on standard input, which may be
    what somebody is typing already.
    """
    environ = os.environ if environ is None else environ
    if environ.get("NO_COLOR"):
        return ANSI.name
    if choice != "auto":
        return choice
    said = f"{environ.get('COLORTERM', '')} {environ.get('TERM', '')}".lower()
    if not any(word in said for word in _RICH_COLOURS):
        return ANSI.name
    background = environ.get("COLORFGBG", "").rpartition(";")[2]
    return LIGHT.name if background in ("7", "15") else DARK.name
