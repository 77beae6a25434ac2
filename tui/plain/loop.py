"""The loop: a line is read, and obeyed or answered."""

from __future__ import annotations

from pathlib import Path

from gemma4_mlx.errors import Gemma4Error
from tui.attachments.attachment import Attachment
from tui.attachments.paths import media_paths
from tui.chat.conversation import Draft
from tui.commands import parse_command
from tui.plain.chat import YOU, PlainChat
from tui.plain.commands import PlainCommands
from tui.store.prompt_history import PromptHistory, prompts_path
from tui.text.printable import printable_line

MORE = "more: "


class Loop:
    """Reads lines until somebody leaves.

    Args:
        chat: is told what they say.
    """

    def __init__(self, chat: PlainChat) -> None:
        self._chat = chat
        self._console = chat.console
        self._commands = PlainCommands(chat)
        self._history = PromptHistory(prompts_path(is_kept=chat.options.keep_chats))
        self._was_interrupted = False

    def run(self) -> int:
        """Talk until somebody leaves.

        Returns:
            The exit code: 0, or that of the error for which there was no model.
        """
        try:
            self._begin()
            while not self._chat.is_leaving:
                self._chat.link.hear()
                line = self._read()
                if line is None:
                    break
                self._chat.link.hear()
                self._chat.guarded(lambda line=line: self._take_line(line))
            self._chat.keeper.keep(self._chat.conversation)
        finally:
            self._chat.keeper.close()
        failure = self._chat.link.load_failure
        return failure.exit_code if failure else 0

    def _begin(self) -> None:
        self._console.say("gemma4, line by line. /help lists commands, Ctrl+D leaves.")
        self._console.remember(reversed(self._history.search("")))
        for problem in self._chat.preferences.settings.problems:
            self._console.say(f"Wrong in the settings: {problem}")
        self._chat.link.start(self._chat.options.model)
        if self._chat.options.continue_last:
            self._chat.guarded(self._continue_last)
        self._chat.attach(Attachment.of(path) for path in self._chat.options.attachments)

    def _continue_last(self) -> None:
        last = self._chat.keeper.last()
        if last is not None:
            self._chat.take(last)

    def _read(self) -> str | None:
        """What is typed, of several lines if they end in a backslash; None to leave."""
        prefill, self._chat.prefill = self._chat.prefill, ""
        lines: list[str] = []
        while True:
            try:
                line = self._console.ask(MORE if lines else YOU, prefill=prefill)
            except EOFError:
                return "\n".join(lines) if lines else None
            except KeyboardInterrupt:
                if self._was_interrupted:
                    return None
                self._was_interrupted, lines = True, []
                self._console.say("Ctrl+C once more leaves, and so does Ctrl+D.")
                continue
            finally:
                prefill = ""
            self._was_interrupted = False
            if not line.endswith("\\"):
                return "\n".join([*lines, line])
            lines.append(line[:-1])

    def _take_line(self, line: str) -> None:
        """A file, a command, or a question."""
        if not line.strip():
            self._chat.leave_edit()
            return
        self._history.add(line)
        paths = media_paths(line)
        if paths and not self._are_words(paths):
            return
        command = parse_command(line)
        if command is not None:
            self._commands.obey(*command)
            return
        try:
            draft = Draft(line.strip(), self._chat.files.take())
        except Gemma4Error:
            self._chat.prefill = line
            raise
        self._chat.send(draft)

    def _are_words(self, paths: list[Path]) -> bool:
        """Whether paths that stand alone on a line are meant as text; else they are attached."""
        said: str | None = ""
        if self._console.is_terminal:
            names = ", ".join(printable_line(path.name) for path in paths)
            said = self._chat.choose(f"Attach {names}? Enter attaches, n sends it as text: ")
        if said is None:  # neither
            return False
        if said.lower() in ("n", "no"):
            return True
        before = len(self._chat.files.attachments)
        self._chat.attach(map(Attachment.of, paths))
        if said.lower() not in ("", "y", "yes"):  # the question, typed already
            if len(self._chat.files.attachments) == before + len(paths):
                self._take_line(said)
            else:
                self._chat.prefill = said
        return False
