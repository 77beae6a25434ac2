"""The conversation on the screen."""

from tui.screens.chat.screen import ChatScreen

__all__ = ["ChatScreen"]
