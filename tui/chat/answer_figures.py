"""How an answer ended, and what its thoughts took, in a line."""

from __future__ import annotations

from tui import figures
from tui.chat.entry import Entry


def ending(answer: Entry) -> str:
    """The line under an answer that has ended: how, if not well, and its figures."""
    finished = answer.finished
    if answer.state == "failed":
        return f"{manner(answer)} · r tries again"
    figured = figures.stats(finished) if finished and finished.usage.prompt_tokens else ""
    return " · ".join(filter(None, (manner(answer), figured)))


def manner(answer: Entry) -> str:
    """How an answer has ended, if not well."""
    finished = answer.finished
    if answer.state == "failed":
        return "broken off · the model is not told of it"
    if finished is None:
        return "stopped" if answer.state == "stopped" else ""
    return {
        "stop": "" if answer.text.strip() or answer.tool_calls else "empty answer",
        "length": f"cut off after {figures.tokens(finished.usage.completion_tokens)}",
        "cancelled": "stopped",
        "loop": "stopped: it only repeated itself",
        "tool_call": "asked for a tool",
    }[finished.reason]


def thought(answer: Entry) -> str:
    """How long a model thought: in words while it does, then in seconds and tokens."""
    words = len(answer.thought.split())
    counted = f"{words} word{'' if words == 1 else 's'}"
    if answer.state == "writing" and not answer.text:
        return f"thinking… · {counted}"
    parts = ["thought"]
    if answer.thought_s >= 0.05:
        parts[0] += f" {figures.seconds(answer.thought_s)}"
    count = answer.finished.usage.thought_tokens if answer.finished else 0
    parts.append(figures.tokens(count) if count else counted)
    return " · ".join(parts)
