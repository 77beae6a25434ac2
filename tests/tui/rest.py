"""When a chat in a test has nothing left to do.

Textual's pilot sleeps until the process looks idle, 20 ms and more for each key, and longer the
busier the machine is; meanwhile frames are drawn as the clock has it. Here a chat rests when
nothing waits to be run, and a frame is drawn whenever it would rest otherwise: so the steps of a
test are the same on every machine, and no time is slept away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pytest import MonkeyPatch
from textual import pilot
from textual._context import active_app
from textual.app import App

MOST_TURNS = 100_000
"""Of the event loop; what needs more of them goes round in circles."""
PATIENCE_S = 1.0
"""With threads, which may themselves wait for what the test does next."""
NEVER_S = 3600.0

Threads = set[asyncio.Future[Any]]


async def rest(app: App[Any], threads: Threads) -> None:
    """Until all messages are handled, all threads are back, and all of it is on the screen."""
    loop = asyncio.get_running_loop()
    for _ in range(MOST_TURNS):
        await asyncio.sleep(0)
        if loop._ready:  # type: ignore[attr-defined]
            continue
        if app._animator._animations:
            await app._animator.wait_until_complete()
        elif app._resize_timer:  # Textual waits for more to come
            app._check_resize()
        elif threads:
            _, late = await asyncio.wait(threads, timeout=PATIENCE_S)
            threads -= late
        elif not _draw(app) or not loop._ready:  # type: ignore[attr-defined]
            return
    raise AssertionError("the chat does not come to rest")


def _draw(app: App[Any]) -> bool:
    """The next frame, if somebody would see it."""
    if is_seen := app.is_running and bool(app._screen_stacks.get(app._current_mode)):
        app.screen._on_timer_update()
    return is_seen


def rest_instead_of_sleeping(patch: MonkeyPatch) -> None:
    """Pilots wait for rest from now on; nothing else draws frames."""
    threads: Threads = set()
    send = asyncio.BaseEventLoop.run_in_executor

    def sent(loop: Any, executor: Any, call: Callable[..., Any], *args: Any) -> Any:
        threads.add(future := send(loop, executor, call, *args))
        future.add_done_callback(threads.discard)
        return future

    async def of_pilot(pilot: pilot.Pilot[Any], timeout: float = 0.0) -> bool:
        await rest(pilot.app, threads)
        return True

    async def of_app(min_sleep: float = 0.0, max_sleep: float = 0.0) -> None:
        await rest(active_app.get(), threads)

    patch.setattr(asyncio.BaseEventLoop, "run_in_executor", sent)
    patch.setattr("textual.screen.UPDATE_PERIOD", NEVER_S)
    patch.setattr(pilot.Pilot, "_wait_for_screen", of_pilot)
    patch.setattr("textual.pilot.wait_for_idle", of_app)
    patch.setattr("textual.app.wait_for_idle", of_app)
