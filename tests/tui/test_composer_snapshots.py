"""Pictures of the composer: `pytest tests/tui/test_composer_snapshots.py --snapshot-update`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from gemma4_mlx.messages import IMAGE_TOKEN_BUDGETS
from tests.tui.composing import ComposerApp, Composing
from tests.tui.devices import FakeMicrophone
from tests.tui.driver import clip, picture
from tests.tui.page import page


@pytest.fixture
def draw(snap_compare, monkeypatch, tmp_path):
    """Compare the screen after `steps`; nothing moves, and all paths are the same everywhere."""
    monkeypatch.setattr("textual.constants.TEXTUAL_ANIMATIONS", "none")
    monkeypatch.setenv("GEMMA4_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("SSH_CONNECTION", "TERM_PROGRAM"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr("tui.screens.files.home_path", lambda folder: f"~/{folder.name}")

    def compare(steps, *, size=(80, 24)):
        async def act(pilot):
            chat = Composing(pilot)
            await chat.settle()
            await steps(chat)

        return snap_compare(ComposerApp(), terminal_size=size, run_before=act)

    return compare


def landscape(name: str = "IMG_4021.png") -> str:
    """A picture with something in it."""
    image = Image.linear_gradient("L").resize((640, 480)).convert("RGB")
    drawing = ImageDraw.Draw(image)
    drawing.polygon([(0, 480), (220, 160), (440, 480)], fill=(60, 90, 70))
    drawing.ellipse((440, 60, 560, 180), fill=(255, 220, 90))
    image.save(name)
    os.utime(name, (0, 0))
    return name


def small_files() -> list[str]:
    """Five files, in the order in which a list has them."""
    page().save("receipt.png")
    here = Path.cwd()
    names = [landscape(), "receipt.png", picture(here, "icon.png", (64, 64)).name]
    return [*names, clip(here, "voice.wav", 7).name, clip(here, "talk.wav", 65).name]


async def drop(chat, *names: str) -> None:
    await chat.drop(*(os.path.abspath(name) for name in names))


def test_a_row_at_every_budget(draw):
    async def steps(chat):
        for place, budget in enumerate((*IMAGE_TOKEN_BUDGETS, "auto")):
            await drop(chat, landscape(f"{place}.png"))
            chat.composer.attached.set_budget(budget, f"{place + 1}")

    assert draw(steps)


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (50, 15)], ids=["80x24", "60x20", "50x15"])
def test_pictures_and_sound_and_advice(draw, size):
    async def steps(chat):
        await drop(chat, *small_files())
        await chat.write("What is on these?\nAnd what is said?")

    assert draw(steps, size=size)


def test_a_focused_row(draw):
    async def steps(chat):
        await drop(chat, *small_files()[:4])
        await chat.press("up", "up")

    assert draw(steps)


def test_rows_that_cannot_be_sent(draw):
    async def steps(chat):
        with open("broken.png", "w") as file:
            file.write("no picture")
        os.mkdir("scans.tiff")
        await drop(chat, "broken.png", landscape())
        chat.composer.attached.attach("scans.tiff", "image")

    assert draw(steps)


def test_commands_to_choose_from(draw):
    async def steps(chat):
        await chat.type("/")
        await chat.press("down")

    assert draw(steps)


def test_files_to_choose_from(draw):
    async def steps(chat):
        small_files()
        await chat.type("what is @i")

    assert draw(steps, size=(60, 20))


def recording(seconds: float, loudness: int = 9000):
    async def steps(chat):
        chat.composer.microphone = microphone = FakeMicrophone()
        await chat.press("ctrl+r")
        microphone.hear(seconds, loudness=loudness)
        chat.composer.recorder.take_in()

    return steps


@pytest.mark.parametrize("seconds", [7, 27])
def test_recording(draw, seconds):
    assert draw(recording(seconds))


def test_a_silent_microphone(draw, monkeypatch):
    hint = "allow Terminal in System Settings > Privacy & Security > Microphone"
    monkeypatch.setattr("tui.widgets.recorder.permission_hint", lambda: hint)
    assert draw(recording(3, loudness=0))


@pytest.mark.parametrize("size", [(80, 24), (60, 20)], ids=["80x24", "60x20"])
def test_the_files(draw, size):
    async def steps(chat):
        small_files()
        await chat.press("ctrl+f")
        await chat.type("o")
        await chat.press("space", "backspace")
        await chat.type("img")

    assert draw(steps, size=size)


def test_a_preview(draw):
    async def steps(chat):
        await drop(chat, landscape())
        await chat.press("up", "space")

    assert draw(steps)
