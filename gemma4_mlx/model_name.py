"""What a model is called: the bundled one by its name, others by a folder or an id on the hub."""

from __future__ import annotations

from pathlib import Path

DEMO_MODEL = "pocket"
"""Name of the bundled demonstration model."""


def is_hub_id(name: str | Path) -> bool:
    """Whether it has the form of an id on the hub, "owner/model".

    A folder may be called so, too; whoever looks for one asks the disk first.
    """
    parts = str(name).split("/")
    return len(parts) == 2 and all(parts) and not str(name).startswith((".", "~"))
