"""Colours: quiet greys, one blue for what is chosen, violet for media."""

from __future__ import annotations

from textual.theme import Theme

QUIET = "$foreground 60%"
"""The style of what is only said in passing."""

DARK = Theme(
    name="gemma4",
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
