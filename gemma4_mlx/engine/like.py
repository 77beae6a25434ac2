"""What a face needs of an engine, whatever stands behind it.

What a listener can rely on:

* loading ends with exactly one `ModelReady`, `Failed` or `EngineLost`;
* every submitted turn ends with exactly one `Finished` or `Failed`, in the order of submission;
* no error is lost: whatever goes wrong inside arrives as `Failed`; whatever ends the engine
  itself arrives as `EngineLost`, after the `Failed` of each turn that was open.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gemma4_mlx.engine.request import TurnRequest
from gemma4_mlx.events import Event

Listener = Callable[[Event], None]
"""Is told every event, on a thread of the engine's or on that of whoever calls it; must not
block."""


class EngineLike(Protocol):
    """What a face needs of an engine."""

    def start(self, listener: Listener) -> None:
        """Begin to load; returns at once."""

    def submit(self, request: TurnRequest) -> None:
        """Ask; returns at once. A turn submitted while the model loads waits for it.

        Once the engine is lost, every turn ends with `Failed` at once, until `restart`.
        """

    def stop(self) -> None:
        """End all submitted turns soon; each finishes with the reason "cancelled"."""

    def restart(self, model: str | None = None) -> None:
        """Begin again as if new; returns at once. It tells of loading as `start` does.

        Turns that are open finish with the reason "cancelled" before.

        Args:
            model: which one to load from now on; None for the same.
        """

    def close(self) -> bool:
        """Let go of the model. Nothing is told any more.

        Returns:
            Whether all work has ended; a download, for one, cannot be interrupted in a thread.
        """
        ...
