"""Models that are being fetched while the chat goes on: how far, how fast, how long."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Literal

from textual.app import App
from textual.signal import Signal

from gemma4_mlx.errors import Gemma4Error
from tui import figures
from tui.models.model_commands import ModelCommands
from tui.text.printable import printable_line

Phase = Literal["asking", "fetching", "stalled", "paused", "failed", "done"]

STALLED_AFTER_S = 10.0
"""Without a byte; a slow line brings some more often."""

_PACE_OVER_S = 15.0
_LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Download:
    """One model that is fetched, or was.

    Attributes:
        name: id on the hub.
        phase: "asking" the hub what there is, "fetching", "stalled" when nothing comes, "paused"
            by the user, "failed", or "done".
        done_bytes: of the model that lie on the disk.
        total_bytes: of all its files; 0 while that is not known.
        bytes_per_s: as measured over the last seconds; 0 while that is not known.
        silent_s: how long nothing has come, in seconds.
        message: why it failed.
        hint: what to do about that.
    """

    name: str
    phase: Phase = "asking"
    done_bytes: int = 0
    total_bytes: int = 0
    bytes_per_s: float = 0.0
    silent_s: float = 0.0
    message: str = ""
    hint: str = ""

    @property
    def is_running(self) -> bool:
        """Whether a process fetches it."""
        return self.phase in ("asking", "fetching", "stalled")

    @property
    def share(self) -> float:
        """How much of it is there, from 0 to 1."""
        return self.done_bytes / self.total_bytes if self.total_bytes else 0.0

    @property
    def percent(self) -> str:
        """As in 41 %; never 100 before the end."""
        return f"{int(self.share * 100)} %" if self.total_bytes else ""

    @property
    def left_s(self) -> float | None:
        """How long it will take at this pace, in seconds."""
        if self.phase != "fetching" or not self.bytes_per_s:
            return None
        return (self.total_bytes - self.done_bytes) / self.bytes_per_s

    @property
    def told(self) -> str:
        """All of it in a line, as in 2.4 of 6.8 GB, 35.1 MB/s, 2 min left."""
        if self.phase == "asking" and not self.total_bytes:
            return "asking the hub"
        parts = [_of(self.done_bytes, self.total_bytes)]
        if self.phase == "fetching" and self.left_s is not None:
            pace = figures.size(int(self.bytes_per_s))
            parts += [f"{pace}/s", f"{wait(self.left_s)} left"]
        elif self.phase == "stalled":
            parts.append(f"no byte for {wait(self.silent_s)}, all is kept")
        elif self.phase == "paused":
            parts.append("paused, all is kept")
        return ", ".join(parts)


class Pace:
    """How fast bytes come, over the last seconds.

    Args:
        clock: the time, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()
        self._last_byte = clock()

    def note(self, done_bytes: int) -> None:
        """So many have come by now."""
        now = self._clock()
        if not self._seen or done_bytes > self._seen[-1][1]:
            self._last_byte = now
        self._seen.append((now, done_bytes))
        while now - self._seen[0][0] > _PACE_OVER_S:
            self._seen.popleft()

    @property
    def bytes_per_s(self) -> float:
        """0 while nothing can be said."""
        if len(self._seen) < 2:
            return 0.0
        (since, first), (until, last) = self._seen[0], self._seen[-1]
        return (last - first) / (until - since) if until > since else 0.0

    @property
    def silent_s(self) -> float:
        """How long no byte has come, in seconds."""
        return self._clock() - self._last_byte


