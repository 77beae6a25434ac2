"""A chat as Markdown: the branch that is shown, in the words that were written."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

from tui.attachments.attachment import Attachment
from tui.chat.conversation import Conversation
from tui.chat.entry import Entry
from tui.export.media_files import MediaFiles
from tui.text.printable import printable, printable_line

ENDS = {
    "stopped": "stopped",
    "failed": "broken off",
    "writing": "still being written",
}
"""What is said of an answer that did not end by itself."""


def to_markdown(conversation: Conversation, media: MediaFiles) -> str:
    """The text of the file."""
    pieces = [f"# {printable_line(conversation.title)}", facts(conversation)]
    if conversation.system:
        pieces += ["## System", printable(conversation.system)]
    for entry in conversation.branch():
        pieces += _entry(entry, media)
    return "\n\n".join(filter(None, pieces)) + "\n"


def facts(conversation: Conversation) -> str:
    """When it was, and with whom."""
    when = datetime.fromtimestamp(conversation.created, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return " · ".join(filter(None, (when, printable_line(conversation.model))))


def _entry(entry: Entry, media: MediaFiles) -> list[str]:
    pieces = ["## You" if entry.role == "user" else "## Gemma"]
    pieces += [_attachment(each, media.link(each)) for each in entry.attachments]
    if entry.thought:
        quoted = "\n".join(f"> {line}" for line in printable(entry.thought).strip().splitlines())
        pieces.append(f"> *Thoughts*\n>\n{quoted}")
    pieces.append(printable(entry.text).strip())
    if entry.state in ENDS:
        pieces.append(f"*{ENDS[entry.state]}*")
    return pieces


def _attachment(attachment: Attachment, link: str | None) -> str:
    name = printable_line(attachment.name)
    for sign in "\\[]":
        name = name.replace(sign, f"\\{sign}")
    if link is None:
        return f"*{name}*"
    sign = "!" if attachment.kind == "image" else ""
    return f"{sign}[{name}]({quote(link)})"
