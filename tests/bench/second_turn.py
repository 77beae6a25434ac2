"""Compare later turns with reading all again: `python -m tests.bench.second_turn [--model NAME]`.

A picture and about 2000 tokens are read in a first turn. What follows is asked of a session each
time, and once of a new one, which reads everything. Seconds are those to the first token; medians
of some rounds, in which the kinds of turns alternate.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gemma4_mlx as g4
from gemma4_mlx.events import Event, Finished
from gemma4_mlx.session import Session

PICTURE = Path(__file__).parents[2] / "examples" / "yellow-star-green-triangle.jpg"
TEXT = "The list goes on: a red star, a blue circle and a green square. " * 115
OPTIONS: dict[str, Any] = {"max_tokens": 32, "temperature": 0.0}


def first_question() -> dict[str, Any]:
    """A picture and much text."""
    picture = {"type": "image", "path": str(PICTURE), "image_tokens": 70}
    return {"role": "user", "content": [picture, {"type": "text", "text": TEXT}]}


def turns(model: Any, processor: Any, folder: Path) -> Iterator[tuple[str, Iterator[Event]]]:
    """Name -> events of a turn, to be used up before the next is asked for."""
    session = Session(model, processor)
    yield "first turn", session.send(first_question(), **OPTIONS)
    yield "second turn", session.send("Who are you?", **OPTIONS)
    asked = session.messages[:-1]
    yield "the same, all read again", Session(model, processor).answer(asked, **OPTIONS)
    yield "answered again", session.regenerate(**OPTIONS)
    yield "its question edited", session.edit(2, "Can you see pictures?", **OPTIONS)
    session.save(folder / "session")
    restored = Session(model, processor)
    restored.restore(folder / "session", session.messages)
    yield "third turn, restored from disk", restored.send("Who are you?", **OPTIONS)


def measure(name: str, rounds: int) -> dict[str, dict[str, Any]]:
    """Turn -> positions, rows that were read, and seconds to the first token."""
    model, processor = g4.load(name)
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    rows: dict[str, dict[str, Any]] = {}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for turn, events in turns(model, processor, Path(folder)):
                *_, finished = events
                assert isinstance(finished, Finished)
                usage = finished.usage
                seconds[turn].append(finished.timings.first_token_s)
                read = usage.prompt_tokens - usage.reused_tokens
                rows[turn] = {"prompt": usage.prompt_tokens, "read": read}
    return {
        turn: {**row, "first_token_s": statistics.median(seconds[turn])}
        for turn, row in rows.items()
    }


def main() -> None:
    """Print a table, then one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    results = measure(asked.model, asked.rounds)
    print(f"{'':32}{'prompt':>8}{'read':>8}{'first token':>14}")
    for turn, row in results.items():
        print(f"{turn:32}{row['prompt']:8}{row['read']:8}{row['first_token_s']:12.3f} s")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
