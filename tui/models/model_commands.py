"""`gemma4 models` in a child process: the chat asks, and never counts bytes or imports MLX itself.

A child that is stopped, or whose chat has gone, leaves nothing behind but bytes on the disk, from
which the next one goes on.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any, Protocol

from gemma4_mlx.errors import Gemma4Error
from tui.models.model_list import Listing

_COMMAND = (sys.executable, "-m", "gemma4_mlx.cli", "models")
_UNCLEAR = "it ended without saying why"


class ModelCommands(Protocol):
    """What can be done with models. All raise `Gemma4Error` where it cannot."""

    async def list(self) -> Listing:
        """All models, and whether they fit this machine."""
        ...

    async def info(self, name: str) -> dict[str, Any]:
        """What is known of a model; see `gemma4 models info --json`."""
        ...

    async def remove(self, name: str) -> int:
        """Delete a model from the hub's cache; the freed bytes."""
        ...

    def fetch(self, hub_id: str) -> AsyncGenerator[dict[str, Any], None]:
        """Fetch a model; see `gemma4 models get --json`. Closing the iterator stops it."""
        ...


class ChildCommands:
    """The commands, each in a process of its own."""

    async def list(self) -> Listing:
        """See `ModelCommands`."""
        return Listing.from_json(await _asked("list", "--json"))

    async def info(self, name: str) -> dict[str, Any]:
        """See `ModelCommands`."""
        return await _asked("info", "--json", "--", name)

    async def remove(self, name: str) -> int:
        """See `ModelCommands`."""
        return (await _asked("rm", "--yes", "--json", "--", name))["freed_bytes"]

    async def fetch(self, hub_id: str) -> AsyncGenerator[dict[str, Any], None]:
        """See `ModelCommands`."""
        process = await _started("get", "--json", "--", hub_id)
        assert process.stdout is not None
        try:
            async for line in process.stdout:
                with suppress(ValueError):  # a library may print, too
                    yield json.loads(line)
        finally:
            await _ended(process)


async def _asked(*arguments: str) -> dict[str, Any]:
    """What a command prints as JSON.

    Raises:
        Gemma4Error: what it said instead.
    """
    process = await _started(*arguments, errors=asyncio.subprocess.PIPE)
    try:
        printed, said = await process.communicate()
    finally:
        await _ended(process)
    if process.returncode:
        raise _failure(said.decode(errors="replace"))
    return json.loads(printed)


async def _started(*arguments: str, errors: int = asyncio.subprocess.DEVNULL) -> Any:
    return await asyncio.create_subprocess_exec(
        *_COMMAND,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=errors,
    )


async def _ended(process: asyncio.subprocess.Process) -> None:
    """Stop a process if it still runs, and wait until it is gone."""
    with suppress(ProcessLookupError):
        if process.returncode is None:
            process.terminate()
    await asyncio.shield(process.wait())


def _failure(said: str) -> Gemma4Error:
    """What a command says on standard error: `error: ...` and `hint: ...`."""
    lines = dict(line.split(": ", 1) for line in said.splitlines() if ": " in line)
    return Gemma4Error(lines.get("error") or lines.get("Error") or _UNCLEAR, lines.get("hint", ""))
