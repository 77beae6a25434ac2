"""Models that a chat finds in a test: some here, some to be fetched; and an app that lists them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from textual.app import App
from textual.pilot import Pilot

from gemma4_mlx.errors import Gemma4Error
from tui.models.downloads import Downloads
from tui.models.model_list import Listing
from tui.screens.models import ModelsScreen
from tui.theme import DARK
from tui.widgets.model_table import ModelTable

GB = 10**9
MLX = "mlx-community/gemma-4"
E2B, E4B = f"{MLX}-E2B-it-qat-4bit", f"{MLX}-E4B-it-qat-4bit"
MIXED, BIG = f"{MLX}-26B-A4B-it-qat-4bit", f"{MLX}-31b-it-4bit"
NOT_ON_THE_HUB = {
    "event": "failed",
    "message": "there is no model mlx-community/gemma-4-e4b on the hub, or it is private",
    "hint": f"did you mean {MLX}-e4b-it-4bit; a private model needs `hf auth login` first",
}


def plan(weights_gb: float) -> dict[str, Any]:
    lines = {"body": round(weights_gb * GB), "kv_full": 400_000_000, "reading": 1_100_000_000}
    lines["runtime"] = 700_000_000
    return {"total_bytes": sum(lines.values()), "limit_bytes": 11_850_000_000, "lines": lines}


def row(name: str, variant: str, size_gb: float, fit: str, **fields: Any) -> dict[str, Any]:
    made = {
        "name": name,
        "variant": variant,
        "packing": "4-bit qat",
        "takes": ["text", "image", "audio"],
        "size_bytes": round(size_gb * GB),
        "whole_bytes": round(size_gb * GB),
        "state": "available",
        "fit": fit,
        "plan": plan(size_gb) if fit else None,
        "note": "",
        "is_recommended": False,
    }
    return made | fields


POCKET = row("pocket", "demo", 0.0078, "fits", state="here", packing="bf16")
ROWS = [
    POCKET,
    row(E2B, "E2B", 4.36, "fits"),
    row(E4B, "E4B", 6.83, "fits", is_recommended=True, note="not for small print in pictures"),
    row(f"{MLX}-e4b-it-8bit", "E4B", 8.91, "tight", packing="8-bit"),
    row(MIXED, "26B-A4B", 15.64, "too big", takes=["text", "image"]),
    row(BIG, "31B", 18.44, "too big", packing="4-bit", takes=["text", "image"]),
]
MINE = row(
    "somebody/gemma-4-poems", "E2B", 3.6, "fits", state="here", packing="4-bit", is_recommended=True
)


class FakeModels:
    """`ModelCommands` of which a test says what they tell.

    Attributes:
        rows: of the list.
        lines: of each download, by name, put there by the test; None ends one.
        running: names that are being fetched.
        removed: names that were deleted.
    """

    def __init__(self, *rows: dict[str, Any], free_gb: float = 300) -> None:
        self.rows = [dict(each) for each in rows or ROWS]  # a test may change its own
        self.free_gb = free_gb
        self.lines: dict[str, asyncio.Queue] = {}
        self.running: list[str] = []
        self.removed: list[str] = []

    async def list(self) -> Listing:
        machine = {"name": "Apple M2", "ram_bytes": 16 * 2**30, "usable_bytes": 11_850_000_000}
        return Listing.from_json(
            {
                "machine": machine | {"runs_on": "gpu"},
                "disk": {"free_bytes": round(self.free_gb * GB)},
                "models": self.rows,
                "as_of": "2026-07-27",
            }
        )

    async def info(self, name: str) -> dict[str, Any]:
        if name == "pocket":
            raise Gemma4Error("nothing is known of pocket", "ask somebody else")
        return {
            "cache": {"folder": f"/hub/models--{name}", "snapshots": 2, "freed_bytes": 3_600_000},
            "in_words": [
                ("variant", "E4B"),
                ("weights", "affine 4-bit, group 64; 126 modules affine 8-bit, group 64"),
                ("layers", "35 with a window of 512, 7 full; 18 read the keys of others"),
                ("context", "131072 tokens"),
                ("senses", "sees and hears"),
                ("licence", "Apache-2.0"),
            ],
        }

    async def remove(self, name: str) -> int:
        self.removed.append(name)
        self.rows = [each for each in self.rows if each["name"] != name]
        return 3_600_000_000

    async def fetch(self, hub_id: str) -> AsyncGenerator[dict[str, Any], None]:
        self.running.append(hub_id)
        lines = self.lines.setdefault(hub_id, asyncio.Queue())
        try:
            while (line := await lines.get()) is not None:
                yield line
        finally:
            self.running.remove(hub_id)

    def tell(self, name: str, **line: Any) -> None:
        self.lines.setdefault(name, asyncio.Queue()).put_nowait(line)

    def plan(self, name: str, missing_gb: float, total_gb: float) -> None:
        sizes = {"total_bytes": round(total_gb * GB), "missing_bytes": round(missing_gb * GB)}
        self.tell(name, event="plan", **sizes)

    def progress(self, name: str, done_gb: float, total_gb: float) -> None:
        sizes = {"done_bytes": round(done_gb * GB), "total_bytes": round(total_gb * GB)}
        self.tell(name, event="progress", **sizes)

    def fetched(self, name: str) -> None:
        """It is here now."""
        (found,) = [each for each in self.rows if each["name"] == name]
        found.update(state="here")
        self.tell(name, event="fetched", size_bytes=found["size_bytes"])
        self.end(name)

    def fail(self, name: str) -> None:
        """As the command does: it says why, and ends."""
        self.tell(name, **NOT_ON_THE_HUB)
        self.end(name)

    def end(self, name: str) -> None:
        self.lines.setdefault(name, asyncio.Queue()).put_nowait(None)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class ShelfApp(App[None]):
    """Nothing but the list of models; what was chosen is kept."""

    def __init__(self, commands: FakeModels, **options: Any) -> None:
        super().__init__()
        self.register_theme(DARK)
        self.theme = DARK.name
        self.clock = Clock()
        self.downloads = Downloads(self, commands, self.clock)
        self.commands = commands
        self.options = options
        self.chosen: list[str | None] = []

    def on_mount(self) -> None:
        self.open()

    def open(self) -> None:
        screen = ModelsScreen(self.commands, self.downloads, **self.options)
        self.push_screen(screen, self.chosen.append)

    async def on_unmount(self) -> None:
        await self.downloads.close()


class Shelf:
    """What a person can do with the list, and what they see."""

    def __init__(self, pilot: Pilot[None]) -> None:
        assert isinstance(pilot.app, ShelfApp)
        self.pilot = pilot
        self.app = pilot.app
        self.commands = pilot.app.commands
        self.downloads = pilot.app.downloads

    @property
    def text(self) -> str:
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(each.text for each in strip).rstrip() for strip in strips)

    def line(self, text: str) -> str:
        """The line with this text."""
        return next(line for line in self.text.splitlines() if text in line)

    @property
    def table(self) -> ModelTable:
        return self.app.screen.query_one(ModelTable)

    async def settle(self) -> None:
        for _ in range(4):
            await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settle()

    async def choose(self, name: str) -> None:
        self.table.choose(name)
        await self.settle()

    async def going(self, name: str, done_gb: float, total_gb: float, *, after_s: float) -> None:
        """So much of it is there, so many seconds later."""
        self.app.clock.now += after_s
        self.commands.progress(name, done_gb, total_gb)
        await self.settle()


@asynccontextmanager
async def shelf(
    *rows: dict[str, Any], size: tuple[int, int] = (80, 24), free_gb: float = 300, **options: Any
) -> AsyncIterator[Shelf]:
    commands = FakeModels(*[dict(each) for each in rows or ROWS], free_gb=free_gb)
    async with ShelfApp(commands, **options).run_test(size=size) as pilot:
        shelf = Shelf(pilot)
        await shelf.settle()
        yield shelf
