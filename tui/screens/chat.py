"""The one screen: a conversation, what is typed, and what the engine tells."""

from __future__ import annotations

from dataclasses import replace

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message

from gemma4_mlx.engine import EngineLike, TurnRequest
from gemma4_mlx.errors import UsageError
from gemma4_mlx.events import (
    Event,
    Failed,
    Finished,
    LoadProgress,
    MediaReceipt,
    ModelReady,
    PromptProgress,
    TextDelta,
    ThoughtDelta,
    ToolCall,
)
from tui import figures
from tui.attachment import Attachment
from tui.commands import Command, find_command, parse_command
from tui.conversation import Conversation, Draft
from tui.options import ChatOptions
from tui.screens.attaching import AttachingScreen
from tui.widgets.answer_turn import AnswerTurn
from tui.widgets.composer import Composer
from tui.widgets.notice import Notice
from tui.widgets.sent_attachment import SentAttachment
from tui.widgets.title_bar import TitleBar
from tui.widgets.transcript import Transcript
from tui.widgets.user_turn import UserTurn
from tui.widgets.welcome import Welcome


class EngineTold(Message):
    """The engine told an event; posted from the engine's thread."""

    def __init__(self, event: Event) -> None:
        super().__init__()
        self.event = event


class Exchange:
    """A question and its answer on the screen.

    Args:
        draft: the question.
        phase: what the answer says while it waits.
    """

    def __init__(self, draft: Draft, phase: str) -> None:
        self.user = UserTurn(draft)
        self.answer = AnswerTurn(phase)


