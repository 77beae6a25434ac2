"""A picture on the screen: drawn by the terminal where it can, else as coloured half-blocks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from textual import work
from textual.content import Content
from textual.geometry import Offset, Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from gemma4_mlx.errors import Gemma4Error
from tui.attachments.half_blocks import HalfBlocks, open_thumbnail
from tui.attachments.kitty_picture import KittyPicture
from tui.attachments.sixel_picture import SixelPicture
from tui.driver import picture_terminal
from tui.picture_terminal import PictureTerminal, SixelTerminal
from tui.text.printable import printable_line
from tui.theme import QUIET

if TYPE_CHECKING:  # Pillow is imported when a picture is, not before
    from PIL.Image import Image

Shown = HalfBlocks | KittyPicture | SixelPicture

OFF = "previews are off, as the settings say"
COLOURLESS = "no preview: NO_COLOR is set, and a picture is nothing but colours"

SETTLED_S = 0.15
"""A picture is sent to the terminal when its place has been the same for so long."""


class Preview(Widget):
    """Shows a picture, or how a video begins, as large as there is room, in its middle.

    Args:
        path: the file's.
        previews: how it is shown: "auto" as well as the terminal can, "blocks" as half-blocks,
            "off" not at all.

    Attributes:
        path: the file's; None for an empty place.
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

    class Sharpened(Message):
        """An image is ready to be sent to the terminal."""

        def __init__(self, image: Image, sharp: KittyPicture | SixelPicture) -> None:
            super().__init__()
            self.image, self.sharp = image, sharp

    def __init__(self, path: Path | None = None, previews: str = "auto") -> None:
        super().__init__()
        self._previews = previews
        self._why_not = (
            OFF if previews == "off" else COLOURLESS if os.environ.get("NO_COLOR") else ""
        )
        self._image: Image | None = None
        self._shown: Shown | None = None
        self._terminal: PictureTerminal | None = None
        self._settling: Timer | None = None
        self._is_to_draw = False
        self.set_reactive(Preview.path, path)

    def on_mount(self) -> None:
        """Open what is there from the start."""
        if self._previews == "auto" and (terminal := picture_terminal(self.app)):
            self._terminal = terminal
            terminal.ask(self._fit)
        self.watch(self, "path", self._open)

    def on_unmount(self) -> None:
        """The terminal need not keep it."""
        self._show(None)

    def on_resize(self) -> None:
        """Fit it again."""
        if isinstance(self._terminal, SixelTerminal):
            self._terminal.measure()
        self._fit()

    def render(self) -> Content:
        """All of it."""
        if self._why_not and self.path is not None:
            return Content.styled(self._why_not, QUIET)
        return Content("\n").join(self._shown.lines if self._shown else ())

    def render_lines(self, crop: Region) -> list[Strip]:
        """What the screen asks for whenever it writes here; the terminal then forgets sixels."""
        lines = super().render_lines(crop)
        if isinstance(self._shown, SixelPicture) and not self._is_to_draw:
            self._is_to_draw = self.call_later(self._draw)
        return lines

    def on_preview_opened(self, message: Opened) -> None:
        """Show it, unless another one has been asked for meanwhile."""
        message.stop()
        if message.path == self.path:
            self._image, self.failure = message.image, message.failure
            self._fit()

    def on_preview_sharpened(self, message: Sharpened) -> None:
        """Have the terminal draw it, if it is still what is shown."""
        message.stop()
        if message.image is self._image and self._terminal is not None:
            if isinstance(message.sharp, KittyPicture):
                self._terminal.write(message.sharp.sending)
            self._show(message.sharp)

    def _open(self, path: Path | None) -> None:
        self._image, self.failure = None, ""
        self._fit()
        if path is not None and not self._why_not:
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
        """At once as half-blocks; sharper a little later, where there is somebody who can."""
        width, height = self.size
        if not self._image or width <= 0 or height <= 0:
            self._show(None)
            return
        self._show(HalfBlocks.fit(self._image, width, height))
        if self._terminal is not None and self._terminal.shows:
            if self._settling is not None:
                self._settling.stop()
            self._settling = self.set_timer(SETTLED_S, self._sharpen)

    def _sharpen(self) -> None:
        if self._image is not None and self._terminal is not None:
            self._make_sharp(self._image, *self._room().size, self._terminal.cell)

    @work(thread=True, exclusive=True, group="sharp")
    def _make_sharp(
        self, image: Image, width: int, height: int, cell: tuple[int, int] | None
    ) -> None:
        if cell is None:
            sharp = KittyPicture.fit(image, width, height)
        else:
            sharp = SixelPicture.fit(image, width, height, cell=cell)
        self.post_message(self.Sharpened(image, sharp))

    def _room(self) -> Region:
        """Where a picture may be: sixels on the terminal's last line would scroll it."""
        if not isinstance(self._terminal, SixelTerminal):
            return self.content_region
        width, height = self.app.size
        return self.content_region.intersection(Region(0, 0, width, height - 1))

    def _draw(self) -> None:
        """Have the terminal draw sixels, unless another screen or nothing is there by now."""
        self._is_to_draw = False
        shown, terminal, room = self._shown, self._terminal, self._room()
        if (
            not isinstance(shown, SixelPicture)
            or terminal is None
            or not self.is_attached
            or self.app.screen is not self.screen
            or shown.columns > room.width
            or shown.rows > room.height
        ):
            return
        spare = Offset((room.width - shown.columns) // 2, (room.height - shown.rows) // 2)
        terminal.write(shown.at(*(room.offset + spare)))

    def _show(self, shown: Shown | None) -> None:
        if isinstance(self._shown, KittyPicture) and self._terminal is not None:
            self._terminal.write(self._shown.removal)
        self._shown = shown
        self.refresh()
