"""What the chat's slash commands do: `_command_NAME(argument)`.

What only one of them needs is imported by it: the first frame is there sooner.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from inspect import isawaitable
from pathlib import Path

from gemma4_mlx.errors import UsageError
from tui.attachments.draft_arguments import SENT, named_budget
from tui.attachments.paths import resolve
from tui.chat.conversation import Conversation
from tui.chat.entry import Entry
from tui.commands import Command, find_command
from tui.screens.chat.face import ChatFace
from tui.screens.chat.old_pictures import OldPictures
from tui.widgets.notice import Notice


class ChatCommands:
    """Each raises `UsageError` for an argument that makes no sense.

    Args:
        chat: which is told to do it.
    """

    def __init__(self, chat: ChatFace) -> None:
        self._chat = chat

    async def typed(self, word: str, argument: str) -> None:
        """Obey what was typed; it stays in the prompt if it cannot be done."""
        chat, line = self._chat, self._chat.draft_text
        if find_command(word) is None:
            chat.say(f"no command /{word}: see /help, or begin with a space", error=True)
        elif await self.obey_word(word, argument) and chat.draft_text == line:
            chat.composer.prompt.put("")
            chat.show_context()

    async def obey_word(self, word: str, argument: str = "") -> bool:
        """Obey the command of that name; returns whether it was done."""
        command = find_command(word)
        return command is not None and await self.obey(command, argument)

    async def obey(self, command: Command, argument: str) -> bool:
        """Do what a command says; returns whether it was done."""
        host = self._chat.app if command.host == "app" else self
        handler = getattr(host, command.handler, None)
        if handler is None:
            self._chat.say(f"/{command.name} cannot be done here", error=True)
            return False

        async def do() -> None:
            done = handler(argument)
            if isawaitable(done):
                await done

        return await self._chat.guarded(do())

    # The draft

    def _command_image(self, argument: str) -> None:
        self._chat.composer.attached.attach(argument, "image")

    def _command_audio(self, argument: str) -> None:
        self._chat.composer.attached.attach(argument, "audio")

    def _command_record(self, argument: str) -> None:
        self._chat.action_record()

    def _command_budget(self, argument: str) -> None:
        budget, where = named_budget(argument)
        if where == SENT:
            OldPictures(self._chat).spread(budget)
        else:
            self._chat.composer.attached.set_budget(budget, where)
            if not where:
                self._chat.say(f"all pictures, and those to come: {budget}")

    def _command_drop(self, argument: str) -> None:
        self._chat.composer.attached.drop(argument)

    def _command_think(self, argument: str) -> None:
        if argument not in ("on", "off"):
            raise UsageError("/think takes on or off")
        self._chat.use(
            replace(self._chat.options, thinking=argument == "on"), f"thinking {argument}"
        )

    # The conversation

    async def _command_retry(self, argument: str) -> None:
        await self._chat.turns.retry(self._last("assistant"))

    def _command_edit(self, argument: str) -> None:
        self._chat.turns.edit(self._last("user"))

    def _command_stop(self, argument: str) -> None:
        if not self._chat.is_answering:
            raise UsageError("nothing is being written")
        self._chat.action_stop()

    def _command_copy(self, argument: str) -> None:
        what, _, number = argument.partition(" ")
        if what in ("", "last"):
            self._chat.copy(self._last("assistant").text, "the last answer")
        elif what == "all":
            from tui.export import render_chat

            self._chat.copy(render_chat(self._chat.conversation, "md"), "the whole chat")
        elif what == "code":
            self._chat.copy(*self._code(number.strip()))
        else:
            raise UsageError("/copy takes code, code and a number, last or all")

    def _code(self, number: str) -> tuple[str, str]:
        from tui.text.markdown_pieces import code_blocks

        blocks = code_blocks(self._last("assistant").text)
        if not blocks:
            raise UsageError("there is no code in the last answer")
        if not number:
            return blocks[-1], "the last code block"
        if not number.isdecimal() or not 1 <= int(number) <= len(blocks):
            raise UsageError(f"/copy code {number}: the last answer has {len(blocks)}")
        return blocks[int(number) - 1], f"code block {number}"

    def _last(self, role: str) -> Entry:
        for entry in reversed(self._chat.conversation.branch()):
            if entry.role == role:
                return entry
        raise UsageError("nothing has been asked yet")

    # Chats

    async def _command_new(self, argument: str) -> None:
        options = self._chat.options
        await self._chat.take(Conversation(options.system, model=options.model))

    async def _command_open(self, argument: str) -> None:
        if not argument:
            raise UsageError("/open needs words that were said in the chat")
        await self._chat.take(await self._chat.kept.find(argument))

    async def _command_rename(self, argument: str) -> None:
        if not argument:
            raise UsageError("/rename needs a title")
        self._chat.conversation.title = argument
        await self._chat.keep()

    async def _command_save(self, argument: str) -> None:
        if not argument:
            raise UsageError("/save needs the name of a file: .md, .json or .html")
        from tui.export import export_chat

        path = resolve(argument)
        missing = await asyncio.to_thread(export_chat, self._chat.conversation, path)
        left_out = f"; left out, as they are gone: {', '.join(missing)}" if missing else ""
        self._chat.say(f"written to {path}{left_out}")

    async def _command_import(self, argument: str) -> None:
        if not argument:
            raise UsageError("/import needs a file that /save wrote as .json")
        from tui.export import import_chat

        chat = await asyncio.to_thread(import_chat, Path(resolve(argument)))
        await self._chat.take(chat)
        await self._chat.keep()
        self._chat.say(f"read from {argument}")

    # What it costs

    async def _command_stats(self, argument: str) -> None:
        from tui.chat.reports import stats_report

        await self._note(*stats_report(self._chat.conversation))

    async def _command_context(self, argument: str) -> None:
        from tui.chat.reports import context_report

        lines = context_report(self._chat.context, self._chat.conversation)
        await self._note("Context", lines)

    async def _note(self, title: str, lines: list[str]) -> None:
        await self._chat.transcript.remark(lambda: Notice(title, "\n".join(lines)))
