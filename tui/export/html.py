"""A chat as one HTML page that needs nothing from elsewhere and asks for nothing.

All text is escaped. What the model wrote is Markdown without HTML and without pictures, whose
addresses a browser would call; a policy in the page forbids scripts and the network besides.
"""

from __future__ import annotations

import base64
import mimetypes
from html import escape
from urllib.parse import quote

from markdown_it import MarkdownIt

from tui.attachments.attachment import Attachment
from tui.chat.conversation import Conversation
from tui.chat.entry import Entry
from tui.export.markdown import ENDS, facts
from tui.export.media_files import MediaFiles
from tui.text.printable import printable, printable_line

EMBEDDED_BYTES = 5_000_000
"""A larger picture is a file beside the page."""

_SHOWN = {"image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp"}
"""What browsers show."""

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
<p class="facts">{facts}</p>
{body}
</body>
</html>
"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data: 'self'; media-src 'self'"

_STYLE = """
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; line-height: 1.5;
  font-family: system-ui, sans-serif; color: #1f2328; background: #fff; }
section { margin: 1.5rem 0; padding-left: 1rem; border-left: 3px solid #d0d7de; }
section.user { border-color: #1a73e8; }
h2 { font-size: 1rem; margin: 0 0 .5rem; }
.said { white-space: pre-wrap; overflow-wrap: anywhere; }
.facts, .end, figcaption, details { color: #656d76; font-size: .9rem; }
figure { margin: 0 0 .75rem; } img { max-width: 100%; max-height: 24rem; }
pre { overflow-x: auto; padding: .75rem; background: #f6f8fa; }
table { border-collapse: collapse; } th, td { border: 1px solid #d0d7de; padding: .25rem .6rem; }
@media (prefers-color-scheme: dark) {
  body { color: #e3e6ea; background: #131519; } pre { background: #1a1d22; }
  section, th, td { border-color: #3a4048; } }
"""


def to_html(conversation: Conversation, media: MediaFiles) -> str:
    """The text of the page."""
    sections = [_entry(entry, media) for entry in conversation.branch()]
    if conversation.system:
        sections.insert(0, _section("system", "System", _plain(conversation.system)))
    return _PAGE.format(
        policy=_POLICY,
        title=escape(printable_line(conversation.title)),
        style=_STYLE,
        facts=escape(facts(conversation)),
        body="\n".join(sections),
    )


def _entry(entry: Entry, media: MediaFiles) -> str:
    pieces = [_attachment(each, media.link(each)) for each in entry.attachments]
    if entry.thought:
        thought = _plain(entry.thought)
        pieces.append(f"<details><summary>Thoughts</summary>{thought}</details>")
    if entry.role == "user":
        pieces.append(_plain(entry.text))
        return _section("user", "You", *pieces)
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    pieces.append(markdown.render(printable(entry.text)))
    if entry.state in ENDS:
        pieces.append(f'<p class="end">{ENDS[entry.state]}</p>')
    return _section("assistant", "Gemma", *pieces)


def _section(role: str, heading: str, *pieces: str) -> str:
    return f'<section class="{role}">\n<h2>{heading}</h2>\n{"".join(pieces)}\n</section>'


def _plain(text: str) -> str:
    return f'<div class="said">{escape(printable(text))}</div>' if text else ""


def _attachment(attachment: Attachment, link: str | None) -> str:
    name = escape(printable_line(attachment.name))
    source = escape(quote(link)) if link else ""
    kind = mimetypes.guess_type(attachment.name)[0] or ""
    shown = ""
    if attachment.kind == "image" and kind in _SHOWN:
        source = _embedded(attachment, kind) or source
        shown = f'<img src="{source}" alt="{name}">' if source else ""
    elif attachment.kind != "image" and source:
        element = "video" if kind.startswith("video/") else "audio"
        shown = f'<{element} controls src="{source}"></{element}><br>'
    elif source:
        name = f'<a href="{source}">{name}</a>'
    return f"<figure>{shown}<figcaption>{name}</figcaption></figure>"


def _embedded(attachment: Attachment, kind: str) -> str:
    """The picture as a data address; empty if it is large, or gone."""
    try:
        if attachment.path.stat().st_size > EMBEDDED_BYTES:
            return ""
        content = attachment.path.read_bytes()
    except OSError:
        return ""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
