"""What the slash commands do, line by line: `_command_NAME(argument)`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from gemma4_mlx.errors import UsageError
from tui import figures
from tui.attachments.attachment import Attachment
from tui.attachments.draft_arguments import SENT, named_budget, named_files
from tui.attachments.paths import Kind, resolve
from tui.chat.conversation import Conversation, Draft
from tui.chat.entry import Entry
from tui.chat.reports import context_report, stats_report
from tui.chat.sent_budgets import ReadAgain, spread
from tui.commands import COMMANDS, Command, find_command
from tui.export import export_chat, import_chat
from tui.plain.console import sentence
from tui.settings import presets
from tui.settings.preset import CHOICES

if TYPE_CHECKING:
    from tui.plain.chat import PlainChat

THOUGHTS = Command("thoughts", "", "what the model thought before its last answer")
_HERE = {
    "open": Command("open", "WORDS|N", "open the chat in which these words were said, or a number"),
    "sessions": Command("sessions", "[WORDS]", "all chats, or those with these words, numbered"),
}
"""What a command does here, where that is not what it does on the screen."""

MOST_LISTED = 20

TYPING = (
    "A backslash at the end of a line goes on with the next one.",
    "The path of a picture or clip alone on a line attaches it.",
    "A space before a slash sends it as text.",
    "Ctrl+C stops an answer; what was written stays.",
    "Ctrl+D leaves.",
)


class PlainCommands:
    """Each raises `UsageError` for an argument that makes no sense.

    Args:
        chat: which is told to do it.
    """

    def __init__(self, chat: PlainChat) -> None:
        self._chat = chat
        self._listed: list[str] = []  # ids of chats, as they were numbered last

    def obey(self, name: str, argument: str) -> None:
        """Do what a typed command says.

        Raises:
            UsageError: there is no such command, or not here.
        """
        command = THOUGHTS if name == THOUGHTS.name else find_command(name)
        if command is None:
            raise UsageError(f"no command /{name}: /help lists all", "a space before it sends it")
        if command not in commands_here():
            raise UsageError(f"/{name} needs the screen: gemma4 chat without --plain")
        getattr(self, command.handler)(argument)

    def _say(self, *lines: str) -> None:
        for line in lines:
            self._chat.console.say(sentence(line))

    # The draft

    def _command_image(self, argument: str) -> None:
        self._attach(argument, "image")

    def _command_audio(self, argument: str) -> None:
        self._attach(argument, "audio")

    def _attach(self, argument: str, kind: Kind) -> None:
        self._chat.attach(Attachment(kind, path) for path in named_files(argument, kind))

    def _command_budget(self, argument: str) -> None:
        budget, where = named_budget(argument)
        if where == SENT:
            spread(self._chat.conversation, budget)
            self._chat.keeper.keep(self._chat.conversation)
            self._say(ReadAgain.of(self._chat.conversation).line())
            return
        self._chat.files.set_budget(budget, where)
        if self._chat.files.attachments:
            self._tell_attached()
        else:
            self._say(f"pictures that are attached from now on: {budget}")

    def _command_drop(self, argument: str) -> None:
        self._chat.files.drop(argument)
        self._tell_attached()

    def _tell_attached(self) -> None:
        for line in self._chat.files.lines():
            self._chat.console.say(line)

    def _command_think(self, argument: str) -> None:
        if argument not in ("on", "off"):
            raise UsageError("/think takes on or off")
        options = replace(self._chat.options, thinking=argument == "on")
        self._chat.use(options, sentence(f"thinking is {argument}"))

    # What holds for the chat

    def _command_set(self, argument: str) -> None:
        options = self._chat.options
        if argument:
            self._take(presets.choose(options, argument))
        else:
            for name in CHOICES:
                self._chat.console.say(presets.choose(options, name).said)

    def _command_system(self, argument: str) -> None:
        self._take(presets.tell(self._chat.options, argument))

    def _command_preset(self, argument: str) -> None:
        verb, _, name = argument.partition(" ")
        if verb == "save":
            preset = presets.kept(self._chat.options, name.strip())
            self._chat.preferences.keep_preset(preset)
            self._say(f"preset {preset.name}: {preset.summary}")
        else:
            known = self._chat.preferences.settings.presets
            self._take(presets.take(self._chat.options, known, argument))

    def _take(self, choice: presets.Choice) -> None:
        self._chat.use(choice.options, choice.said)

    def _command_model(self, argument: str) -> None:
        if argument:
            self._chat.load(argument)
        else:
            self._say(
                f"the model is {self._chat.options.model}",
                "/model NAME takes another one; `gemma4 models` lists them",
            )

    # The conversation

    def _command_retry(self, argument: str) -> None:
        self._chat.conversation.regenerate(self._last("assistant"))
        self._chat.answer()

    def _command_edit(self, argument: str) -> None:
        self._chat.edit(self._last("user"))

    def _command_stop(self, argument: str) -> None:
        raise UsageError("nothing is being written; Ctrl+C stops an answer")

    def _command_thoughts(self, argument: str) -> None:
        thought = self._last("assistant").thought.strip()
        if not thought:
            raise UsageError("there were no thoughts before the last answer")
        self._chat.console.write(f"Thoughts: {thought}\n")

    def _last(self, role: str) -> Entry:
        for entry in reversed(self._chat.conversation.branch()):
            if entry.role == role:
                return entry
        raise UsageError("nothing has been asked yet")

    # Chats

    def _command_new(self, argument: str) -> None:
        options = self._chat.options
        self._chat.take(Conversation(options.system, model=options.model))

    def _command_sessions(self, argument: str) -> None:
        self._chat.keeper.keep(self._chat.conversation)
        rows = self._chat.keeper.sessions(argument, MOST_LISTED)
        self._listed = [row.id for row in rows]
        for number, row in enumerate(rows, 1):
            day = datetime.fromtimestamp(row.updated).strftime("%Y-%m-%d")
            asked = f"{row.questions} question{'' if row.questions == 1 else 's'}"
            self._chat.console.say(f"{number}. {row.title}, {day}, {asked}")
        self._say("/open and a number opens one" if rows else "no chats are kept")

    def _command_open(self, argument: str) -> None:
        if not argument:
            raise UsageError("/open needs words that were said, or a number of /sessions")
        if argument.isdecimal() and 1 <= int(argument) <= len(self._listed):
            self._chat.take(self._chat.keeper.load(self._listed[int(argument) - 1]))
        else:
            self._chat.take(self._chat.keeper.find(argument))

    def _command_rename(self, argument: str) -> None:
        if not argument:
            raise UsageError("/rename needs a title")
        self._chat.conversation.title = argument
        self._chat.keeper.keep(self._chat.conversation)
        self._say(f"this chat is now called {argument}")

    def _command_save(self, argument: str) -> None:
        if not argument:
            raise UsageError("/save needs the name of a file: .md, .json or .html")
        path = resolve(argument)
        missing = export_chat(self._chat.conversation, path)
        self._say(f"written to {path}", *(f"{name} is gone and left out" for name in missing))

    def _command_import(self, argument: str) -> None:
        if not argument:
            raise UsageError("/import needs a file that /save wrote as .json")
        self._chat.take(import_chat(resolve(argument)))

    # What it costs

    def _command_stats(self, argument: str) -> None:
        title, lines = stats_report(self._chat.conversation)
        last = self._last("assistant").finished
        self._say(f"{title}: {lines[0]}", *lines[1:])
        if last is not None:
            self._say(f"the last one: {figures.stats(last)}")

    def _command_context(self, argument: str) -> None:
        use = self._chat.room.use(Draft("", self._chat.files.attachments))
        self._say(*context_report(use, self._chat.conversation))

    # The program

    def _command_help(self, argument: str) -> None:
        for command in commands_here():
            told = _HERE.get(command.name, command)
            others = "".join(f", also /{alias}" for alias in command.aliases)
            self._chat.console.say(f"{told.usage}: {told.summary}{others}")
        for line in TYPING:
            self._chat.console.say(line)

    def _command_quit(self, argument: str) -> None:
        self._chat.is_leaving = True


def commands_here() -> tuple[Command, ...]:
    """The commands that make sense without a screen."""
    shared = tuple(each for each in COMMANDS if hasattr(PlainCommands, each.handler))
    return (*shared, THOUGHTS)
