"""Choosing files to attach, with a look at each."""

from __future__ import annotations

from pathlib import Path

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.fuzzy import Matcher
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Static

from gemma4_mlx.errors import Gemma4Error
from gemma4_mlx.messages import ImageTokens
from tui import figures
from tui.attachments.attachment import Attachment
from tui.attachments.folder_list import FolderEntry, list_folder
from tui.attachments.paths import media_kind
from tui.text.printable import printable_line
from tui.theme import QUIET
from tui.widgets.file_list import FileList
from tui.widgets.key_line import KeyLine
from tui.widgets.preview import Preview

KEYS = "enter attach · space mark · ← up · ctrl+a all files · esc back"


class FilesScreen(ModalScreen[list[Path]]):
    """Closes with the files that were chosen; none if it was left.

    Args:
        image_tokens: the budget at which pictures are priced.
        previews: as `Preview` has it.
    """

    DEFAULT_CSS = """
    FilesScreen { align: center middle; }
    FilesScreen > Vertical {
        width: 96%; height: 92%; padding: 0 1; background: $surface; border: round $panel;
        border-title-color: $foreground; border-subtitle-color: $success;
    }
    FilesScreen FileList { width: 3fr; height: 1fr; }
    #files-look { width: 2fr; max-width: 48; padding: 0 0 0 1; }
    #files-facts { height: auto; max-height: 3; text-align: center; width: 100%; }
    #files-keys { height: 1; color: $text-disabled; text-wrap: nowrap; text-overflow: ellipsis; }
    #files-filter { height: 1; }
    FilesScreen.-slim #files-look { display: none; }
    """
    HORIZONTAL_BREAKPOINTS = [(0, "-slim"), (50, "-wide")]
    BINDINGS = [
        Binding("enter", "enter", "Attach", id="files.attach"),
        Binding("space", "mark", "Mark", id="files.mark", priority=True),
        Binding("up", "move(-1)", "The file before", id="files.up", show=False),
        Binding("down", "move(1)", "The file after", id="files.down", show=False),
        Binding("pageup", "move(-10)", "Ten files up", id="files.page_up", show=False),
        Binding("pagedown", "move(10)", "Ten files down", id="files.page_down", show=False),
        Binding("left", "leave", "Parent folder", id="files.parent"),
        Binding("right", "enter_folder", "Into the folder", id="files.child", show=False),
        Binding("backspace", "erase", "Erase", id="files.erase", show=False),
        Binding("ctrl+a", "toggle_all", "All files", id="files.all"),
        Binding("escape", "close", "Back", id="files.close"),
    ]

    class Listed(Message):
        """A folder has been read."""

        def __init__(self, folder: Path, entries: list[FolderEntry], failure: str = "") -> None:
            super().__init__()
            self.folder, self.entries, self.failure = folder, entries, failure

    class Priced(Message):
        """What the chosen file is, and costs."""

        def __init__(self, path: Path, facts: str) -> None:
            super().__init__()
            self.path, self.facts = path, facts

    def __init__(
        self,
        image_tokens: ImageTokens | None = None,
        *,
        previews: str = "auto",
    ) -> None:
        super().__init__()
        self._image_tokens: ImageTokens | None = image_tokens
        self._folder = Path.cwd()
        self._came_from: Path | None = None
        self._entries: list[FolderEntry] = []
        self._letters = ""
        self._everything = False
        self._list = FileList()
        self._preview = Preview(previews=previews)
        self._card = Vertical()

    def compose(self) -> ComposeResult:
        """List and look, side by side."""
        with self._card:
            yield Static(markup=False, id="files-filter")
            with Horizontal():
                yield self._list
                with Vertical(id="files-look"):
                    yield self._preview
                    yield Static(markup=False, id="files-facts")
            yield KeyLine(KEYS, id="files-keys")

    def on_mount(self) -> None:
        """Read the folder."""
        self._go(self._folder)

    # Keys

    def on_key(self, event: events.Key) -> None:
        """Letters look for a name."""
        if event.is_printable and event.character:
            event.stop()
            self._look_for(self._letters + event.character)

    def action_move(self, by: int) -> None:
        """Choose another."""
        self._list.move(by)

    def action_enter(self) -> None:
        """Into a folder; or attach what is marked, else what is chosen."""
        chosen = self._list.chosen
        if self._list.marked:
            self.dismiss(list(self._list.marked))
        elif chosen is not None and not chosen.is_folder:
            self.dismiss([chosen.path])
        else:
            self.action_enter_folder()

    def action_enter_folder(self) -> None:
        """Into the chosen folder."""
        chosen = self._list.chosen
        if chosen is not None and chosen.is_folder:
            self._go(chosen.path)

    def action_leave(self) -> None:
        """Into the folder that this one is in."""
        if self._folder.parent != self._folder:
            self._came_from = self._folder
            self._go(self._folder.parent)

    def action_erase(self) -> None:
        """Take back a letter; without one, leave the folder."""
        if self._letters:
            self._look_for(self._letters[:-1])
        else:
            self.action_leave()

    def action_mark(self) -> None:
        """Choose several."""
        self._list.mark()
        self._show_title()

    def action_toggle_all(self) -> None:
        """Show other files, too, or media alone."""
        self._everything = not self._everything
        self._go(self._folder)

    def action_close(self) -> None:
        """Forget the letters; without one, leave."""
        if self._letters:
            self._look_for("")
        else:
            self.dismiss([])

    # What is shown

    def _go(self, folder: Path) -> None:
        self._folder, self._letters = folder.absolute(), ""
        self._read(self._folder, self._everything)

    @work(thread=True, exclusive=True, group="folder")
    def _read(self, folder: Path, everything: bool) -> None:
        try:
            self.post_message(self.Listed(folder, list_folder(folder, everything=everything)))
        except OSError as error:
            self.post_message(self.Listed(folder, [], f"cannot be read: {error.strerror}"))

    def on_files_screen_listed(self, message: Listed) -> None:
        """Show it."""
        message.stop()
        if message.folder != self._folder:
            return
        self._entries = message.entries
        self._list.empty = message.failure or "no pictures or clips here"
        self._look_for("")
        if self._came_from is not None:
            self._list.choose(self._came_from)
            self._came_from = None

    def _look_for(self, letters: str) -> None:
        self._letters = letters
        entries = self._entries
        if letters:
            matcher = Matcher(letters)
            scores = {entry: matcher.match(entry.name) for entry in entries}
            entries = [entry for entry in entries if scores[entry] > 0]
            entries.sort(key=lambda entry: -scores[entry])
        self._list.show(entries)
        self._show_title()

    def _show_title(self) -> None:
        self._card.border_title = Content(home_path(self._folder))
        marked = len(self._list.marked)
        self._card.border_subtitle = f"{marked} marked" if marked else ""
        words = (self._letters, "bold") if self._letters else ("type to find", QUIET)
        self.query_one("#files-filter", Static).update(Content.assemble(("> ", "$primary"), words))

    def on_file_list_chosen(self, message: FileList.Chosen) -> None:
        """Look at it."""
        message.stop()
        entry = message.entry
        self.query_one("#files-facts", Static).update("")
        if entry is None or not entry.is_media:
            self._preview.path = None
            return
        self._preview.path = None if media_kind(entry.path) == "audio" else entry.path
        self._price(entry, self._image_tokens)

    def on_file_list_opened(self, message: FileList.Opened) -> None:
        """Clicked: as with enter."""
        message.stop()
        self.action_enter()

    @work(thread=True, exclusive=True, group="price")
    def _price(self, entry: FolderEntry, image_tokens: ImageTokens | None) -> None:
        size = figures.size(entry.size)
        try:
            held = Attachment.of(entry.path).with_budget(image_tokens).read()
        except Gemma4Error as error:
            facts = f"{size}\n{error.message}"
        except Exception as error:  # a decoder's own fault must not end the chat
            facts = f"{size}\n{type(error).__name__}"
        else:
            pixels = figures.pixels(held.width, held.height) if held.width else ""
            facts = " · ".join(filter(None, (pixels, size))) + f"\n{held.summary()}"
        self.post_message(self.Priced(entry.path, facts))

    def on_files_screen_priced(self, message: Priced) -> None:
        """Show it, if it is still what is chosen."""
        message.stop()
        chosen = self._list.chosen
        if chosen is not None and chosen.path == message.path:
            self.query_one("#files-facts", Static).update(message.facts)


def home_path(folder: Path) -> str:
    """A folder's path for the screen, with `~` for the home."""
    try:
        return printable_line(str("~" / folder.relative_to(Path.home())))
    except (ValueError, RuntimeError):  # elsewhere; no home at all
        return printable_line(str(folder))
