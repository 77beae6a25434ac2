"""The settings: what holds, where it comes from, and changing it in place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from textual import events
from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Input, OptionList, Static

from gemma4_mlx.errors import UsageError
from tui import editor
from tui.settings.setting_items import PRESETS, Desk, Item, items
from tui.text.printable import printable
from tui.widgets.key_line import KeyLine
from tui.widgets.settings_list import SettingsList


class SettingsScreen(Screen[None]):
    """All settings, presets and keys.

    Args:
        desk: where they are changed.
        file: where they are kept; None if they are not.

    Attributes:
        waits_for_key: whether the next key is not to be obeyed, but to be chosen.
    """

    CSS_PATH = "page.tcss"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (24, "-tall")]
    BINDINGS = [
        Binding("left", "step(-1)", "The value before", id="settings.previous"),
        Binding("right,space", "step(1)", "The next value", id="settings.next"),
        Binding("delete,backspace", "reset", "Back to the default", id="settings.reset"),
        Binding("ctrl+g", "editor", "Write in your editor", id="settings.editor"),
        Binding("escape", "leave", "Back to the chat", id="settings.leave"),
    ]

    def __init__(self, desk: Desk, file: Path | None = None) -> None:
        super().__init__(classes="page")
        self._desk = desk
        self._file = file
        self._input = Input(compact=True)
        self.waits_for_key = False

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        with Horizontal(classes="page-title"):
            yield Static("Settings", classes="page-title-left")
            yield Static(_short(self._file), markup=False, classes="page-title-right")
        yield SettingsList()
        with Vertical(classes="page-foot"):
            yield Static(markup=False, id="setting-about")
            with Horizontal(id="setting-input"):
                yield Static("> ")
                yield self._input
            yield KeyLine(classes="page-keys")

    def on_mount(self) -> None:
        """Show what there is."""
        self._list.show(items(self._desk))
        self._list.focus()

    @property
    def _list(self) -> SettingsList:
        return self.query_one(SettingsList)

    @property
    def _is_typing(self) -> bool:
        return self.focused is self._input

    # What is done

    def action_step(self, by: int) -> None:
        """The next value, where values have an order."""
        if item := self._list.chosen:
            self._change(lambda: item.step(by))

    def action_reset(self) -> None:
        """Back to the default."""
        if item := self._list.chosen:
            self._change(item.reset)

    def action_leave(self) -> None:
        """One step back: from the key, from the text, from the screen."""
        if self.waits_for_key or self._is_typing:
            self._end_editing()
        else:
            self.dismiss()

    def action_editor(self) -> None:
        """A text in the user's editor, such as a system prompt of some lines."""
        item = self._list.chosen
        if item is None or item.editing != "text":
            return
        try:
            with self.app.suspend():
                text = editor.edit(item.text())
        except UsageError as error:
            self._say(str(error), error=True)
        except SuspendNotSupported:
            self._say("the terminal cannot be lent to an editor", error=True)
        else:
            self._change(lambda: item.enter(text))

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        """Enter: the next value, or type one, or press one."""
        message.stop()
        item = self._list.chosen
        if item is None:
            return
        if item.editing == "none":
            self._change(lambda: item.step(1))
        elif item.editing == "keys":
            self.waits_for_key = True
            self._say(f"{item.name}: press the new key, or esc")
        elif "\n" in item.text():
            self.action_editor()
        else:
            self._begin_typing(item)

    def on_key(self, event: events.Key) -> None:
        """The new key of a binding."""
        if self.waits_for_key and event.key != "escape":
            event.stop()
            event.prevent_default()
            self.waits_for_key = False
            if item := self._list.chosen:
                self._change(lambda: item.enter(event.key))

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Take what was typed; a mistake can be mended."""
        message.stop()
        item = self._list.chosen
        if item is not None and self._change(lambda: item.enter(message.value)):
            self._end_editing()

    def on_option_list_option_highlighted(self, message: OptionList.OptionHighlighted) -> None:
        """Say what it is."""
        message.stop()
        self._describe()

    # What is shown

    def _begin_typing(self, item: Item) -> None:
        self.query_one("#setting-input").add_class("-open")
        self._input.value = item.text()
        self._input.focus()

    def _end_editing(self) -> None:
        self.waits_for_key = False
        self.query_one("#setting-input").remove_class("-open")
        self._list.focus()
        self._describe()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Other keys work now."""
        self._describe()

    def _change(self, change: Callable[[], object]) -> bool:
        """Do it and show it; returns whether it made sense."""
        before = len(items(self._desk))
        try:
            change()
        except UsageError as error:
            self._say(str(error), error=True)
            return False
        finally:
            if len(now := items(self._desk)) != before:
                self._list.show(now)
            self._list.refresh_chosen()
        self._describe()
        return True

    def _describe(self) -> None:
        item = self._list.chosen
        if item is None:
            return
        self._say(item.about)
        self.query_one(KeyLine).offer(" · ".join(self._keys(item)))

    def _keys(self, item: Item) -> list[str]:
        """The keys that do something now."""
        if self._is_typing:
            return ["enter take it", "esc leave it"]
        found = {"none": "←→ change", "text": "enter type, ctrl+g in your editor"}
        keys = [found.get(item.editing, "enter, then press the new key")]
        if item.section == PRESETS:
            keys = ["enter take it"]
        if item.is_chosen:
            keys.append("del forget it" if item.section == PRESETS else "del back to the default")
        return [*keys, "esc back"]

    def _say(self, text: str, *, error: bool = False) -> None:
        line = self.query_one("#setting-about", Static)
        line.update(printable(text))
        line.set_class(error, "-error")


def _short(file: Path | None) -> str:
    """A path as people write it."""
    if file is None:
        return "not kept"
    home = str(Path.home())
    return f"~{text.removeprefix(home)}" if (text := str(file)).startswith(home) else text
