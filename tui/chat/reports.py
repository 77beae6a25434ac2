"""What a chat has cost, and what fills the model's context: for /stats and /context."""

from __future__ import annotations

from gemma4_mlx.errors import UsageError
from tui import figures
from tui.chat.context import ContextUse
from tui.chat.conversation import Conversation


def stats_report(conversation: Conversation) -> tuple[str, list[str]]:
    """A title and lines on the branch that is shown.

    Raises:
        UsageError: nothing has been answered.
    """
    answers = [
        (answer.finished.usage, answer.finished.timings)
        for answer in conversation.branch()
        if answer.finished is not None
    ]
    if not answers:
        raise UsageError("nothing has been answered yet")
    read = sum(usage.prompt_tokens - usage.reused_tokens for usage, _ in answers)
    reused = sum(usage.reused_tokens for usage, _ in answers)
    written = sum(usage.completion_tokens for usage, _ in answers)
    rates = [timings.decode_tokens_per_s for _, timings in answers]
    slowest, fastest = f"{min(rates):.0f}", f"{max(rates):.0f}"
    lines = [
        f"{figures.tokens(read)} read, {reused} reused, {written} written",
        f"{fastest} tok/s" + (f" at best, {slowest} at worst" if slowest != fastest else ""),
    ]
    return f"{len(answers)} answer{'' if len(answers) == 1 else 's'}", lines


def context_report(use: ContextUse, conversation: Conversation) -> list[str]:
    """Lines: the whole, the draft, and each picture and clip."""
    lines = [f"{figures.tokens(use.used)} of {use.limit or 'an unknown number'} are taken"]
    if use.draft:
        lines.append(f"the draft would take about {use.draft}")
    for question, _ in conversation.told():
        for place, attachment in enumerate(question.attachments):
            got = sum(each.tokens for each in question.receipts_of(place))
            sign = figures.sign(attachment.kind)
            is_told = got and not question.is_changed(place)
            lines.append(f"{sign} {attachment.name}: {got if is_told else attachment.tokens()}")
    return lines
