"""Pictures of the screen: `pytest tests/tui/test_snapshots.py --snapshot-update` after a look."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gemma4_mlx.engine import FakeEngine
from gemma4_mlx.events import (
    EngineLost,
    Failed,
    Finished,
    LoadProgress,
    MediaReceipt,
    PromptProgress,
    TextDelta,
    ThoughtDelta,
    Timings,
    ToolCall,
    Usage,
)
from tests.tui.driver import FINISHED, Chat, clip, picture
from tui.app import ChatApp
from tui.settings.options import ChatOptions

SHAPES = MediaReceipt("image", "shapes.png", 266, 266, 640, 480, 912, 672, 280)
VOICE = MediaReceipt("audio", "voice.wav", 18, 18, seconds=0.7)
THOUGHTS = ThoughtDelta("There are two shapes in the picture: a star and a circle.")
ANSWER = [SHAPES, VOICE, THOUGHTS, TextDelta("A red star and a blue circle.")]
SHORT = [TextDelta("A red star."), FINISHED]
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
MIXED = """\
- one
  - nested <b>raw</b> &amp; more
- two

<div>a block</div>

[1]: http://not.a/reference

> 你好, 世界 🎉 שלום"""
FENCE = TextDelta("So:\n\n```python\ndef area(r: float) -> float:\n    return 3.1")
OUT_OF_MEMORY = Failed(
    "MemoryLimitError", "the engine ran out of memory", "use a smaller image budget", 4
)
HALF_LOADED = LoadProgress(3_100_000_000, 5_200_000_000)
LOST = EngineLost(
    "the process with the model was killed (signal 9)",
    "the system may have been out of memory: fewer pictures take less",
    "/home/you/.local/state/gemma4/logs/engine.log",
)


def used(tokens: int) -> list:
    """An answer after which so many tokens are used."""
    return [TextDelta("Well."), Finished("stop", Usage(tokens - 9, 0, 9), Timings(0, 0.2, 800, 60))]


@pytest.fixture
def draw(snap_compare, monkeypatch):
    """Compare the screen after `steps`; nothing moves, nothing blinks, no time passes."""
    monkeypatch.setattr("textual.constants.TEXTUAL_ANIMATIONS", "none")

    def compare(steps, *turns, size=(80, 24), loading=None, **options):
        engine = FakeEngine(turns, loading=loading)

        async def act(pilot):
            chat = Chat(pilot, engine)
            chat.app.chat.conversation._clock = lambda: 0.0
            await chat.settle()
            chat.prompt.cursor_blink = False
            await steps(chat)

        app = ChatApp(engine, ChatOptions(keep_chats=False, **options))
        return snap_compare(app, terminal_size=size, run_before=act)

    return compare


def typed(*lines):
    """Send lines, one after the other."""

    async def steps(chat):
        for line in lines:
            await chat.enter(line)

    return steps


def pressed(line, *keys):
    """Send a line, then press keys."""

    async def steps(chat):
        await chat.enter(line)
        await chat.press(*keys)

    return steps


def test_ready(draw):
    assert draw(typed())


def test_loading(draw):
    assert draw(typed("Hello?"), loading=[HALF_LOADED], model="google/gemma-4-E2B-it")


def drafting(folder, *, budget):
    async def steps(chat):
        await chat.enter(f"/budget {budget}")
        await chat.enter(f"/image {picture(folder)}")
        await chat.write("Which shapes do you see,\nand what colours?")
        await chat.press("up", "up")

    return steps


def asking(folder):
    lines = f"/image {picture(folder)}", f"/audio {clip(folder)}", "Which shapes do you see?"
    return typed(*lines)


def test_reading_the_prompt(draw):
    assert draw(typed("Go"), [PromptProgress(812, 1240)])


def test_waiting_for_its_turn(draw):
    assert draw(typed("Go", "And then?"), [TextDelta("Once upon")])


def test_streaming(draw, tmp_path):
    assert draw(asking(tmp_path), ANSWER)


def test_thinking_unfolded(draw):
    assert draw(pressed("Go", "alt+up", "t"), [THOUGHTS])


def test_half_a_code_block(draw):
    assert draw(typed("Go"), [THOUGHTS, FENCE])


def test_stopped(draw, tmp_path):
    async def steps(chat):
        await asking(tmp_path)(chat)
        await chat.press("escape")

    assert draw(steps, ANSWER)


def test_code_table_and_tags(draw):
    assert draw(typed("Show me"), [TextDelta(MARKDOWN), FINISHED])


def test_lists_tags_and_scripts(draw):
    assert draw(typed("Show me"), [TextDelta(MIXED), FINISHED])


def test_a_focused_code_block(draw):
    assert draw(pressed("Show me", "alt+up"), [TextDelta(MARKDOWN), FINISHED])


def test_a_tool_call(draw):
    calls = [ToolCall("weather", {"city": "Lisbon", "days": 3}), ToolCall("x", {}, "no value")]
    assert draw(typed("Go"), [*calls, replace(FINISHED, reason="tool_call")])


def test_another_version_of_a_question(draw):
    async def steps(chat):
        await chat.enter("What is it?")
        await chat.press("alt+up", "alt+up", "e")
        await chat.enter("What is that?")
        await chat.press("alt+up", "alt+up")

    assert draw(steps, SHORT, SHORT)


def test_editing_a_question(draw):
    assert draw(pressed("What is it?", "alt+up", "e"), SHORT)


def test_failed(draw, tmp_path):
    assert draw(asking(tmp_path), [OUT_OF_MEMORY])


def test_a_lost_engine(draw):
    async def steps(chat):
        await chat.enter("Go")
        await chat.tell(LOST)

    assert draw(steps, [TextDelta("Half an answer")])


def test_an_almost_full_context(draw):
    async def steps(chat):
        await chat.enter("Go")
        await chat.write("And then?")

    assert draw(steps, used(3890))


def test_a_held_draft(draw, tmp_path):
    assert draw(typed("Go", "On", f"/image {picture(tmp_path)}", "This?"), used(2000), used(3700))


def test_new_text_below(draw):
    lines = "\n\n".join(f"this is line {number}" for number in range(30))

    async def steps(chat):
        await chat.enter("Count")
        await chat.press("pageup")
        await chat.tell(TextDelta("\n\nand more of it"))

    assert draw(steps, [TextDelta(lines)])


@pytest.mark.parametrize("size", [(60, 20), (120, 34)], ids=["60x20", "120x34"])
def test_other_windows(draw, tmp_path, size):
    async def steps(chat):
        await asking(tmp_path)(chat)
        await drafting(tmp_path, budget=560)(chat)

    assert draw(steps, [*ANSWER, FINISHED], size=size)