class ChatScreen(AttachingScreen):
    """The chat.

    Args:
        engine: answers; is started when the first frame is on the screen.
        options: what the chat was started with.
    """

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (72, "-normal")]
    BINDINGS = [
        Binding("escape", "stop", "Stop", id="chat.stop"),
        Binding("ctrl+t", "toggle_thinking", "Thinking", id="chat.thinking"),
    ]

    def __init__(self, engine: EngineLike, options: ChatOptions) -> None:
        super().__init__()
        self._engine = engine
        self._options = options
        self._conversation = Conversation(options.system)
        self._sent: list[SentAttachment] = []
        self._receipts = 0
        self._exchange: Exchange | None = None
        self._abandoned = 0
        self._model: ModelReady | None = None
        self._load_failure: Failed | None = None

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield TitleBar()
        yield Transcript()
        yield Composer(self._options.image_tokens)

    def on_mount(self) -> None:
        """Show what is known, then start the engine."""
        self._title.model = self._options.model.rstrip("/").rsplit("/", 1)[-1]
        self._title.state = "loading"
        self._title.thinking = self._options.thinking
        self._composer.attached.add(Attachment.of(path) for path in self._options.attachments)
        self.call_after_refresh(
            self._engine.start, lambda event: self.post_message(EngineTold(event))
        )

    @property
    def _title(self) -> TitleBar:
        return self.query_one(TitleBar)

    @property
    def _transcript(self) -> Transcript:
        return self.query_one(Transcript)

    @property
    def _composer(self) -> Composer:
        return self.query_one(Composer)

    @property
    def is_answering(self) -> bool:
        """Whether an answer is waited for or being written."""
        return self._exchange is not None

    @property
    def load_failure(self) -> Failed | None:
        """Why the model could not be loaded, if so."""
        return self._load_failure

    def say(self, message: str, *, error: bool = False) -> None:
        """Answer what was done, until the next thing is done."""
        self._composer.say(message, error=error)

    def remark(self, title: str, body: str = "", hint: str = "") -> None:
        """Put a remark on something that is wrong into the transcript."""
        self._transcript.post(Notice(title, body, hint=hint, error=True))

    @property
    def draft_text(self) -> str:
        """What is written in the prompt."""
        return self._composer.prompt.written

    def write(self, text: str) -> None:
        """Put a text into the prompt."""
        self._composer.prompt.put(text)
        self._composer.prompt.focus()

    # What the user does

    async def on_composer_submitted(self, message: Composer.Submitted) -> None:
        """A command, or a question."""
        command = parse_command(message.text)
        if command is not None:
            self._obey(*command)
            return
        draft = self._composer.draft()
        if not draft.text and not draft.attachments:
            return
        if self.is_answering:
            self._composer.say("still answering: esc stops it, then enter sends this")
        elif problem := self._composer.attached.problem():
            self._composer.say(problem, error=True)
        else:
            await self._ask(draft)

    def on_composer_scrolled(self, message: Composer.Scrolled) -> None:
        """Page up and page down work from the prompt, too."""
        if message.pages < 0:
            self._transcript.scroll_page_up(animate=False)
        else:
            self._transcript.scroll_page_down(animate=False)

    def on_key(self, event: events.Key) -> None:
        """Whatever has the focus: who types wants to write."""
        prompt = self._composer.prompt
        if event.is_printable and event.character and self.focused is not prompt:
            event.stop()
            prompt.focus()
            prompt.insert(event.character)

    def action_stop(self) -> None:
        """Stop the answer."""
        if self.is_answering:
            self._engine.stop()

    def action_toggle_thinking(self) -> None:
        """For the next answer."""
        self._command_think("off" if self._title.thinking else "on")

    async def _ask(self, draft: Draft) -> None:
        phase = "reading" if self._model else "waits until the model is loaded"
        exchange = self._begin(Exchange(draft, phase))
        self._composer.clear()
        await self._transcript.post(exchange.user, exchange.answer)
        options = self._options
        self._conversation.ask(draft)
        self._engine.submit(
            TurnRequest(
                self._conversation.messages(),
                image_tokens=options.image_tokens,
                thinking=self._title.thinking,
                max_tokens=options.max_tokens,
                temperature=options.temperature,
                top_p=options.top_p,
                top_k=options.top_k,
                seed=options.seed,
            )
        )

    def _begin(self, exchange: Exchange) -> Exchange:
        self._exchange = exchange
        self._receipts = 0
        self._sent += exchange.user.attachments
        self._composer.is_answering = True
        return exchange

    # What the engine tells

    async def on_engine_told(self, message: EngineTold) -> None:
        """Loading is shown in the title, a turn in its answer."""
        match message.event:
            case LoadProgress() as progress:
                self._title.state = figures.loading(progress)
            case ModelReady() as model:
                self._meet(model)
            case Failed() as failed if self._model is None and self._load_failure is None:
                self._load_failure = failed
                self._title.state, self._title.mood = "failed", "failed"
                self._show_failure(failed)
            case Finished() | Failed() if self._abandoned:
                self._abandoned -= 1
            case event if self._exchange is not None and not self._abandoned:
                await self._tell(self._exchange, event)

    def _meet(self, model: ModelReady) -> None:
        self._model = model
        self._title.model = model.name.rstrip("/").rsplit("/", 1)[-1]
        self._title.note = "demo model" if model.is_demo else ""
        self._title.state, self._title.mood = "ready", "ready"
        self._composer.attached.meet(model)
        self._transcript.head(Welcome(model))
        if self._exchange:
            self._exchange.answer.show_phase("reading")

    async def _tell(self, exchange: Exchange, event: Event) -> None:
        answer = exchange.answer
        self._conversation.hear(event)
        match event:
            case MediaReceipt():
                self._receive(event)
            case PromptProgress():
                answer.show_phase(figures.reading(event))
            case ThoughtDelta():
                answer.think(event.text)
            case TextDelta():
                answer.write(event.text)
            case ToolCall():
                self._transcript.post(Notice(f"Asked for the tool {event.name}: none was offered"))
            case Finished(reason="cancelled") if answer.is_empty:
                self._take_back(exchange)
            case Finished():
                self._end()
                await answer.finish(event)
            case Failed():
                await self._fail(exchange, event)

    def _receive(self, receipt: MediaReceipt) -> None:
        """Receipts come for the media of the whole conversation, in order."""
        for index in range(self._receipts, len(self._sent)):
            if self._sent[index].is_meant_by(receipt):
                self._sent[index].receive(receipt)
                self._receipts = index + self._sent[index].is_received
                return

    async def _fail(self, exchange: Exchange, failed: Failed) -> None:
        if exchange.answer.is_empty:
            self._take_back(exchange)
        else:
            self._end()
            self._sent = self._sent[: len(self._sent) - len(exchange.user.attachments)]
            self._composer.restore(exchange.user.draft)
            await exchange.answer.break_off()
        if failed == self._load_failure:  # there is a card of it already
            self._composer.say("there is no model to ask, see above", error=True)
        else:
            self._show_failure(failed)

    def _take_back(self, exchange: Exchange) -> None:
        """As if it had not been sent."""
        self._composer.restore(self._forget(exchange))
        exchange.user.remove()
        exchange.answer.remove()

    def _end(self) -> None:
        self._exchange = None
        self._composer.is_answering = False

    def _forget(self, exchange: Exchange) -> Draft:
        self._end()
        self._conversation.take_back()
        self._sent = self._sent[: len(self._sent) - len(exchange.user.attachments)]
        return exchange.user.draft

    def _show_failure(self, failed: Failed) -> None:
        title = "The model could not be loaded" if self._model is None else "No answer"
        self._transcript.post(Notice(title, failed.message, hint=failed.hint, error=True))

    # Commands: `_command_NAME(argument)`

    def obey(self, command: Command, argument: str = "") -> bool:
        """Do what a command says, whether it was typed or chosen; returns whether it was done."""
        handlers = self.app if command.host == "app" else self
        handler = getattr(handlers, command.handler, None)
        if handler is None:
            self._composer.say(f"/{command.name} cannot be done here", error=True)
            return False
        try:
            handler(argument)
        except UsageError as error:
            self._composer.say(error.message, error=True)
            return False
        return True

    def use(self, options: ChatOptions) -> None:
        """Other options hold from the next answer on."""
        self._options = options
        self._conversation.system = options.system
        self._title.thinking = options.thinking

    @property
    def options(self) -> ChatOptions:
        """What holds for the next answer."""
        return replace(self._options, thinking=self._title.thinking)

    def _obey(self, name: str, argument: str) -> None:
        command = find_command(name)
        if command is None:
            self._composer.say(f"no command /{name}: see /help, or begin with a space", error=True)
        elif self.obey(command, argument):
            self._composer.prompt.put("")

    def _command_image(self, argument: str) -> None:
        self._composer.attached.attach(argument, "image")

    def _command_audio(self, argument: str) -> None:
        self._composer.attached.attach(argument, "audio")

    def _command_budget(self, argument: str) -> None:
        self._composer.attached.set_budget(argument)

    def _command_drop(self, argument: str) -> None:
        self._composer.attached.drop(argument)

    def _command_think(self, argument: str) -> None:
        if argument not in ("on", "off"):
            raise UsageError("/think takes on or off")
        self._title.thinking = argument == "on"

    def _command_new(self, argument: str) -> None:
        if self._exchange:
            self._engine.stop()
            self._abandoned += 1
            self._end()
        self._conversation = Conversation(self._options.system)
        self._sent = []
        self._transcript.clear()
        if self._model:
            self._transcript.post(Welcome(self._model))
