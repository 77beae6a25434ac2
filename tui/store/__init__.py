"""What the chat keeps: conversations in SQLite, their pictures and clips beside it.

    async_store     the face for the screen: nothing waits for the disk
    store           all chats: written, read, searched, deleted; for commands and tests
    database        which file is opened, and what is done when it cannot be
    homecoming      what was kept beside that file comes back to it
    migrations      the tables, and how older ones become newer ones
    search_index    full text search, and how a hit is shown
    entry_row       an entry as rows and back
    session_row     a chat in a list of chats
    plain_values    our values as JSON and back
    media_folder    pictures and clips by their content
    session_caches  what the engine has read of each chat, while there is room
    prompt_history  what was typed before

Nothing else writes chats, and nothing here knows of the screen.
"""

from tui.store.async_store import AsyncStore
from tui.store.session_caches import SessionCaches, caches_folder
from tui.store.session_row import SessionRow, Snippet
from tui.store.store import Store

__all__ = ["AsyncStore", "SessionCaches", "SessionRow", "Snippet", "Store", "caches_folder"]
