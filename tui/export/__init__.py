"""A chat as a file for people and other programs: Markdown, HTML, JSON.

    chat_file    JSON, the whole tree; the one that can be read back
    markdown     the branch that is shown, as text
    html         the same as one page that needs nothing from elsewhere
    media_files  pictures and clips, in a folder beside the file
    exporting    which of them, and where to

What is written is printable, and calls nobody.
"""

from tui.export.chat_file import import_chat
from tui.export.exporting import FORMATS, export_chat, render_chat

__all__ = ["FORMATS", "export_chat", "import_chat", "render_chat"]