class Downloads:
    """All downloads of this chat.

    Each runs in a child process, which ends with the chat; nothing is lost by that. Whoever
    shows them subscribes to `changed`, and gets the download that has changed.

    Args:
        app: whose downloads they are.
        commands: that fetch.
        clock: the time, in seconds.
    """

    def __init__(
        self, app: App, commands: ModelCommands, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.changed: Signal[Download] = Signal(app, "downloads")
        self._commands = commands
        self._clock = clock
        self._downloads: dict[str, Download] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._seen: set[str] = set()  # names of those whose end has been seen in the list

    @property
    def all(self) -> tuple[Download, ...]:
        """The oldest first."""
        return tuple(self._downloads.values())

    def find(self, name: str) -> Download | None:
        """The download of a model."""
        return self._downloads.get(name)

    @property
    def line(self) -> str:
        """A few words for the title bar; empty if there is nothing to say."""
        told = [_short(each) for each in self.all if each.name not in self._seen]
        return told[0] if len(told) == 1 else " · ".join(told[:2]) + "…" * (len(told) > 2)

    def see(self) -> None:
        """Those that have come or failed have been seen in the list: the title need not tell."""
        self._seen = {each.name for each in self.all if each.phase in ("done", "failed")}

    def start(self, name: str) -> None:
        """Fetch a model, or what is missing of it."""
        download = self._downloads.get(name)
        if download and download.is_running:
            return
        self._seen.discard(name)
        begun = Download(name) if download is None else replace(download, phase="asking")
        self._tell(replace(begun, bytes_per_s=0.0, silent_s=0.0, message="", hint=""))
        before = self._tasks.get(name)
        self._tasks[name] = asyncio.create_task(self._fetch(name, before), name=f"fetch {name}")

    def pause(self, name: str) -> None:
        """Stop fetching; `start` goes on."""
        download = self._downloads.get(name)
        if download and download.is_running:
            self._tasks[name].cancel()
            self._tell(replace(download, phase="paused"))

    def forget(self, name: str) -> None:
        """Take one that is not running off the list."""
        download = self._downloads.get(name)
        if download and not download.is_running:
            del self._downloads[name]

    async def close(self) -> None:
        """End all processes; what has come stays."""
        for download in self.all:
            self.pause(download.name)
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _fetch(self, name: str, before: asyncio.Task[None] | None) -> None:
        if before is not None:  # its process may not be gone, and has the model's files locked
            await asyncio.wait([before])
        pace = Pace(self._clock)
        looking = asyncio.create_task(self._look(name, pace))
        try:
            async with aclosing(self._commands.fetch(name)) as told:
                async for line in told:
                    self._hear(self._downloads[name], line, pace)
            if self._downloads[name].is_running:
                self._fail(name, "the download ended without saying why", "d tries again")
        except (Gemma4Error, OSError) as error:
            self._fail(name, str(error), "d tries again")
        finally:
            looking.cancel()

    async def _look(self, name: str, pace: Pace) -> None:
        """Notice that nothing comes any more."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            download = self._downloads[name]
            if download.phase in ("fetching", "stalled") and pace.silent_s > STALLED_AFTER_S:
                self._tell(replace(download, phase="stalled", silent_s=pace.silent_s))

    def _hear(self, download: Download, line: Mapping[str, Any], pace: Pace) -> None:
        match line.get("event"):
            case "plan":
                done = line["total_bytes"] - line["missing_bytes"]
                pace.note(done)
                total = line["total_bytes"]
                self._tell(replace(download, phase="fetching", done_bytes=done, total_bytes=total))
            case "progress":
                pace.note(line["done_bytes"])
                self._tell(
                    replace(
                        download,
                        phase="fetching",
                        done_bytes=line["done_bytes"],
                        total_bytes=line["total_bytes"],
                        bytes_per_s=pace.bytes_per_s,
                        silent_s=0.0,
                    )
                )
            case "fetched":
                self._tell(replace(download, phase="done", done_bytes=line["size_bytes"]))
            case "failed":
                self._fail(download.name, line["message"], line["hint"])

    def _fail(self, name: str, message: str, hint: str) -> None:
        self._tell(replace(self._downloads[name], phase="failed", message=message, hint=hint))

    def _tell(self, download: Download) -> None:
        self._downloads[download.name] = download
        self.changed.publish(download)


def wait(duration_s: float) -> str:
    """How long something will take or has taken, as in 40 s, 12 min, 3.1 h."""
    if duration_s < 100:
        return f"{duration_s:.0f} s"
    return f"{duration_s / 60:.0f} min" if duration_s < 6000 else f"{duration_s / 3600:.1f} h"


def _of(done_bytes: int, total_bytes: int) -> str:
    """As in 2.4 of 6.8 GB; the unit stands once where it is the same."""
    done, total = figures.size(done_bytes), figures.size(total_bytes)
    return f"{done.removesuffix(total[total.index(' ') :])} of {total}"


def _short(download: Download) -> str:
    """One download in the title bar."""
    name = printable_line(download.name.rpartition("/")[2]).removeprefix("gemma-4-")
    match download.phase:
        case "failed":
            return f"{name} failed, see ctrl+o"
        case "done":
            return f"{name} is here, see ctrl+o"
        case "paused":
            return f"{name} paused {download.percent}"
        case "stalled":
            return f"{name} stalled {download.percent}"
    left = f", {wait(download.left_s)}" if download.left_s is not None else ""
    return f"↓ {name} {download.percent}{left}".rstrip()
