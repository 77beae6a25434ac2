"""The application: settings, theme, keys, screens, and leaving."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from textual import events
from textual.app import App, SuspendNotSupported
from textual.binding import Binding
from textual.screen import Screen

from gemma4_mlx.engine import EngineLike
from gemma4_mlx.errors import UsageError
from tui import keys
from tui.commands import find_command
from tui.driver import ChatDriver
from tui.screens.chat.screen import ChatScreen
from tui.settings import presets
from tui.settings.kinds import Value
from tui.settings.options import ChatOptions
from tui.settings.preferences import Preferences
from tui.settings.schema import Setting, setting
from tui.text.copying import copy_here
from tui.theme import THEMES, theme_for

if TYPE_CHECKING:
    from textual.command import Provider

    from tui.models.downloads import Download, Downloads

QUIT_WITHIN_S = 2.0
SMALLEST = (30, 8)
"""Columns and lines; with less there is no room for a prompt."""


def _palette() -> type[Provider]:
    from tui.palette import Palette

    return Palette


class ChatApp(App[None], inherit_bindings=False):
    """`gemma4 chat`.

    Args:
        engine: answers; is started when the first frame is on the screen. Whoever made it
            closes it.
        options: what the chat was started with.
        preferences: settings, and where they are kept.
    """

    TITLE = "gemma4"
    CSS_PATH = ["app.tcss", "palette.tcss", "ansi.tcss"]
    COMMANDS = {_palette}
    BINDINGS = [
        Binding("ctrl+n", "obey('new')", "New chat", id="app.new"),
        Binding("ctrl+s", "obey('sessions')", "All chats", id="app.sessions"),
        Binding("ctrl+o", "obey('model')", "Models", id="app.models"),
        Binding("ctrl+p", "command_palette", "All commands", id="app.palette", priority=True),
        Binding("f1", "obey('help')", "Help", id="app.help", priority=True),
        Binding("f2", "obey('settings')", "Settings", id="app.settings", priority=True),
        Binding("ctrl+g", "editor", "Write in your editor", id="app.editor"),
        Binding("ctrl+c", "interrupt", "Copy; else stop; twice, leave", id="app.interrupt"),
        Binding("ctrl+z", "suspend_process", "Back to the shell", id="app.suspend", priority=True),
        Binding("ctrl+q", "quit", "Leave", id="app.quit", priority=True),
    ]

    def __init__(
        self,
        engine: EngineLike,
        options: ChatOptions | None = None,
        preferences: Preferences | None = None,
    ) -> None:
        with _without_colour() as colourless:
            super().__init__(ChatDriver, ansi_color=True if colourless else None)
        self.preferences = preferences or Preferences()
        self.chat = ChatScreen(engine, options or ChatOptions())
        self._downloads: Downloads | None = None
        self._leaving = False
        self._loop: asyncio.AbstractEventLoop | None = None
        # Before the first frame, so that it is drawn once.
        for theme in THEMES.values():
            self.register_theme(theme)
        self._look()

    @property
    def exit_code(self) -> int:
        """0, or that of the error for which there was no model; 1 if the chat broke."""
        failure = self.chat.load_failure
        return self.return_code or (failure.exit_code if failure else 0)

    def refresh_css(self, animate: bool = True) -> None:
        """Before there is a screen only the colours are taken: it will be styled once."""
        if self.children:
            super().refresh_css(animate)
        else:
            self.stylesheet.set_variables(self.get_css_variables())

    def get_default_screen(self) -> ChatScreen:
        """All other screens come over it."""
        return self.chat

    def on_mount(self) -> None:
        """Say what is wrong with the settings."""
        self._loop = asyncio.get_running_loop()
        # The terminal comes back empty, and Textual draws only what has changed since.
        self.app_resume_signal.subscribe(self, lambda app: self.screen.refresh())
        self.call_after_refresh(self._complain)
        if self.options.is_first_run:
            self.call_after_refresh(self._show_models, is_first_run=True)

    async def on_unmount(self) -> None:
        """What is being fetched goes on next time."""
        if self._downloads is not None:
            await self._downloads.close()

    def copy_to_clipboard(self, text: str) -> None:
        """By way of the terminal, and of the system for a terminal that takes none."""
        super().copy_to_clipboard(text)
        copy_here(text)

    def on_resize(self, event: events.Resize) -> None:
        """A window without room for a prompt says so; what was written stays."""
        from tui.screens.too_small import TooSmall

        fits = event.size.width >= SMALLEST[0] and event.size.height >= SMALLEST[1]
        if isinstance(self.screen, TooSmall):
            if fits:
                self.pop_screen()
        elif not fits:
            self.push_screen(TooSmall())

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Over another screen the chat's keys are out of reach; help is there everywhere."""
        if getattr(self.screen, "waits_for_key", False):
            return False
        if action in ("obey", "begin", "command_palette") and self.screen is not self.chat:
            return parameters[:1] == ("help",)
        return True

    # Settings

    @property
    def options(self) -> ChatOptions:
        """What holds in this chat."""
        return self.chat.options

    @property
    def checkpoint(self) -> Mapping[str, Value]:
        """The model's own defaults, by the names of settings."""
        model = self.chat.model
        names = ("image_tokens", "temperature", "top_p", "top_k")
        return {name: getattr(model, name) for name in names} if model else {}

    def take_preset(self, name: str) -> None:
        """Take a preset for this chat.

        Raises:
            UsageError: there is none of that name.
        """
        self._take(presets.take(self.options, self.preferences.settings.presets, name))

    def choose(self, chosen: Setting, value: Value | None) -> None:
        """Choose a setting for this chat and all that come; None goes back to the default.

        Raises:
            UsageError: it holds, but cannot be kept.
        """
        try:
            self.preferences.choose(chosen, value)
        finally:
            value = self.preferences.settings.get(chosen.path)
            self._use(self.options.with_choice(chosen, value))
            self._look()

    def choose_keys(self, binding_id: str, chosen: str | None) -> None:
        """Give a binding other keys; None gives it its own again.

        Raises:
            UsageError: it has them, but they cannot be kept.
        """
        try:
            self.preferences.choose_keys(binding_id, chosen)
        finally:
            self._look()

    def keys_of(self, binding_id: str) -> str:
        """The keys that a binding has now, as people call them."""
        return keys.live(self._keymap, binding_id)

    def _look(self) -> None:
        """Theme and keys as the settings say."""
        settings = self.preferences.settings
        self.theme = theme_for(str(settings.get("look.theme")))
        enter_sends = bool(settings.get("look.enter_sends"))
        self.set_keymap(keys.keymap(keys.fit(settings.keys), enter_sends=enter_sends))

    def _complain(self) -> None:
        settings = self.preferences.settings
        wrong = [*settings.problems, *keys.problems(settings.keys)]
        if wrong:
            file = self.preferences.file
            wrong = [line.replace(str(file), file.name) if file else line for line in wrong]
            places = "one place" if len(wrong) == 1 else f"{len(wrong)} places"
            hint = "defaults hold there; gemma4 config edit opens the file"
            self.chat.remark(f"The settings are wrong in {places}", "\n".join(wrong), hint)

    # Leaving

    def leave(self, exit_code: int) -> None:
        """End in order; may be called by a signal."""
        if self._loop is None:
            sys.exit(exit_code)
        self._loop.call_soon_threadsafe(lambda: self.exit(return_code=exit_code))

    def action_interrupt(self) -> None:
        """Ctrl+C with nothing selected: stop the answer; else, the second time, leave."""
        if self.chat.is_answering:
            self.chat.action_stop()
        elif self._leaving:
            self.exit()
        else:
            self._leaving = True
            self.chat.say(f"{self.keys_of('app.interrupt')} once more to leave")
            self.set_timer(QUIT_WITHIN_S, self._stay)

    def _stay(self) -> None:
        self._leaving = False

    # Commands: `_command_NAME(argument)`

    def action_obey(self, name: str, argument: str = "") -> None:
        """Do what a command says that was chosen, not typed."""
        command = find_command(name)
        if command is not None:
            self.chat.obey(command, argument)

    def action_begin(self, name: str) -> None:
        """Write a command that needs something more, but not over a draft."""
        if self.chat.draft_text:
            self.chat.say(f"/{name} can be typed when your draft is sent")
        else:
            self.chat.write(f"/{name} ")

    def _command_quit(self, argument: str) -> None:
        self.exit()

    def _command_theme(self, argument: str) -> None:
        theme = setting("look.theme")
        if not argument:
            raise UsageError(f"/theme takes {theme.kind.expected}; it is {self.theme}")
        self.choose(theme, theme.kind.read(argument))
        self.chat.say(f"theme: {self.theme}")

    def _command_set(self, argument: str) -> None:
        if argument:
            self._take(presets.choose(self.options, argument))
        else:
            self._command_settings("")

    def _command_system(self, argument: str) -> None:
        self._take(presets.tell(self.options, argument))

    def _command_preset(self, argument: str) -> None:
        verb, _, name = argument.partition(" ")
        if verb == "save":
            preset = presets.kept(self.options, name.strip())
            self.preferences.keep_preset(preset)
            self.chat.say(f"preset {preset.name}: {preset.summary}")
        else:
            self.take_preset(argument)

    def _take(self, choice: presets.Choice) -> None:
        self._use(choice.options, choice.said)

    def _use(self, options: ChatOptions, said: str = "") -> None:
        """From the next answer on; another budget is for the draft's pictures, too."""
        if options.image_tokens != self.options.image_tokens:
            own = self.chat.model.image_tokens if self.chat.model else None
            self.chat.composer.attached.spread(options.image_tokens or own)
        self.chat.use(options, said)

    # Screens: each is imported when it is first wanted

    def _command_sessions(self, argument: str) -> None:
        from tui.screens.sessions import SessionsScreen

        chat = self.chat
        current = chat.conversation.id
        screen = SessionsScreen(chat.kept.store, current=current, on_renamed=chat.renamed)
        self.push_screen(screen, self._open_chat)

    async def _open_chat(self, chat_id: str | None) -> None:
        if chat_id:
            await self.chat.open_chat(chat_id)

    def _command_model(self, argument: str) -> None:
        if argument:
            self._use_model(argument)
        else:
            self._show_models(is_first_run=False)

    def _show_models(self, *, is_first_run: bool) -> None:
        from tui.models.downloads import Downloads
        from tui.models.model_commands import ChildCommands
        from tui.screens.models import ModelsScreen

        commands = ChildCommands()
        if self._downloads is None:
            self._downloads = Downloads(self, commands)
            self._downloads.changed.subscribe(self, self._follow_downloads)
        current = "" if is_first_run else self.options.model
        screen = ModelsScreen(commands, self._downloads, current=current, is_first_run=is_first_run)
        self.push_screen(screen, self._keep_model if is_first_run else self._use_model)

    def _use_model(self, name: str | None) -> None:
        """For this chat."""
        if self._downloads is not None:
            self._downloads.see()
        self._follow_downloads()
        if name and name != self.options.model:
            self.chat.restart(name)

    def _follow_downloads(self, download: Download | None = None) -> None:
        """The title says how far they are."""
        if self._downloads is not None:
            self.chat.title_bar.fetching = self._downloads.line

    def _keep_model(self, name: str | None) -> None:
        """The first one that is ever chosen is for all chats."""
        self._use_model(name)
        if name:
            self.preferences.choose(setting("model"), name)

    def _command_help(self, argument: str) -> None:
        from tui.screens.help import HelpScreen

        self._show(HelpScreen, lambda: HelpScreen(self.screen, self._keymap))

    def _command_settings(self, argument: str) -> None:
        from tui.screens.settings import SettingsScreen

        self._show(SettingsScreen, lambda: SettingsScreen(self, self.preferences.file))

    def _show(self, kind: type[Screen[None]], make: Callable[[], Screen[None]]) -> None:
        """Over what is shown; the key that opens a screen closes it, too."""
        if isinstance(self.screen, kind):
            self.pop_screen()
        elif not any(isinstance(each, kind) for each in self.screen_stack):
            self.push_screen(make())

    def action_editor(self) -> None:
        """The draft in the user's editor, which has the terminal meanwhile."""
        from tui import editor

        try:
            with self.suspend():
                text = editor.edit(self.chat.draft_text)
        except UsageError as error:
            self.chat.say(str(error), error=True)
        except SuspendNotSupported:
            self.chat.say("the terminal cannot be lent to an editor", error=True)
        else:
            self.chat.write(text)


@contextmanager
def _without_colour() -> Iterator[bool]:
    """Whether NO_COLOR asks for none; Textual takes the variable away from everybody after us."""
    value = os.environ.pop("NO_COLOR", None)
    if value:
        os.environ["NO_COLOR"] = value
    try:
        yield bool(value)
    finally:
        if value is not None:
            os.environ["NO_COLOR"] = value
