"""A picture on the screen, as coloured half-blocks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual import work
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from gemma4_mlx.errors import Gemma4Error
from tui.attachments.half_blocks import HalfBlocks, open_thumbnail
from tui.text.printable import printable_line

if TYPE_CHECKING:  # Pillow is imported when a picture is, not before
    from PIL.Image import Image


class Preview(Widget):
    """Shows a picture as large as there is room, in its middle.

    Attributes:
        path: the picture's file; None for an empty place.
        failure: why it cannot be shown; nothing if it can.
    """

    DEFAULT_CSS = "Preview { width: 1fr; height: 1fr; content-align: center middle; }"

    path: reactive[Path | None] = reactive(None)
    failure: reactive[str] = reactive("")

    class Opened(Message):
        """The file has been read: `image`, or why it could not be."""

        def __init__(self, path: Path, image: Image | None, failure: str = "") -> None:
            super().__init__()
            self.path, self.image, self.failure = path, image, failure

    def __init__(self, path: Path | None = None) -> None:
        super().__init__()
        self._image: Image | None = None
        self._blocks: HalfBlocks | None = None
        self.set_reactive(Preview.path, path)

    def on_mount(self) -> None:
        """Open what is there from the start."""
        self.watch(self, "path", self._open)

    def on_resize(self) -> None:
        """Fit it again."""
        self._fit()

    def render(self) -> Content:
        """All of it."""
        return Content("\n").join(self._blocks.lines if self._blocks else ())

    def on_preview_opened(self, message: Opened) -> None:
        """Show it, unless another one has been asked for meanwhile."""
        message.stop()
        if message.path == self.path:
            self._image, self.failure = message.image, message.failure
            self._fit()

    def _open(self, path: Path | None) -> None:
        self._image, self.failure = None, ""
        self._fit()
        if path is not None:
            self._read(path)

    @work(thread=True, exclusive=True, group="preview")
    def _read(self, path: Path) -> None:
        name = printable_line(path.name)
        try:
            self.post_message(self.Opened(path, open_thumbnail(path, name=name)))
        except Gemma4Error as error:
            self.post_message(self.Opened(path, None, error.message))
        except Exception as error:  # a decoder's own fault must not end the chat
            self.post_message(self.Opened(path, None, f"{name}: {type(error).__name__}"))

    def _fit(self) -> None:
        width, height = self.size
        has_room = width > 0 and height > 0
        self._blocks = (
            HalfBlocks.fit(self._image, width, height) if self._image and has_room else None
        )
        self.refresh()
