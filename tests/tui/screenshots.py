"""Pictures of the chat for the README: the real program with the bundled model, drawn anew.

python -m tests.tui.screenshots docs
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from PIL import Image

from gemma4_mlx.engine import EngineClient
from gemma4_mlx.folders import HOME_VARIABLE
from tests.tui.driver import Chat
from tui.app import ChatApp
from tui.screens.chat.screen import ChatScreen
from tui.settings.options import ChatOptions
from tui.settings.preferences import Preferences
from tui.settings.toml_file import settings_path

EXAMPLES = Path(__file__).parents[2] / "examples"
PICTURE = EXAMPLES / "yellow-star-green-triangle.jpg"
OTHER_PICTURE = EXAMPLES / "red-star-orange-square-blue-circle.png"
CLIP = EXAMPLES / "the-word-seven.wav"

SIZE = (96, 24)
LARGE = (96, 27)
WIDTH = 1100
"""Of a picture, in pixels."""
LARGEST_BYTES = 300_000
PATIENCE_S = 120.0
CONVERTER = "rsvg-convert"

Scene = Callable[[Chat], Awaitable[None]]


async def ready(chat: Chat) -> None:
    """Wait for the model, and for the end of an answer."""
    screen = chat.app.screen_stack[0]
    assert isinstance(screen, ChatScreen)
    until = time.monotonic() + PATIENCE_S
    while screen.model is None or screen.is_answering:
        assert time.monotonic() < until, chat.text
        await asyncio.sleep(0.05)
    await chat.settle()


async def asked(chat: Chat, question: str, *files: Path) -> None:
    """Ask, and wait for the answer."""
    for file in files:
        await chat.paste(str(file))
    await chat.enter(question)
    await ready(chat)


async def conversation(chat: Chat) -> None:
    """A picture and a clip, asked about and answered."""
    await asked(chat, "What is in the picture?", PICTURE)
    await asked(chat, "What does the clip say?", CLIP)


async def draft(chat: Chat) -> None:
    """A draft with attachments, the budget of one about to be chosen."""
    await chat.enter("/new")
    for file in (OTHER_PICTURE, PICTURE, CLIP):
        await chat.paste(str(file))
    await chat.write("How many shapes are there in both pictures together?")
    await chat.press("up", "up", "up", "right", "right")


async def completion(chat: Chat) -> None:
    """A file that is being chosen by its name."""
    await chat.press("escape")
    await chat.enter("/drop all")
    await chat.press("@", *"star")


async def sessions(chat: Chat) -> None:
    """The kept chats."""
    await chat.press("escape")
    for question in ("What is 3 plus 4?", "How do I attach a picture?"):
        await asked(chat, question)
        await chat.enter("/new")
    await chat.press("ctrl+s")


async def settings(chat: Chat) -> None:
    """The settings."""
    await chat.press("escape", "f2")


async def models(chat: Chat) -> None:
    """The models, and what fits this machine."""
    await chat.press("escape", "ctrl+o")
    until = time.monotonic() + PATIENCE_S
    while "E4B" not in chat.text:
        assert time.monotonic() < until, chat.text
        await asyncio.sleep(0.1)
    await chat.settle()


SCENES: dict[str, Scene] = {
    "chat": conversation,
    "budget": draft,
    "files": completion,
    "sessions": sessions,
    "settings": settings,
    "models": models,
}
"""In the order in which they are played; each goes on where the one before ended."""
LONG = ("models", "settings")
FOR_THE_README = ["chat", "budget"]


async def play(folder: Path, names: list[str]) -> None:
    """Play the scenes, and draw those that are named."""
    engine = EngineClient("pocket")
    preferences = Preferences.of(settings_path())
    app = ChatApp(engine, ChatOptions.resolve({}, preferences.settings), preferences)
    try:
        async with app.run_test(size=SIZE) as pilot:
            chat = Chat(pilot, engine)  # type: ignore[arg-type]
            await ready(chat)
            chat.prompt.cursor_blink = False
            for name, scene in SCENES.items():
                await scene(chat)
                await pilot.resize_terminal(*(LARGE if name in LONG else SIZE))
                await pilot.pause(0.2)
                if name in names:
                    draw(app.export_screenshot(title="gemma4"), folder / f"{name}.png")
    finally:
        engine.close()


def draw(svg: str, path: Path) -> None:
    """Write a drawing as a small PNG."""
    # The converter drops spaces at the start, does not fit text to its length, and cuts the
    # last line below its letters.
    svg = svg.replace("<svg ", '<svg xml:space="preserve" ', 1)
    svg = svg.replace("<style>", "<style>text { letter-spacing: -0.11px }", 1)
    svg = re.sub(
        r'(clip-terminal">\s*<rect[^>]* height=")([\d.]+)',
        lambda match: f"{match[1]}{float(match[2]) + 6}",
        svg,
    )
    made = subprocess.run(
        [CONVERTER, "--width", str(2 * WIDTH)], input=svg.encode(), capture_output=True, check=True
    )
    image = Image.open(io.BytesIO(made.stdout)).convert("RGB")
    height = round(image.height * WIDTH / image.width)
    image = image.resize((WIDTH, height), Image.Resampling.LANCZOS)
    # Few pixels are green, and they are to stay so.
    image = image.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
    image.save(path, optimize=True)
    assert path.stat().st_size < LARGEST_BYTES, f"{path} has {path.stat().st_size} bytes"
    sys.stdout.write(f"{path}: {path.stat().st_size // 1000} kB\n")


def main() -> None:
    """Draw what is asked for into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "names",
        help="default: those of the README",
        nargs="*",
        default=FOR_THE_README,
        metavar="NAME",
    )
    arguments = parser.parse_args()
    if shutil.which(CONVERTER) is None:
        sys.exit(f"{CONVERTER} is not installed: brew install librsvg, or apt install librsvg2-bin")
    with tempfile.TemporaryDirectory() as home:
        os.environ |= {HOME_VARIABLE: home, "TEXTUAL_ANIMATIONS": "none", "TERM": "xterm-256color"}
        os.environ.pop("NO_COLOR", None)
        folder = arguments.folder.absolute()
        os.chdir(EXAMPLES)
        asyncio.run(play(folder, arguments.names))


if __name__ == "__main__":
    main()
