"""The flow of turns: from the composer through the conversation to the engine, and back."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from textual.widget import Widget

from gemma4_mlx.engine import EngineLike, TurnRequest
from gemma4_mlx.errors import UsageError
from gemma4_mlx.events import (
    Event,
    Failed,
    Finished,
    MediaReceipt,
    TextDelta,
    ThoughtDelta,
    ToolCall,
)
from tui.chat.conversation import Conversation, Draft
from tui.chat.entry import ChatForm, Entry
from tui.widgets.answer_turn import AnswerTurn
from tui.widgets.composer import Composer
from tui.widgets.key_hints import key_hints
from tui.widgets.transcript import Row, Transcript
from tui.widgets.user_turn import UserTurn

EDITING = (("prompt.send", "ask this"), ("chat.stop", "leave it"))


class Stage(Protocol):
    """What turns need of the screen they are played on."""

    @property
    def transcript(self) -> Transcript:
        """Where turns are shown."""
        ...

    @property
    def composer(self) -> Composer:
        """Where drafts come from, and go back to."""
        ...

    @property
    def phase(self) -> str:
        """What a question waits for when it is sent."""
        ...

    def request(self, messages: tuple[ChatForm, ...]) -> TurnRequest:
        """A turn with what is chosen now."""
        ...

    async def keep(self) -> None:
        """The conversation should be on the disk now."""
        ...

    def keep_soon(self) -> None:
        """The conversation should be on the disk within a second."""
        ...

    async def ended(self, event: Finished | Failed) -> None:
        """A turn is over, and all of it is on the screen."""
        ...

    async def ended_aside(self, text: str, event: Finished | Failed) -> None:
        """What was asked aside has been answered, as far as it goes."""
        ...


class Turns:
    """Asks, listens, and shows both; one answer is written at a time.

    Args:
        engine: answers.
        stage: where it is shown.
        conversation: to begin with.

    Attributes:
        conversation: what is shown and told.
        editing: the question that the draft is to replace; None for a new one.
    """

    def __init__(self, engine: EngineLike, stage: Stage, conversation: Conversation) -> None:
        self._engine = engine
        self._stage = stage
        self.conversation = conversation
        self.editing: Entry | None = None
        self._queue: list[Draft] = []
        self._put_aside = Draft("")  # what was in the composer before an old question was
        self._abandoned = 0  # turns whose events do not matter any more
        self._aside: list[str] | None = None  # an answer that is no part of the conversation

    @property
    def is_answering(self) -> bool:
        """Whether an answer is waited for or being written."""
        return self.conversation.open_answer is not None or self._aside is not None

    @property
    def hint(self) -> str:
        """What keys do with a question that is being edited; nothing while there is none."""
        keys = key_hints(self._stage.composer.screen, *EDITING) if self.editing else ""
        return f"editing: {keys}" if keys else ""

    # What the user wants

    async def send(self, draft: Draft) -> None:
        """Ask a question; while an answer is being written it waits for its turn."""
        composer, question = self._stage.composer, self.editing
        composer.clear()
        if self.is_answering:
            await self._queue_up(draft)
            return
        if question is None or question.id not in self.conversation.entries:
            self.conversation.ask(draft)
        else:
            self.conversation.edit(question, draft)
            self._end_edit()
        await self._begin()

    async def retry(self, answer: Entry) -> None:
        """Answer a question again.

        Raises:
            UsageError: an answer is still being written.
        """
        self._must_be_quiet()
        self.conversation.regenerate(answer)
        self._stage.composer.prompt.focus()
        await self._begin()

    def edit(self, question: Entry) -> None:
        """Put an old question into the composer, to be asked in another way.

        Raises:
            UsageError: an answer is still being written.
        """
        self._must_be_quiet()
        composer = self._stage.composer
        if self.editing is None:
            self._put_aside = composer.draft()
        self._mark(edited=False)
        self.editing = question
        self._mark(edited=True)
        self._empty_composer()
        composer.restore(Draft(question.text, question.attachments))
        composer.prompt.focus()
        composer.say(self.hint)

    def leave_edit(self) -> None:
        """Leave the old question as it was, and go back to the draft."""
        self._empty_composer()
        self._end_edit()
        self._stage.composer.say("")

    async def show_version(self, entry: Entry, by: int) -> Entry:
        """Show the version before or after; returns it, or the same where there is none.

        Raises:
            UsageError: an answer is still being written.
        """
        versions = self.conversation.siblings(entry)
        index = versions.index(entry) + by
        if not 0 <= index < len(versions):
            return entry
        self._must_be_quiet()
        self.conversation.switch(versions[index])
        await self.show()
        self._stage.keep_soon()
        return versions[index]

    async def take(self, conversation: Conversation) -> None:
        """Go on with another conversation; an answer to this one ends here."""
        if self.is_answering:
            self._engine.stop()
            self._abandoned += 1
            self._aside = None
            self.conversation.hear(Finished("cancelled"))
            self._stage.composer.is_answering = False
        for draft in self._queue:
            self._stage.composer.restore(draft)
        self._queue.clear()
        if self.editing:
            self.leave_edit()
        await self._stage.keep()
        self.conversation = conversation
        await self._stage.transcript.clear()
        await self.show()

    def ask_aside(self, question: str) -> None:
        """Ask something that does not become part of the conversation.

        Raises:
            UsageError: an answer is still being written.
        """
        self._must_be_quiet()
        self._aside = []
        self._stage.composer.is_answering = True
        content = [{"type": "text", "text": question}]
        messages = (*self.conversation.messages(), {"role": "user", "content": content})
        self._engine.submit(self._stage.request(messages))

    # What the engine tells

    async def hear(self, event: Event) -> None:
        """Take an event of a turn."""
        if self._abandoned:
            self._abandoned -= isinstance(event, Finished | Failed)
            return
        if self._aside is not None:
            await self._hear_aside(event)
            return
        answer = self.conversation.open_answer
        if answer is None:
            return
        changed = self.conversation.hear(event)
        shown = self._stage.transcript.find(changed.id) if changed else None
        if isinstance(shown, UserTurn):
            shown.show_receipts()
        elif isinstance(shown, AnswerTurn):
            await shown.hear(event)
        match event:
            case TextDelta() | ThoughtDelta() | ToolCall():
                self._stage.transcript.tell_new_text()
                self._stage.keep_soon()
            case MediaReceipt():
                self._stage.keep_soon()
            case Finished() | Failed():
                await self._end(answer, event)

    async def show(self) -> None:
        """Show the branch that counts now; what is on the screen already stays."""
        branch = self.conversation.branch()
        shown, same = self._stage.transcript.keys(), 0
        while same < min(len(branch), len(shown)) and branch[same].id == shown[same]:
            same += 1
        await self._stage.transcript.cut(same)
        rows = [Row(partial(self._draw, entry), entry.id) for entry in branch[same:]]
        await self._stage.transcript.post(*rows)

    def show_phase(self, phase: str) -> None:
        """What the open turn waits for has changed."""
        answer = self.conversation.open_answer
        shown = self._stage.transcript.find(answer.id) if answer else None
        if isinstance(shown, AnswerTurn):
            shown.show_phase(phase)

    async def _begin(self) -> None:
        self._stage.composer.is_answering = True
        await self.show()
        await self._stage.keep()
        self._engine.submit(self._stage.request(self.conversation.messages()))

    async def _end(self, answer: Entry, event: Finished | Failed) -> None:
        self._stage.composer.is_answering = False
        is_stopped = isinstance(event, Failed) or event.reason == "cancelled"
        if is_stopped and not (answer.text or answer.tool_calls):
            draft = self.conversation.take_back()
            await self.show()
            if draft is not None:
                self._stage.composer.restore(draft)
        await self._stage.keep()
        await self._stage.ended(event)
        if is_stopped:
            await self._give_back_queue()
        elif self._queue:
            await self._ask_next()

    async def _hear_aside(self, event: Event) -> None:
        assert self._aside is not None
        if isinstance(event, TextDelta):
            self._aside.append(event.text)
        elif isinstance(event, Finished | Failed):
            self._stage.composer.is_answering = False
            text, self._aside = "".join(self._aside).strip(), None
            await self._stage.ended(event)
            await self._stage.ended_aside(text, event)

    async def _queue_up(self, draft: Draft) -> None:
        self._queue.append(draft)
        waiting = Entry("", None, "user", draft.text, attachments=draft.attachments)
        key = f"waiting-{len(self._queue)}"
        await self._stage.transcript.post(Row(lambda: UserTurn(waiting, note="waits"), key))

    async def _ask_next(self) -> None:
        draft, *self._queue = self._queue
        waiting, self._queue = self._queue, []
        self.conversation.ask(draft)
        await self._begin()
        for each in waiting:
            await self._queue_up(each)

    async def _give_back_queue(self) -> None:
        queue, self._queue = self._queue, []
        for draft in reversed(queue):
            self._stage.composer.restore(draft)
        if queue:
            await self.show()

    def _draw(self, entry: Entry) -> Widget:
        versions = self.conversation.siblings(entry)
        version = (versions.index(entry) + 1, len(versions))
        if entry.role == "user":
            turn = UserTurn(entry, version)
            turn.set_class(entry is self.editing, "-edited")
            return turn
        return AnswerTurn(entry, version, phase=self._stage.phase)

    def _mark(self, *, edited: bool) -> None:
        shown = self._stage.transcript.find(self.editing.id) if self.editing else None
        if shown is not None:
            shown.set_class(edited, "-edited")

    def _end_edit(self) -> None:
        self._mark(edited=False)
        self.editing = None
        put_aside, self._put_aside = self._put_aside, Draft("")
        self._stage.composer.restore(put_aside)

    def _empty_composer(self) -> None:
        self._stage.composer.prompt.put("")
        self._stage.composer.attached.clear()

    def _must_be_quiet(self) -> None:
        if self.is_answering:
            raise UsageError("an answer is still being written: esc stops it")
