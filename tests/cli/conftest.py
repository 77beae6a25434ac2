"""The fake hub is for commands, too."""

from __future__ import annotations

from tests.hub.conftest import cache, hub

__all__ = ["cache", "hub"]
