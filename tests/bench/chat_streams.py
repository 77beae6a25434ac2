"""Answers that stream into the chat: `python -m tests.bench.chat_streams [--seconds N]`.

A scripted engine writes 60 tokens a second of prose, code, a list and a table, each token an
event, as a fast model would. Reported are the share of one core that the chat takes, the longest
time in which a key would have had to wait, and how long after the last token all of the answer is
on the screen. Then: the first frame of a new process, and opening a chat of 200 turns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import count, islice

from gemma4_mlx.engine import FakeEngine
from gemma4_mlx.events import Finished, TextDelta, Timings, Usage
from tui.app import ChatApp
from tui.chat.conversation import Conversation, Draft
from tui.settings.options import ChatOptions

TOKENS_PER_S = 60
SIZE = (120, 40)
WORDS = (
    "The",
    "answer",
    "goes",
    "on",
    "with",
    "words",
    "of",
    "all",
    "lengths,",
    "as",
    "they",
    "do",
)
FINISHED = Finished("stop", Usage(100, 0, 100), Timings(0.0, 0.2, 800.0, 60.0))
FIRST_FRAME = """
import asyncio, time
from gemma4_mlx.engine import FakeEngine
from tui.app import ChatApp

async def main():
    async with ChatApp(FakeEngine(loading=[])).run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        print(time.time())

asyncio.run(main())
"""


def prose() -> Iterator[str]:
    """Paragraphs of 60 words."""
    for number in count(1):
        yield WORDS[number % len(WORDS)] + ("\n\n" if number % 60 == 0 else " ")


def code() -> Iterator[str]:
    """One block that never ends."""
    yield "```python\n"
    for number in count(1):
        yield from ("    value", f"_{number}", " = ", "compute", "(", f"{number}", ")", "\n")


def items() -> Iterator[str]:
    """One numbered list."""
    for number in count(1):
        yield from (f"{number}", ". ", "**point**", " of", " some", " words", "\n")


def table() -> Iterator[str]:
    """One table."""
    yield "| number | square | word |\n|---|---|---|\n"
    for number in count(1):
        yield from ("| ", f"{number}", " | ", f"{number**2}", " | ", "word", " |\n")


STREAMS = {"prose": prose, "code": code, "list": items, "table": table}


class _Pulse:
    """The longest time that the event loop was busy."""

    def __init__(self) -> None:
        self.longest_s = 0.0

    async def beat(self) -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.01)
            self.longest_s = max(self.longest_s, time.perf_counter() - began - 0.01)


async def measure_stream(tokens: Iterator[str], seconds: float) -> dict[str, float]:
    """Stream for so long."""
    engine, pulse = FakeEngine([[]]), _Pulse()
    app = ChatApp(engine, ChatOptions(keep_chats=False))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        app.chat.write("go")
        await pilot.press("enter")
        await pilot.pause()
        beating = asyncio.create_task(pulse.beat())
        began, cpu = time.perf_counter(), time.process_time()
        for number, token in enumerate(islice(tokens, int(seconds * TOKENS_PER_S)), 1):
            engine.tell(TextDelta(token))
            await asyncio.sleep(max(0.0, began + number / TOKENS_PER_S - time.perf_counter()))
        ended = time.perf_counter()
        share = (time.process_time() - cpu) / (ended - began)
        engine.tell(FINISHED)
        await pilot.pause()
        lag_s = time.perf_counter() - ended
        beating.cancel()
    return {"cpu_share": share, "longest_wait_s": pulse.longest_s, "last_text_after_s": lag_s}


def long_chat(turns: int) -> Conversation:
    """Questions, and answers with a list and code."""
    conversation = Conversation()
    for number in range(turns):
        conversation.ask(Draft(f"Question {number}"))
        text = f"Answer **{number}**\n\n1. one\n2. two\n\n```python\nx = {number}\n```\n\nThe end."
        conversation.hear(TextDelta(text))
        conversation.hear(FINISHED)
    return conversation


async def measure_opening(turns: int) -> float:
    """Seconds until the end of a long chat is on the screen."""
    conversation = long_chat(turns)
    app = ChatApp(FakeEngine(), ChatOptions(keep_chats=False))
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        began = time.perf_counter()
        await app.chat.take(conversation)
        await pilot.pause()
        return time.perf_counter() - began


def measure_first_frame() -> float:
    """Seconds from the start of a process to the first frame of the chat in it."""
    began = time.time()
    done = subprocess.run(
        [sys.executable, "-c", FIRST_FRAME], capture_output=True, text=True, check=True
    )
    return float(done.stdout) - began


def main() -> None:
    """Print a table, then one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--turns", type=int, default=200)
    asked = parser.parse_args()
    os.environ.setdefault("COLORTERM", "truecolor")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GEMMA4_HOME"] = folder
        frame_s = statistics.median(measure_first_frame() for _ in range(3))
        opening_s = asyncio.run(measure_opening(asked.turns))
        streams = {
            name: asyncio.run(measure_stream(tokens(), asked.seconds))
            for name, tokens in STREAMS.items()
        }
    print(f"{'':8}{'of a core':>12}{'longest wait':>16}{'last text after':>18}")
    for name, row in streams.items():
        share, wait_s, lag_s = row.values()
        print(f"{name:8}{share:11.0%} {wait_s:14.2f} s{lag_s:16.2f} s")
    print(f"first frame, from process start: {frame_s:.2f} s")
    print(f"opening a chat of {asked.turns} turns: {opening_s:.2f} s")
    print(json.dumps({"streams": streams, "first_frame_s": frame_s, "opening_s": opening_s}))


if __name__ == "__main__":
    main()
