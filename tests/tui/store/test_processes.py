"""Programs that are killed while they write, and two that write at once."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from time import sleep

from tui.store import Store

ROOT = Path(__file__).parents[3]

BEGIN = """
import asyncio, sys
from pathlib import Path
from gemma4_mlx.events import Finished, TextDelta
from tui.chat.conversation import Conversation, Draft
from tui.store import AsyncStore

folder, name = Path(sys.argv[1]), sys.argv[2]
"""

# Writes an answer without end.
ENDLESS = """
async def main():
    store = AsyncStore(folder, every_s=0.05)
    assert not await store.open()
    chat = Conversation()
    chat.ask(Draft("Count!"))
    await store.save(chat)
    print("asked", flush=True)
    number = 0
    while True:
        chat.hear(TextDelta(f"{(number := number + 1)} "))
        store.save_soon(chat)
        await asyncio.sleep(0.01)

asyncio.run(main())
"""

# Twenty turns in a chat of its own, each written as the screen would.
TALK = """
async def main():
    store = AsyncStore(folder, every_s=0.01)
    assert not await store.open()
    chat = Conversation(title=name)
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(20):
        chat.ask(Draft(f"{name} {number}"))
        await store.save(chat)
        chat.hear(TextDelta("an answer"))
        store.save_soon(chat)
        chat.hear(Finished("stop"))
        await store.save(chat)
    assert not store.trouble, store.trouble
    await store.close()

asyncio.run(main())
"""


@contextmanager
def running(program: str, folder: Path, name: str = ""):
    process = subprocess.Popen(
        [sys.executable, "-c", BEGIN + program, str(folder), name],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_words(path: Path, least: int) -> int:
    """How many words of the answer are on the disk while it is still being written."""
    connection = sqlite3.connect(path, timeout=30)
    words = 0
    for _ in range(3000):
        (text,) = connection.execute("SELECT text FROM entry WHERE state = 'writing'").fetchone()
        words = len(text.split())
        if words >= least:
            break
        sleep(0.01)
    connection.close()
    return words


def test_a_program_that_is_killed_while_it_writes_loses_only_its_last_words(tmp_path):
    with running(ENDLESS, tmp_path) as process:
        assert process.stdout.readline() == "asked\n"
        seen = wait_for_words(tmp_path / "chats.db", 5)
        process.kill()
        process.wait()
    store = Store.open(tmp_path)
    assert not store.trouble
    (row,) = store.sessions()
    question, answer = store.load(row.id).branch()
    assert question.text == "Count!"
    assert answer.state == "stopped"
    numbers = answer.text.split()
    assert len(numbers) >= seen >= 5
    assert numbers == [str(number + 1) for number in range(len(numbers))]
    assert store.sessions("Count")[0].id == row.id
    store.close()


def test_two_chats_at_once_on_one_database(tmp_path):
    with running(TALK, tmp_path, "left") as left, running(TALK, tmp_path, "right") as right:
        for each in (left, right):
            assert each.stdout.readline() == "ready\n"
        for each in (left, right):
            each.stdin.write("go\n")
            each.stdin.flush()
        assert [left.wait(60), right.wait(60)] == [0, 0]
    store = Store.open(tmp_path)
    rows = {row.title: row for row in store.sessions()}
    assert sorted(rows) == ["left", "right"]
    for name, row in rows.items():
        chat = store.load(row.id)
        questions = [entry.text for entry in chat.branch()[::2]]
        assert questions == [f"{name} {number}" for number in range(20)]
        assert {entry.state for entry in chat.branch()} == {"done"}
    store.close()
