"""An answer on standard output: as it comes, or as JSON at its end."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

import click

from gemma4_mlx.cli.attachments import in_frames
from gemma4_mlx.cli.notes import Notes
from gemma4_mlx.events import (
    Event,
    Finished,
    MediaReceipt,
    PromptProgress,
    TextDelta,
    ThoughtDelta,
    ToolCall,
    Usage,
)
from gemma4_mlx.printable import printable


class Answer:
    """Takes a turn's events and prints them.

    On a terminal control characters are shown as signs: a model can be talked into writing such as
    take it over. A pipe gets every character as it came.

    Args:
        notes: where everything goes that is not the answer.
        as_json: print one JSON object instead of the text.
        load_s: how long loading the model took.
    """

    def __init__(self, notes: Notes, *, as_json: bool, load_s: float) -> None:
        self._notes = notes
        self._as_json = as_json
        self._load_s = load_s
        self._is_on_terminal = sys.stdout is not None and sys.stdout.isatty()
        self._text = ""
        self._thought = ""
        self._calls: list[ToolCall] = []
        self._media: list[MediaReceipt] = []
        self._printed = 0  # characters of the text
        self._is_thinking = False

    def tell(self, events: Iterable[Event]) -> None:
        """Take a whole turn."""
        for event in events:
            match event:
                case MediaReceipt():
                    self._media.append(event)
                    self._notes.aside(f"{_in_words(event)}\n")
                    if event.left_out:
                        self._notes.always(_left_out(event))
                case PromptProgress():
                    self._notes.status(_reading(event))
                case ThoughtDelta(text):
                    self._thought += text
                    self._is_thinking = True
                    self._notes.aside(printable(text))
                case TextDelta(text):
                    self._text += text
                    self._print()
                case ToolCall():
                    self._calls.append(event)
                case Finished():
                    self.end(event)

    def end(self, finished: Finished) -> None:
        """Print what is left; the answer ends in one newline, however many the model wrote."""
        self._end_thought()
        if self._as_json:
            click.echo(json.dumps(self._json(finished), ensure_ascii=False))
        elif self._printed or finished.reason != "cancelled":
            click.echo()
        for call in self._calls:
            name = call.name or "without a name"
            self._notes.always(f"note: the model called a tool, {name}; it was given none")
        if finished.reason == "length":
            written = finished.usage.completion_tokens
            self._notes.always(f"note: the answer was cut off after {written} tokens")
        if finished.reason == "loop":
            self._notes.always("note: the answer was stopped, because it only repeated itself")

    def _print(self) -> None:
        ready = self._text.rstrip("\n")[self._printed :]
        if ready and not self._as_json:
            self._end_thought()
            shown = printable(ready) if self._is_on_terminal else ready
            click.echo(shown, nl=False)
            self._printed += len(ready)

    def _end_thought(self) -> None:
        self._notes.status("")
        if self._is_thinking:
            self._notes.aside("\n\n")
            self._is_thinking = False

    def _json(self, finished: Finished) -> dict[str, Any]:
        return {
            "text": self._text,
            "thought": self._thought,
            "tool_calls": [asdict(call) for call in self._calls],
            "finish_reason": finished.reason,
            "usage": _counted(finished.usage),
            "media": [_in_json(receipt) for receipt in self._media],
            "timings": asdict(replace(finished.timings, load_s=self._load_s)),
            "memory": {"peak_bytes": finished.peak_bytes},
        }


def _reading(progress: PromptProgress) -> str:
    if progress.is_encoding:
        return f"looking at what is attached, {progress.encoded + 1} of {progress.to_encode}"
    is_over = progress.done == progress.total
    return "" if is_over else f"reading {progress.done} of {progress.total} tokens"


def _counted(usage: Usage) -> dict[str, int]:
    fields = asdict(usage)
    del fields["thought_tokens"]  # no part of what programs were promised
    return fields


def _in_json(receipt: MediaReceipt) -> dict[str, Any]:
    fields = {**asdict(receipt), "factor": round(receipt.factor, 3)}
    del fields["cached"]  # A single question has nothing encoded before.
    return fields


def _in_words(receipt: MediaReceipt) -> str:
    if receipt.kind == "audio":
        start = f" from {receipt.start_s:.1f} s on" if receipt.start_s else ""
        return f"{receipt.name}: {receipt.seconds:.1f} s{start}, {receipt.tokens} tokens"
    size = f"{receipt.width}x{receipt.height}"
    if receipt.kind == "video":
        frames = in_frames(receipt.frames, receipt.seconds)
        size = f"{receipt.seconds:.1f} s, {frames}, {size}"
    seen = f"{receipt.seen_width}x{receipt.seen_height}"
    return f"{receipt.name}: {size}, seen at {seen}, {receipt.tokens} tokens"


def _left_out(receipt: MediaReceipt) -> str:
    is_sound = receipt.left_out == "sound"
    why = "this model does not hear" if is_sound else "only the first is seen"
    return f"note: {receipt.name}: without its {receipt.left_out}, for {why}"
