"""Where the program keeps things on this disk.

    config   settings.toml
    data     chats.db and media/
    state    logs, the history of the prompt, compiled templates, what `gemma4 bench` measured
    cache    what was read of conversations: gigabytes that are written often and are no loss

The system says where these are (`~/.config`, `~/.local/share`, `~/.local/state`, `~/.cache`, or
what the XDG variables name; on a Mac `~/Library/Application Support` and, so that Time Machine
passes it by, `~/Library/Caches`). `GEMMA4_HOME` puts all four into one folder. What people say to
a model is theirs alone, so nobody else may look into them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import platformdirs

HOME_VARIABLE = "GEMMA4_HOME"

_APP = "gemma4"
_OWNER_ONLY = 0o700


def config_folder() -> Path:
    """Where settings are."""
    return _made("config", platformdirs.user_config_path(_APP, appauthor=False))


def data_folder() -> Path:
    """Where chats and their pictures and clips are."""
    return _made("data", platformdirs.user_data_path(_APP, appauthor=False))


def state_folder() -> Path:
    """Where logs are, and what would be no loss."""
    return _made("state", platformdirs.user_state_path(_APP, appauthor=False))


def cache_folder() -> Path:
    """Where is what can be made again; the system may empty it."""
    return _made("cache", platformdirs.user_cache_path(_APP, appauthor=False))


def _made(name: str, usual: Path) -> Path:
    """The folder; where it cannot be made, whoever writes there is told by the system."""
    home = os.environ.get(HOME_VARIABLE)
    folder = Path(home).expanduser().absolute() / name if home else usual
    with suppress(OSError):
        folder.parent.mkdir(parents=True, exist_ok=True, mode=_OWNER_ONLY)
        folder.mkdir(exist_ok=True, mode=_OWNER_ONLY)
    return folder
