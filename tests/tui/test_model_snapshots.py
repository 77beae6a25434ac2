"""Pictures of the list of models: `pytest tests/tui/test_model_snapshots.py --snapshot-update`."""

from __future__ import annotations

import pytest

from tests.tui.shelf import BIG, E4B, MINE, ROWS, FakeModels, Shelf, ShelfApp


@pytest.fixture
def draw(snap_compare, monkeypatch: pytest.MonkeyPatch):
    """Compare the screen after `steps`; nothing moves, nothing blinks."""
    monkeypatch.setattr("textual.constants.TEXTUAL_ANIMATIONS", "none")

    def compare(steps, *rows, size=(80, 24), **options):
        app = ShelfApp(FakeModels(*[dict(row) for row in rows or ROWS]), **options)

        async def act(pilot):
            shelf = Shelf(pilot)
            await shelf.settle()
            await steps(shelf)

        return snap_compare(app, terminal_size=size, run_before=act)

    return compare


async def downloading(shelf: Shelf) -> None:
    await shelf.press("d")
    shelf.commands.plan(E4B, 6.0, 6.83)
    await shelf.settle()
    await shelf.going(E4B, 1.2, 6.83, after_s=10)


async def failed(shelf: Shelf) -> None:
    await shelf.press("d")
    shelf.commands.fail(E4B)
    await shelf.settle()


async def too_big(shelf: Shelf) -> None:
    await shelf.choose(BIG)
    await shelf.press("d")


async def told(shelf: Shelf) -> None:
    await shelf.press("i")


async def deleting(shelf: Shelf) -> None:
    await shelf.choose(MINE["name"])
    await shelf.press("delete")


def test_first_run(draw):
    assert draw(downloading, is_first_run=True)


def test_failed_on_a_small_screen(draw):
    assert draw(failed, size=(60, 20))


def test_too_big(draw):
    assert draw(too_big)


def test_info(draw):
    assert draw(told)


def test_deleting_on_a_wide_screen(draw):
    assert draw(deleting, *ROWS, MINE, size=(120, 34), current=MINE["name"])
