"""All that can be changed, one line each."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tui.settings.setting_items import Item
from tui.text.printable import printable_line
from tui.theme import QUIET

NAME_WIDTH = 20
VALUE_WIDTH = 18
NARROW = 64
"""With fewer columns there are no notes."""


class SettingsList(OptionList):
    """Name, value, and a note where there is room; what the file says is bright."""

    def __init__(self) -> None:
        super().__init__(classes="page-body")
        self._items: list[Item] = []

    @property
    def chosen(self) -> Item | None:
        """The one that is highlighted."""
        option = self.highlighted_option
        return self._items[int(option.id)] if option and option.id else None

    def show(self, items: Sequence[Item]) -> None:
        """Show these; the same line stays chosen."""
        line = self.highlighted
        self._items = list(items)
        self.set_options(self._built())
        self.highlighted = 1 if line is None else min(line, self.option_count - 1)

    def refresh_chosen(self) -> None:
        """The chosen one has another value now."""
        option = self.highlighted_option
        if option and option.id:
            self.replace_option_prompt(option.id, self._line(self._items[int(option.id)]))

    def on_resize(self) -> None:
        """More or less room for notes."""
        for index, item in enumerate(self._items):
            self.replace_option_prompt(str(index), self._line(item))

    def _built(self) -> list[Option]:
        options: list[Option] = []
        section = None
        for index, item in enumerate(self._items):
            if item.section != section:
                section = item.section
                options.append(Option(Content.styled(section, "bold"), disabled=True))
            options.append(Option(self._line(item), id=str(index)))
        return options

    def _line(self, item: Item) -> Content:
        width = max(20, self.size.width - 4)
        name = Content(printable_line(item.name)).truncate(NAME_WIDTH, ellipsis=True, pad=True)
        style = "bold $primary" if item.is_chosen else ""
        value = Content.styled(printable_line(item.value) or "none", style)
        if not item.note or width < NARROW:
            return Content.assemble(name, " ", value).truncate(width, ellipsis=True)
        value = value.truncate(VALUE_WIDTH, ellipsis=True, pad=True)
        note = (printable_line(item.note), QUIET)
        return Content.assemble(name, " ", value, " ", note).truncate(width, ellipsis=True)
