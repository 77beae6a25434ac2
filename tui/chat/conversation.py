"""The conversation in memory: a tree of questions and answers, and the branch that is shown.

An edited question and a regenerated answer stand beside the old one: both have the same parent.
The head is the end of the branch that is shown and that the model is told.

What changes is noted, so that whoever keeps the conversation asks for `take_changes` alone.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType

from gemma4_mlx.errors import UsageError
from gemma4_mlx.events import Event, Failed, Finished, MediaReceipt, TextDelta, ThoughtDelta
from gemma4_mlx.messages import ImageTokens
from tui.attachments.attachment import Attachment
from tui.chat.entry import ChatForm, Entry

TITLE_LENGTH = 60

Beginning = tuple[str, bool, str]
"""Of a prompt: for which model, whether to think, the system prompt."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What is in the composer: words, and what is attached to them."""

    text: str
    attachments: tuple[Attachment, ...] = ()

    def message(self) -> ChatForm:
        """As a message: media first, which is the order Gemma was trained on."""
        return Entry("", None, "user", self.text, attachments=self.attachments).message()

    def title(self) -> str:
        """The first words, or what was attached."""
        words = " ".join(self.text.split()) or ", ".join(each.name for each in self.attachments)
        if len(words) <= TITLE_LENGTH:
            return words
        return words[:TITLE_LENGTH].rsplit(" ", 1)[0].rstrip(" ,.;:") + "…"


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be written of a conversation: all of it as it was at one moment.

    Attributes:
        session: the conversation's id.
        title: None if it has not changed.
        system, model, head, created: of the conversation.
        entries: new and changed ones, parents before children; copies, so that another thread
            can read them.
        removed: ids of entries that are gone.
        is_new: whether the conversation has never been written.
    """

    session: str
    title: str | None
    system: str
    model: str
    head: str | None
    created: float
    entries: tuple[Entry, ...] = ()
    removed: tuple[str, ...] = ()
    is_new: bool = False

    @property
    def is_said(self) -> bool:
        """Whether something was said or taken back; a title, a head or a model is not."""
        return bool(self.entries or self.removed)


class Conversation:
    """A chat.

    A turn counts once it has been answered: the model is never told of a question whose answer
    failed or is empty. An answer that was stopped counts with what was written.

    Args:
        system: the system prompt, or nothing.
        model: who answers.
        id: of a conversation that has been written; a new one gets its own.
        title: what to call it; the first question's first words if not given.
        created: seconds since 1970; now if not given.
        clock: tells the time, in seconds since 1970.
    """

    def __init__(
        self,
        system: str = "",
        *,
        model: str = "",
        id: str = "",
        title: str = "",
        created: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self.system = system
        self._entries: dict[str, Entry] = {}
        self._head: str | None = None
        self._changed: dict[str, None] = {}  # ids, in order
        self._removed: dict[str, None] = {}
        self._before: str | None = None  # the head before the open question
        self._reading = 0  # attachments that the open turn has receipts for
        self._parts: list[MediaReceipt] = []  # of the next one, which a long clip has several of
        self._thinking_since: float | None = None
        self.read_as: Beginning | None = None  # by the model, if the next question will not be
        self._written_title = title
        self.id = id or new_id()
        self.title = title
        self.model = model
        self.created = clock() if created is None else created
        self.is_new = not id

    def fill(self, entries: Iterable[Entry], head: str | None) -> None:
        """Take what was written, parents before children; nothing of it counts as a change."""
        self._entries = {entry.id: entry for entry in entries}
        newest = next(reversed(self._entries), None)
        self._head = head if head in self._entries else newest

    def adopt(self, entries: Iterable[Entry], head: str | None) -> None:
        """Take what comes from elsewhere, parents before children; all of it is new here."""
        self.fill(entries, head)
        self._changed = dict.fromkeys(self._entries)

    # What there is

    @property
    def entries(self) -> Mapping[str, Entry]:
        """All of them by id, parents before children."""
        return MappingProxyType(self._entries)

    @property
    def head(self) -> Entry | None:
        """The end of the branch that is shown."""
        return self._entries[self._head] if self._head is not None else None

    @property
    def open_answer(self) -> Entry | None:
        """The answer that is being waited for or written."""
        head = self.head
        return head if head is not None and head.state == "writing" else None

    def branch(self) -> tuple[Entry, ...]:
        """From the first question to the head."""
        path = []
        entry = self.head
        while entry is not None:
            path.append(entry)
            entry = self.parent(entry)
        return tuple(reversed(path))

    def parent(self, entry: Entry) -> Entry | None:
        """What it answers or follows."""
        return self._entries[entry.parent] if entry.parent is not None else None

    def siblings(self, entry: Entry) -> tuple[Entry, ...]:
        """All versions of an entry, itself included, the oldest first."""
        return tuple(each for each in self._entries.values() if each.parent == entry.parent)

    def messages(self) -> tuple[ChatForm, ...]:
        """The branch in the chat form, for the model; an open question is its end."""
        said: list[ChatForm] = []
        for question, answer in self.told():
            said.append(question.message())
            if answer.state != "writing":
                said.append(answer.message())
        system = [{"role": "system", "content": self.system}] if self.system else []
        return (*system, *said)

    def told(self) -> list[tuple[Entry, Entry]]:
        """Questions and answers that the model is told of."""
        branch = self.branch()
        return [
            (question, answer)
            for question, answer in pairwise(branch)
            if question.role == "user" and not question.left_out and _counts(answer)
        ]

    # What is said

    def ask(self, draft: Draft) -> Entry:
        """Add a question after the head; returns its answer, which is still empty."""
        return self._ask(draft, self._head)

    def edit(self, question: Entry, draft: Draft) -> Entry:
        """Ask something else in a question's place; returns the answer, which is still empty."""
        return self._ask(draft, question.parent)

    def regenerate(self, answer: Entry) -> Entry:
        """Answer a question again; returns the new answer, which is still empty."""
        self._must_be_quiet()
        return self._open(answer.parent)

    def hear(self, event: Event) -> Entry | None:
        """Take an event of the open turn.

        Returns:
            The entry that it changed: the answer, or for a receipt the question of its
            attachment.
        """
        answer = self.open_answer
        if answer is None:
            return None
        if isinstance(event, MediaReceipt):
            return self._receive(event)
        self._time_thoughts(answer, event)
        answer.hear(event)
        if isinstance(event, Finished):
            answer.picture_tokens = sum(map(_picture_tokens, self.told()))
        self._changed[answer.id] = None
        return answer

    def take_back(self) -> Draft | None:
        """Forget the last answer, and its question if it has no other answer.

        Returns:
            The question, for the composer; None if it stays.
        """
        answer = self.head
        if answer is None or answer.role != "assistant":
            return None
        question = self.parent(answer)
        if question is None or len(self.siblings(answer)) > 1:
            self._remove(answer)
            return None
        self._remove(question)
        draft = Draft(question.text, question.attachments)
        if not self._entries and self.title == draft.title():
            self.title = ""
        return draft

    # What is shown

    def switch(self, entry: Entry) -> None:
        """Show another version: the newest branch that goes through this entry."""
        self._must_be_quiet()
        self._head, self._before = self._tip(entry).id, None

    def set_budget(self, entry: Entry, place: int, image_tokens: ImageTokens) -> None:
        """Give a picture that was sent another budget, from the next question on."""
        changed = list(entry.attachments)
        changed[place] = changed[place].with_budget(image_tokens)
        entry.attachments = tuple(changed)
        self._changed[entry.id] = None

    def leave_out_oldest(self) -> Entry | None:
        """Tell the model no longer of the oldest question and its answer.

        Returns:
            That question; None if there is only one left.
        """
        told = [question for question, _ in self.told()]
        if len(told) < 2:
            return None
        told[0].left_out = True
        self._changed[told[0].id] = None
        return told[0]

    # For whoever keeps it

    def take_changes(self) -> Changes:
        """What has changed since the last call."""
        changes = Changes(
            session=self.id,
            title=self.title if self.is_new or self.title != self._written_title else None,
            system=self.system,
            model=self.model,
            head=self._head,
            created=self.created,
            entries=tuple(replace(self._entries[each]) for each in self._changed),
            removed=tuple(self._removed),
            is_new=self.is_new,
        )
        self._changed, self._removed, self.is_new = {}, {}, False
        self._written_title = self.title
        return changes

    def put_back(self, changes: Changes) -> None:
        """They could not be written: they will be among the next ones."""
        again = (entry.id for entry in changes.entries if entry.id in self._entries)
        self._changed = {**dict.fromkeys(again), **self._changed}
        self._removed = {**dict.fromkeys(changes.removed), **self._removed}
        self.is_new = changes.is_new
        if changes.title is not None:
            self._written_title = ""

    def moved(self, entry_id: str, attachments: tuple[Attachment, ...]) -> None:
        """The files of a question have been copied: from now on they are read there."""
        entry = self._entries.get(entry_id)
        if entry is not None and len(entry.attachments) == len(attachments):
            entry.attachments = tuple(
                replace(old, path=new.path)
                for old, new in zip(entry.attachments, attachments, strict=True)
            )

    def _ask(self, draft: Draft, parent: str | None) -> Entry:
        self._must_be_quiet()
        question = Entry(
            new_id(), parent, "user", draft.text, attachments=draft.attachments,
            created=self._clock(),
        )  # fmt: skip
        self.title = self.title or draft.title()
        self._add(question)
        return self._open(question.id)

    def _open(self, question: str | None) -> Entry:
        answer = Entry(
            new_id(), question, "assistant", state="writing", model=self.model,
            created=self._clock(),
        )  # fmt: skip
        self._add(answer)
        self._before, self._head = self._head, answer.id
        self._reading, self._parts, self._thinking_since = 0, [], None
        self.read_as = None
        return answer

    def _add(self, entry: Entry) -> None:
        self._entries[entry.id] = entry
        self._changed[entry.id] = None

    def _remove(self, entry: Entry) -> None:
        """Remove an entry and all that follows it; the head goes where it was before."""
        versions = [each for each in self.siblings(entry) if each is not entry]
        gone = {entry.id}
        for each in self._entries.values():
            if each.parent in gone:
                gone.add(each.id)
        for each in gone:
            del self._entries[each]
            self._changed.pop(each, None)
            self._removed[each] = None
        if self._before in self._entries:
            self._head = self._before
        else:
            self._head = self._tip(versions[-1]).id if versions else entry.parent

    def _receive(self, receipt: MediaReceipt) -> Entry | None:
        """Receipts come for the media of the whole branch, in order, in every turn."""
        sent = [
            (question, place)
            for question, _ in self.told()
            for place in range(len(question.attachments))
        ]
        for index, (question, place) in list(enumerate(sent))[self._reading :]:
            attachment = question.attachments[place]
            if not attachment.is_meant_by(receipt):
                continue
            self._parts = [*self._parts, receipt] if index == self._reading else [receipt]
            question.receive(place, self._parts)
            self._changed[question.id] = None
            is_whole = len(self._parts) >= attachment.parts
            self._reading, self._parts = (index + 1, []) if is_whole else (index, self._parts)
            return question
        return None

    def _time_thoughts(self, answer: Entry, event: Event) -> None:
        if isinstance(event, ThoughtDelta) and self._thinking_since is None:
            self._thinking_since = self._clock()
        if isinstance(event, TextDelta | Finished | Failed) and self._thinking_since is not None:
            answer.thought_s += self._clock() - self._thinking_since
            self._thinking_since = None

    def _tip(self, entry: Entry) -> Entry:
        """The end of the newest branch that goes through an entry."""
        while following := [each for each in self._entries.values() if each.parent == entry.id]:
            entry = following[-1]
        return entry

    def _must_be_quiet(self) -> None:
        if self.open_answer is not None:
            raise UsageError("an answer is still being written", "stop it first")


def _picture_tokens(turn: tuple[Entry, Entry]) -> int:
    """What the model got of the pictures of a turn."""
    return sum(each.tokens for got in turn[0].receipts for each in got if each.kind == "image")


def _counts(answer: Entry) -> bool:
    """Whether the model is told of it and of its question."""
    return answer.state == "writing" or (answer.state != "failed" and bool(answer.text))


def new_id() -> str:
    """An id that nobody else has."""
    return secrets.token_hex(8)
