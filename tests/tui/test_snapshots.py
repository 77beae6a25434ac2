"""Pictures of the screen: `pytest tests/tui/test_snapshots.py --snapshot-update` after a look."""

from __future__ import annotations

import pytest

from gemma4_mlx.engine import FakeEngine
from gemma4_mlx.events import Failed, LoadProgress, MediaReceipt, TextDelta, ThoughtDelta
from tests.tui.driver import FINISHED, Chat, clip, picture
from tui.app import ChatApp
from tui.options import ChatOptions

SHAPES = MediaReceipt("image", "shapes.png", 266, 266, 640, 480, 912, 672, 280)
VOICE = MediaReceipt("audio", "voice.wav", 18, 18, seconds=0.7)
THOUGHTS = ThoughtDelta("There are two shapes in the picture: a star and a circle.")
ANSWER = [SHAPES, VOICE, THOUGHTS, TextDelta("A red star and a blue circle.")]
MARKDOWN = """\
Use `std::vector<int>`. <think>This stays.</think>

| shape | colour |
|---|---|
| star | red |

```python
def area(r: float) -> float:
    return 3.14 * r ** 2
```

1. first
2. second"""
OUT_OF_MEMORY = Failed(
    "MemoryLimitError", "the engine ran out of memory", "use a smaller image budget", 4
)
HALF_LOADED = LoadProgress(3_100_000_000, 5_200_000_000)


@pytest.fixture
def draw(snap_compare, monkeypatch):
    """Compare the screen after `steps`; nothing moves, nothing blinks."""
    monkeypatch.setattr("textual.constants.TEXTUAL_ANIMATIONS", "none")

    def compare(steps, *turns, size=(80, 24), loading=None, **options):
        engine = FakeEngine(turns, loading=loading)

        async def act(pilot):
            chat = Chat(pilot, engine)
            await chat.settle()
            chat.prompt.cursor_blink = False
            await steps(chat)

        app = ChatApp(engine, ChatOptions(**options))
        return snap_compare(app, terminal_size=size, run_before=act)

    return compare


async def nothing(chat):
    pass


def test_ready(draw):
    assert draw(nothing)


def test_loading(draw):
    async def steps(chat):
        await chat.enter("Hello?")

    assert draw(steps, loading=[HALF_LOADED], model="google/gemma-4-E2B-it")


def drafting(folder, *, budget):
    async def steps(chat):
        await chat.enter(f"/budget {budget}")
        await chat.enter(f"/image {picture(folder)}")
        await chat.write("Which shapes do you see,\nand what colours?")
        await chat.press("up", "up")

    return steps


@pytest.mark.parametrize("budget", [280, 1120])
def test_draft_with_a_picture(draw, tmp_path, budget):
    assert draw(drafting(tmp_path, budget=budget))


def test_draft_with_a_clip(draw, tmp_path):
    async def steps(chat):
        await chat.enter(f"/audio {clip(tmp_path)}")

    assert draw(steps)


def test_a_row_with_an_error(draw, tmp_path):
    async def steps(chat):
        (tmp_path / "voice.wav").touch()
        await chat.enter(f"/audio {tmp_path / 'voice.wav'}")
        await chat.enter(f"/image {picture(tmp_path)}")
        await chat.enter("/image nowhere.png")

    assert draw(steps)


def asking(folder):
    async def steps(chat):
        await chat.enter(f"/image {picture(folder)}")
        await chat.enter(f"/audio {clip(folder)}")
        await chat.enter("Which shapes do you see?")

    return steps


def test_streaming(draw, tmp_path):
    assert draw(asking(tmp_path), ANSWER)


def test_stopped(draw, tmp_path):
    async def steps(chat):
        await asking(tmp_path)(chat)
        await chat.press("escape")

    assert draw(steps, ANSWER)


async def markdown(chat):
    await chat.enter("Show me")


def test_code_table_and_tags(draw):
    assert draw(markdown, [TextDelta(MARKDOWN), FINISHED])


def test_failed(draw, tmp_path):
    assert draw(asking(tmp_path), [OUT_OF_MEMORY])


def test_help(draw):
    async def steps(chat):
        await chat.enter("/help")

    assert draw(steps)


@pytest.mark.parametrize("size", [(60, 20), (120, 34)], ids=["60x20", "120x34"])
def test_other_windows(draw, tmp_path, size):
    async def steps(chat):
        await asking(tmp_path)(chat)
        await drafting(tmp_path, budget=560)(chat)

    assert draw(steps, [*ANSWER, FINISHED], size=size)
