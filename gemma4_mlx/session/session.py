"""A conversation with a model: each turn reads only what is new."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import mlx.core as mx

from gemma4_mlx.errors import MemoryLimitError, UsageError
from gemma4_mlx.events import Event, Finished, MediaReceipt, PromptProgress
from gemma4_mlx.generate import write_tokens
from gemma4_mlx.inputs import ModelInputs
from gemma4_mlx.limits import MIB
from gemma4_mlx.memory import Choice, Plan
from gemma4_mlx.messages import Message
from gemma4_mlx.model import Gemma4
from gemma4_mlx.prefill import cut_chunks, plan_chunks, read_chunks
from gemma4_mlx.session.encoder_cache import EncoderCache
from gemma4_mlx.session.prompt_key import PromptKey, turning_points
from gemma4_mlx.session.reply import Reply
from gemma4_mlx.session.session_file import read_session, session_bytes, write_session
from gemma4_mlx.session.trunk import Trunk
from gemma4_mlx.splice import slot_runs
from gemma4_mlx.turn import Turn, TurnOptions, plan_answer, prepare_turn

if TYPE_CHECKING:
    from gemma4_mlx.processing import Processor

ChatMessage = Message | Mapping[str, Any]

SNAPSHOT_BYTES = 4096 * MIB
"""The most that snapshots take, five of them of the largest model; never more than half of what
the plan leaves free."""

ENCODER_BYTES = 128 * MIB
"""The most that soft tokens take which are kept."""


class AnswerOptions(TurnOptions, total=False):
    """All that may be chosen for an answer; see `gemma4_mlx.stream`."""

    max_tokens: int
    should_stop: Callable[[], bool] | None


class Session:
    """A conversation, and all that is known of it already.

    `send`, `regenerate` and `edit` keep the messages; `answer` is for those who keep their own.
    Either way nothing is taken for known that is not compared, so that an answer is the one that
    `gemma4_mlx.stream` gives to the same messages. Must be used on the thread that loaded the
    model. Sessions share nothing but the model.

    Tools, and whether the model may think, stand at the beginning of a prompt: with others than
    before a conversation is read again.

    Args:
        model: from `load`.
        processor: from `load`.
        messages: what the conversation begins with, such as a system message.
        snapshot_bytes: the most that snapshots of windows may take.
        encoder_bytes: the most that encoded pictures and clips may take.

    Raises:
        UsageError: a number of bytes that is none.
    """

    def __init__(
        self,
        model: Gemma4,
        processor: Processor,
        messages: Sequence[ChatMessage] = (),
        *,
        snapshot_bytes: int = SNAPSHOT_BYTES,
        encoder_bytes: int = ENCODER_BYTES,
    ) -> None:
        for name, limit in (("snapshot_bytes", snapshot_bytes), ("encoder_bytes", encoder_bytes)):
            if not isinstance(limit, int) or limit < 0:
                raise UsageError(f"{name} {limit!r}: expected a whole number, 0 or above")
        self._model = model
        self._processor = processor
        self._messages = tuple(messages)
        self._snapshot_bytes = snapshot_bytes
        self._encoder = EncoderCache(model, encoder_bytes)
        self._trunk: Trunk | None = None

    @property
    def messages(self) -> tuple[ChatMessage, ...]:
        """The conversation so far. A question counts once a word of its answer has come."""
        return self._messages

    @property
    def nbytes(self) -> int:
        """Bytes that it holds."""
        return self._encoder.nbytes + (self._trunk.nbytes if self._trunk else 0)

    @property
    def saved_bytes(self) -> int:
        """Bytes that `save` would write; 0 while there is nothing to be saved."""
        return session_bytes(self._trunk) if self._trunk and self._trunk.offset else 0

    def send(self, message: str | ChatMessage, **options: Unpack[AnswerOptions]) -> Iterator[Event]:
        """Ask, or hand in a tool's result.

        Args:
            message: in the chat form, or the words of the user.
            options: see `gemma4_mlx.stream`.

        Returns:
            The events of the turn; nothing happens until they are asked for.
        """
        return self._ask(None, (_as_message(message),), options)

    def regenerate(self, **options: Unpack[AnswerOptions]) -> Iterator[Event]:
        """Answer the last question again.

        Raises:
            UsageError: nothing was asked yet.
        """
        questions = [at for at, one in enumerate(self._messages) if _role(one) in ("user", "tool")]
        if not questions:
            raise UsageError("there is no answer to be given again", "send a message first")
        return self._ask(questions[-1] + 1, (), options)

    def edit(
        self, index: int, message: str | ChatMessage, **options: Unpack[AnswerOptions]
    ) -> Iterator[Event]:
        """Ask something else in the place of an earlier question; what came after it is gone.

        Args:
            index: of the question in `messages`.
            message: what is asked instead.
            options: see `gemma4_mlx.stream`.

        Raises:
            UsageError: there is no message of the user.
        """
        users = [at for at, one in enumerate(self._messages) if _role(one) == "user"]
        if index not in users:
            raise UsageError(
                f"message {index!r} cannot be edited: those of the user are {users or 'none'}"
            )
        return self._ask(index, (_as_message(message),), options)

    def answer(
        self, messages: Sequence[ChatMessage], **options: Unpack[AnswerOptions]
    ) -> Generator[Event, None, None]:
        """Answer a whole conversation, whatever it has in common with the one before.

        It does not change `messages`.

        Args:
            messages: in the chat form.
            options: see `gemma4_mlx.stream`, as for what is yielded and raised.
        """
        should_stop = options.pop("should_stop", None)
        max_tokens = options.pop("max_tokens", 256)
        turn, inputs = prepare_turn(
            self._model, self._processor, messages, max_tokens=max_tokens, options=options
        )
        key = PromptKey.of(inputs, self._model.config)
        trunk, choice = self._open(turn, key, inputs.media)
        self._trunk = None  # until all has gone well
        receipts = self._receipts(key, inputs.media, trunk.offset)
        places = trunk.expect(
            key.positions, turning_points(turn.prompt, self._processor.tokenizer.control)
        )
        reused = trunk.offset
        reading = self._read(inputs, key, trunk, choice, places)
        del inputs  # as in `stream`
        steps = write_tokens(
            self._model,
            reading,
            trunk.caches,
            sampler=turn.sampler,
            stop_ids=turn.stop_ids,
            max_tokens=turn.max_tokens,
        )
        told = turn.tell(trunk.record(steps), receipts, reused=reused, should_stop=should_stop)
        has_ended = False
        try:
            for event in told:
                if isinstance(event, Finished):
                    self._trunk, has_ended = trunk, True
                yield event
        except GeneratorExit:  # nobody listens any more: between two steps all is whole
            if not has_ended and self._trunk is None:
                self._trunk = trunk
            raise

    def save(self, path: str | Path) -> None:
        """Write what is known to a file, so that another process need not read it again.

        The file is replaced as a whole. It holds no messages, pictures or clips, but what follows
        from them.

        Raises:
            UsageError: nothing was read yet, a turn is not over, or the file cannot be written.
        """
        if self._trunk is None or not self._trunk.offset:
            raise UsageError(
                "there is nothing to save: nothing was read yet, or a turn is not over"
            )
        write_session(Path(path), self._trunk, self._model)

    def restore(self, path: str | Path, messages: Sequence[ChatMessage] = ()) -> None:
        """Take over what `save` wrote.

        Args:
            path: of the file.
            messages: the conversation that it is of, for `send`, `regenerate` and `edit`.

        Raises:
            SessionError: there is no such file, it is damaged, or of another model or version.
                The conversation can go on all the same; it is read again.
        """
        self._messages = tuple(messages)
        self._trunk = None
        self._trunk = read_session(Path(path), self._model, self._snapshot_bytes)

    def _ask(
        self, kept: int | None, new: tuple[ChatMessage, ...], options: AnswerOptions
    ) -> Generator[Event, None, None]:
        """Answer the first so many messages of the conversation, or all of it, and new ones.

        That is looked up when the turn begins: others may have ended since it was asked for.
        """
        before, reply = self._messages, Reply()
        messages = (*before[:kept], *new)
        with closing(self.answer(messages, **options)) as events:
            try:
                for event in events:
                    reply.hear(event)
                    if isinstance(event, Finished):
                        self._note(messages, reply, before)
                    yield event
            except GeneratorExit:
                self._note(messages, reply, before)
                raise

    def _note(
        self,
        messages: tuple[ChatMessage, ...],
        reply: Reply,
        before: tuple[ChatMessage, ...],
    ) -> None:
        """Keep a turn, unless another one has ended since it began: that must not be undone."""
        if reply and self._messages is before:
            self._messages = (*messages, reply.message())

    def _open(
        self, turn: Turn, key: PromptKey, media: Sequence[MediaReceipt]
    ) -> tuple[Trunk, Choice]:
        """What to go on from, taken back to where the prompt leaves it."""
        trunk = self._trunk
        start = trunk.reusable(key.positions) if trunk else 0
        plan = None
        if trunk is not None and start:
            try:
                plan = self._plan(turn, key, media, trunk, start)
            except MemoryLimitError:  # there may be room with keys and values kept otherwise
                start = 0
        if trunk is None or not start:
            plan = self._plan(turn, key, media)
            kv = plan.choice.kv if plan else Choice().kv
            trunk = Trunk(self._model.make_cache(kv), kv, self._snapshot_bytes)
        if plan:
            room = max(0, plan.limit_bytes - plan.total_bytes)
            trunk.snapshot_bytes = min(self._snapshot_bytes, room // 2)
        trunk.rewind(start)
        return trunk, plan.choice if plan else Choice()

    def _plan(
        self,
        turn: Turn,
        key: PromptKey,
        media: Sequence[MediaReceipt],
        trunk: Trunk | None = None,
        start: int = 0,
    ) -> Plan | None:
        return plan_answer(
            self._model,
            self._receipts(key, media, start),
            new=len(turn.prompt) - start,
            context=turn.context,
            kv=trunk.kv if trunk else None,
        )

    def _receipts(
        self, key: PromptKey, media: Sequence[MediaReceipt], start: int
    ) -> list[MediaReceipt]:
        new = {
            medium.receipt
            for medium in key.media
            if medium.stop > start and medium not in self._encoder
        }
        return [replace(receipt, cached=place not in new) for place, receipt in enumerate(media)]

    def _read(
        self,
        inputs: ModelInputs,
        key: PromptKey,
        trunk: Trunk,
        choice: Choice,
        places: Sequence[int],
    ) -> Generator[PromptProgress, None, mx.array]:
        """Read what the trunk does not hold yet; see `prefill`."""
        start = trunk.offset
        ids = inputs.input_ids[:, start:]
        encoding = self._encode(inputs, key, start)
        del inputs
        try:
            prompt = self._model.splice(ids, *(yield from encoding))
            mx.eval(prompt)
        finally:
            del encoding
            if not choice.keeps_towers:
                self._model.release_towers()
        pictures = slot_runs(ids, *self._model.picture_token_ids)
        chunks = plan_chunks(ids.shape[1], pictures, choice.chunk)
        chunks = cut_chunks(chunks, [place - start for place in places])
        return (yield from read_chunks(self._model, prompt, trunk.caches, chunks))

    def _encode(
        self, inputs: ModelInputs, key: PromptKey, start: int
    ) -> Generator[PromptProgress, None, Iterable[list[mx.array]]]:
        """Soft tokens of pictures, of clips and of frames, from a position on.

        It tells of each medium that has to be encoded, so that whoever wants the turn stopped
        can say so.
        """
        needed = [medium for medium in key.media if medium.stop > start]
        # All of them before the first is encoded, which may take the place of another.
        found = {medium.key: self._encoder.find(medium) for medium in needed}
        missing = sum(rows is None for rows in found.values())
        told = PromptProgress(start, inputs.input_ids.shape[1], to_encode=missing)
        if missing:
            yield told
        soft_tokens: dict[str, list[mx.array]] = {"image": [], "audio": [], "video": []}
        for medium in needed:
            rows = found[medium.key]
            if rows is None:
                rows = found[medium.key] = yield from self._encoder.encode(inputs, medium, told)
                told = replace(told, encoded=told.encoded + 1)
                yield told
            soft_tokens[medium.kind].append(rows[max(0, start - medium.start) :])
        return soft_tokens.values()


def _as_message(message: str | ChatMessage) -> ChatMessage:
    return {"role": "user", "content": message} if isinstance(message, str) else message


def _role(message: ChatMessage) -> str | None:
    if isinstance(message, Message):
        return message.role
    # What is no message is refused with the first turn.
    return message.get("role") if isinstance(message, Mapping) else None
