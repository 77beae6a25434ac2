"""A conversation line by line: questions, answers, chats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from time import monotonic

from gemma4_mlx.engine import EngineLike
from gemma4_mlx.errors import EngineLostError, Gemma4Error, UsageError
from gemma4_mlx.events import Event, ModelReady
from tui.attachments.attachment import Attachment
from tui.chat.beginning import news
from tui.chat.conversation import Conversation, Draft
from tui.chat.entry import ChatForm, Entry
from tui.chat.turn_request import turn_request
from tui.plain.console import Console, sentence
from tui.plain.draft_files import DraftFiles, in_words
from tui.plain.engine_link import EngineLink
from tui.plain.keeper import Keeper
from tui.plain.narrator import LABEL, Narrator
from tui.plain.room import Room
from tui.settings.options import ChatOptions
from tui.settings.preferences import Preferences

YOU = "You: "

_NEEDS_ROOM = ("ContextFullError", "MemoryLimitError")


class PlainChat:
    """What is said, and to whom.

    Args:
        engine: answers. Whoever made it starts it, by `link.start`, and closes it.
        options: what the chat was started with.
        console: where people read and write.
        preferences: settings, and where they are kept.
        clock: seconds that only go forward.

    Attributes:
        conversation: what is said and told.
        files: what is attached to the next question.
        link: to the engine.
        keeper: the chats on the disk.
        room: in the model's context.
        editing: the question that the next one is to replace; None for a new one.
        prefill: what stands on the next line at first.
        is_leaving: whether the last line has been read.
    """

    def __init__(
        self,
        engine: EngineLike,
        options: ChatOptions,
        console: Console,
        preferences: Preferences | None = None,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._clock = clock
        self.console = console
        self.options = options
        self.preferences = preferences or Preferences()
        self.conversation = Conversation(options.system, model=options.model)
        self.files = DraftFiles(options.image_tokens)
        self.link = EngineLink(engine, console, self.files.meet, clock)
        self.keeper = Keeper(
            is_kept=options.keep_chats,
            keep_media=options.keep_media,
            say=console.say,
            clock=clock,
        )
        self.room = Room(self)
        self.editing: Entry | None = None
        self.prefill = ""
        self.is_leaving = False

    @property
    def model(self) -> ModelReady | None:
        """What answers; None while nothing is loaded."""
        return self.link.model

    def use(self, options: ChatOptions, said: str = "") -> None:
        """Other options hold from the next answer on; that is said, and what is read again."""
        again = news(self.conversation, self.options, options)
        if options.image_tokens != self.options.image_tokens:
            self.files.choose_default(options.image_tokens)
        self.options = options
        self.conversation.system = options.system
        for line in filter(None, (said, again and sentence(again))):
            self.console.say(line)

    def load(self, model: str) -> None:
        """Go on with another model."""
        self.use(replace(self.options, model=model))
        self.conversation.model = model
        self.link.restart(model, is_other=True)

    # The draft

    def choose(self, prompt: str) -> str | None:
        """Ask for a word; None if nothing is chosen."""
        try:
            return self.console.ask(prompt).strip()
        except (EOFError, KeyboardInterrupt):
            return None

    def attach(self, attachments: Iterable[Attachment]) -> None:
        """Attach files; one that cannot be used is said."""
        for each in attachments:
            self.guarded(lambda each=each: self._attach(each))

    def _attach(self, attachment: Attachment) -> None:
        attached = self.files.attach(attachment)
        self.console.say(f"Attached {len(self.files.attachments)}. {in_words(attached)}")

    def edit(self, question: Entry) -> None:
        """Ask something else in the place of an old question."""
        self.editing = question
        self.console.say("What you write now takes the place of this question.")
        self.console.say("An empty line leaves it as it was.")
        self.give_back(Draft(question.text, question.attachments))

    def leave_edit(self) -> None:
        """The question that was to be replaced stays, if there was one."""
        if self.editing is not None:
            self.editing = None
            self.files.put(())
            self.console.say("The question stays as it was.")

    def give_back(self, draft: Draft) -> None:
        """What was not sent can be sent again."""
        self.files.put(draft.attachments)
        self.prefill = draft.text
        if draft.text and not self.console.can_prefill:
            self.console.say(f"It is: {draft.text}")

    # Answers

    def send(self, draft: Draft) -> None:
        """Ask, if the answer has room."""
        fitted = draft if self.editing else self.room.fitted(draft)
        if fitted is None:
            self.give_back(draft)
            return
        question, self.editing = self.editing, None
        if question is None:
            self.conversation.ask(fitted)
        else:
            self.conversation.edit(question, fitted)
        self.answer()

    def answer(self) -> None:
        """Wait for the answer that is open, and say it as it comes."""
        answer = self.conversation.open_answer
        question = self.conversation.parent(answer) if answer else None
        if answer is None or question is None:
            raise UsageError("nothing has been asked")
        narrator = Narrator(self.console, question, answer, self._clock)
        self.keeper.keep(self.conversation)
        for event in self.turn(self.conversation.messages()):
            self.conversation.hear(event)
            narrator.tell(event)
            self.keeper.keep_soon(self.conversation)
        self._end(answer)

    def turn(self, messages: tuple[ChatForm, ...]) -> Iterator[Event]:
        """Have something answered; a lost engine is started again."""
        if self.link.is_lost:
            self.link.restart(self.options.model)
        state_path = self.keeper.state_path(self.conversation)
        return self.link.turn(turn_request(messages, self.options, state_path))

    def _end(self, answer: Entry) -> None:
        failed, draft = answer.failed, None
        if failed is not None and failed.kind != EngineLostError.__name__:
            self.console.say_error(failed.message, failed.hint)
        if answer.state in ("stopped", "failed") and not (answer.text or answer.tool_calls):
            draft = self.conversation.take_back()
        elif failed is None:
            self.room.freed = 0
        self.keeper.keep(self.conversation)
        if self.preferences.settings.get("look.bell"):
            self.console.ring()
        if draft is None:
            return
        self.console.say("Your question was not answered; it can be sent again.")
        if failed is not None and failed.kind in _NEEDS_ROOM:
            smaller = self.room.made(draft)
            if smaller is not None:
                self.send(smaller)
                return
        self.give_back(draft)

    # Chats

    def take(self, conversation: Conversation) -> None:
        """Go on with a conversation, and say where it was left."""
        self.keeper.keep(self.conversation)
        self.conversation, self.editing, self.room.freed = conversation, None, 0
        self.options = replace(self.options, system=conversation.system)
        branch = conversation.branch()
        if not branch:
            self.console.say("A new chat.")
            return
        asked = sum(entry.role == "user" for entry in branch)
        self.console.say(f"{conversation.title}: {asked} question{'' if asked == 1 else 's'}.")
        for entry in branch[-2:]:
            names = "".join(f"[{each.name}] " for each in entry.attachments)
            who = YOU if entry.role == "user" else LABEL
            self.console.write(f"{who}{names}{entry.text}\n")

    def guarded(self, do: Callable[[], None]) -> None:
        """Do something; what goes wrong is said."""
        try:
            do()
        except Gemma4Error as error:
            self.console.say_error(error.message, error.hint)
