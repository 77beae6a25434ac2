"""The chat: a conversation, what is typed, and what the engine tells."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding

from gemma4_mlx.engine import EngineLike, TurnRequest
from gemma4_mlx.errors import Gemma4Error
from gemma4_mlx.events import Failed, Finished, ModelReady
from tui.attachments.attachment import Attachment
from tui.chat.beginning import news
from tui.chat.context import ContextUse, asked_tokens, text_rate, used_tokens
from tui.chat.conversation import Conversation, Draft
from tui.chat.entry import ChatForm
from tui.chat.turn_request import turn_request
from tui.commands import Command, parse_command
from tui.driver import take_keys
from tui.screens.chat import cards
from tui.screens.chat.attaching import AttachingScreen
from tui.screens.chat.commands import ChatCommands
from tui.screens.chat.engine_told import EngineTold
from tui.screens.chat.loaded_model import LoadedModel
from tui.screens.chat.making_room import MakingRoom
from tui.screens.chat.turns import Turns
from tui.screens.chat.wishes import TurnWishes
from tui.settings.options import ChatOptions
from tui.store.kept_chats import KeptChats
from tui.store.prompt_history import PromptHistory, prompts_path
from tui.text.printable import printable_line
from tui.widgets.composer import Composer
from tui.widgets.keyed import Keyed
from tui.widgets.new_text_pill import NewTextPill
from tui.widgets.notice import Notice
from tui.widgets.offer_card import OfferCard
from tui.widgets.title_bar import TitleBar
from tui.widgets.transcript import Transcript
from tui.widgets.turn import Turn
from tui.widgets.welcome import Welcome

if TYPE_CHECKING:
    from tui.widgets.code_block import CodeBlock


class ChatScreen(AttachingScreen):
    """The chat.

    Args:
        engine: answers; is started when the first frame is on the screen.
        options: what the chat was started with.

    Attributes:
        options: what holds for the next answer.
        loaded: the model, and how it is.
        kept: the chats on the disk.
        turns: the flow of questions and answers.
        room: in the model's context.
    """

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (72, "-normal")]
    BINDINGS = [
        Binding("escape", "stop", "Stop; else back to the prompt", id="chat.stop"),
        Binding("ctrl+t", "toggle_thinking", "Thinking on or off", id="chat.thinking"),
        # Terminal.app keeps Option to itself, unless it is told otherwise.
        Binding("alt+up,shift+tab", "walk(-1)", "To the turn or code before", id="chat.before"),
        Binding("alt+down", "walk(1)", "To the turn or code after", id="chat.after"),
        Binding("ctrl+end", "to_end", "To the end", id="chat.end"),
        Binding("end", "to_end", "To the end", priority=True, show=False, id="chat.bare_end"),
    ]

    def __init__(self, engine: EngineLike, options: ChatOptions) -> None:
        super().__init__(classes="-normal")  # most windows are: nothing is styled twice
        self._engine = engine
        self.options = options
        self.loaded = LoadedModel(engine, self)
        self.kept = KeptChats(
            is_kept=options.keep_chats, keep_media=options.keep_media, on_trouble=self._say_trouble
        )
        self.turns = Turns(engine, self, Conversation(options.system, model=options.model))
        self.room = MakingRoom(self)
        self._wishes = TurnWishes(self)
        self._commands = ChatCommands(self)

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        yield TitleBar()
        yield Transcript()
        history = PromptHistory(prompts_path(is_kept=self.options.keep_chats))
        yield Composer(self.options.image_tokens, history)

    async def on_mount(self) -> None:
        """Show what is known, then start the engine."""
        self.loaded.expect(self.options.model)
        self.title_bar.thinking = self.options.thinking
        self.composer.attached.add(Attachment.of(path) for path in self.options.attachments)
        self.call_after_refresh(
            self._engine.start, lambda event: self.post_message(EngineTold(event))
        )
        if self.options.continue_last:
            self.call_after_refresh(self.open_chat)

    async def on_unmount(self) -> None:
        """Write what is not written yet."""
        await self.kept.store.close()

    # What there is

    @property
    def title_bar(self) -> TitleBar:
        """The top line."""
        return self.query_one(TitleBar)

    @property
    def transcript(self) -> Transcript:
        """Where turns are shown."""
        return self.query_one(Transcript)

    @property
    def conversation(self) -> Conversation:
        """What is shown and told."""
        return self.turns.conversation

    @property
    def is_answering(self) -> bool:
        """Whether an answer is waited for or being written."""
        return self.turns.is_answering

    @property
    def model(self) -> ModelReady | None:
        """What answers; None while nothing can."""
        return self.loaded.ready

    @property
    def load_failure(self) -> Failed | None:
        """Why nothing could be loaded, if so."""
        return self.loaded.failure

    @property
    def phase(self) -> str:
        """What a question waits for when it is sent."""
        return "reading" if self.model else "waits until the model is loaded"

    @property
    def context(self) -> ContextUse:
        """How full the context is, with the draft."""
        used = max(0, used_tokens(self.conversation) - self.room.freed)
        used += asked_tokens(self.conversation)
        draft = self.composer.draft_tokens(text_rate(self.conversation)).total
        return ContextUse(self.model.context_length if self.model else 0, used, draft)

    @property
    def draft_text(self) -> str:
        """What is written in the prompt."""
        return self.composer.prompt.written

    def use(self, options: ChatOptions, said: str = "") -> None:
        """Other options hold from the next answer on; that is said, and what is read again."""
        again = news(self.conversation, self.options, options)
        self.options = options
        self.conversation.system = options.system
        if self.is_mounted:
            self.title_bar.thinking = options.thinking
            if told := " · ".join(filter(None, (said, again))):
                self.say(told)

    def request(self, messages: tuple[ChatForm, ...]) -> TurnRequest:
        """A turn with what is chosen now."""
        return turn_request(messages, self.options, self.kept.state_path(self.conversation))

    # What is shown

    def remark(self, title: str, body: str = "", hint: str = "") -> None:
        """Put a remark on something that is wrong into the transcript."""
        self.call_next(self.transcript.remark, lambda: Notice(title, body, hint=hint, error=True))

    async def show_card(self, card: OfferCard) -> None:
        """Show what can be chosen; its keys work at once unless a text is being written."""
        await self.transcript.remark(lambda: card)
        if card.is_answer or not self.draft_text:
            card.focus()

    def copy(self, text: str, what: str) -> None:
        """Copy, and say so."""
        self.app.copy_to_clipboard(text)
        self.say(f"copied {what}")

    def show_context(self) -> None:
        """What is taken of the context has changed."""
        use = self.context
        self.composer.meter = use.line()
        self.composer.set_class(use.is_almost_full, "-full")

    # Chats

    async def keep(self) -> None:
        """The conversation should be on the disk now."""
        self.title_bar.title = printable_line(self.conversation.title)
        for remark in await self.kept.write(self.conversation):
            self.remark(remark)

    def keep_soon(self) -> None:
        """The conversation should be on the disk within a second."""
        self.kept.write_soon(self.conversation)

    async def open_chat(self, chat_id: str = "") -> None:
        """Go on with a chat that was kept; without an id, with the last one, if there is one."""

        async def do() -> None:
            chat = await (self.kept.load(chat_id) if chat_id else self.kept.last())
            if chat is not None:
                await self.take(chat)

        await self.guarded(do())

    def renamed(self, chat_id: str, title: str) -> None:
        """A chat has got another title elsewhere."""
        if chat_id == self.conversation.id:
            self.conversation.title = title
            self.title_bar.title = printable_line(title)

    async def take(self, conversation: Conversation) -> None:
        """Go on with a conversation."""
        self.options = replace(self.options, system=conversation.system)
        self.room.freed = 0
        if self.composer.is_waiting:
            self.composer.wait_no_more()
        await self.turns.take(conversation)
        self.title_bar.title = printable_line(conversation.title)
        self.show_context()
        await self._welcome()

    async def _welcome(self) -> None:
        if (model := self.model) and not self.transcript.rows:
            await self.transcript.remark(lambda: Welcome(model))

    def _say_trouble(self, trouble: str) -> None:
        if trouble and self.is_mounted:
            self.remark("This chat is not kept as it should be", trouble)

    # What the user does

    async def on_composer_submitted(self, message: Composer.Submitted) -> None:
        """A command, or a question."""
        typed = parse_command(message.text)
        if typed is not None:
            await self._commands.typed(*typed)
            return
        draft = self.composer.draft()
        if draft.text or draft.attachments:
            await self.send(draft)

    async def send(self, draft: Draft) -> None:
        """Ask, unless the answer would have no room; a lost engine is started again."""
        if self.context.missing and not self.turns.editing and not self.is_answering:
            await self.show_card(cards.held_card(self.context, self.conversation, draft))
            return
        if self.loaded.is_lost:
            self.restart()
        await self.turns.send(draft)

    def on_composer_scrolled(self, message: Composer.Scrolled) -> None:
        """Page up and page down work from the prompt, too."""
        self.transcript.page(message.pages)

    def on_composer_changed(self, message: Composer.Changed) -> None:
        """The draft costs something else."""
        self.show_context()

    def on_key(self, event: events.Key) -> None:
        """Whatever had the focus: who types wants to write, unless the key means something."""
        prompt = self.composer.prompt
        if not event.is_printable or not event.character:
            return
        # In a burst of keys some were on their way to where the focus was before the first one.
        if self.focused is prompt or event.key not in self.active_bindings:
            event.stop()
            self.set_focus(prompt)
            prompt.insert(event.character)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Keys are taken from now on; say which of them work there."""
        take_keys(self.app)
        if isinstance(event.widget, Keyed):
            self.say(event.widget.keys)

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        """They do not work any more."""
        if isinstance(event.widget, Keyed) and not isinstance(self.focused, Keyed):
            self.say(self.turns.hint)

    def action_stop(self) -> None:
        """Hold back what waits to be sent; stop the answer; back to the prompt; leave an edit."""
        if self.composer.is_waiting:
            self.composer.wait_no_more()
        elif self.is_answering:
            self._engine.stop()
        elif self.focused is not self.composer.prompt:
            self.composer.prompt.focus()
        elif self.turns.editing:
            self.turns.leave_edit()

    async def action_toggle_thinking(self) -> None:
        """For the next answer."""
        await self._commands.obey_word("think", "off" if self.options.thinking else "on")

    async def action_to_end(self) -> None:
        """Follow what is being written."""
        await self.transcript.to_end()

    async def action_walk(self, by: int) -> None:
        """To the turn, code or card before or after; at the end, to the prompt."""
        if not await self.transcript.walk(self.focused, by) and by > 0:
            self.composer.prompt.focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A bare End is the prompt's own while something is written there."""
        if action == "to_end" and self.focused is self.composer.prompt:
            return not self.draft_text
        return super().check_action(action, parameters)

    async def on_turn_wished(self, message: Turn.Wished) -> None:
        """A key on a turn."""
        await self.guarded(self._wishes.grant(message.turn, message.wish))

    def on_code_block_copied(self, message: CodeBlock.Copied) -> None:
        """Copy it as it was written."""
        self.copy(message.source, "the code")

    async def on_new_text_pill_chosen(self, message: NewTextPill.Chosen) -> None:
        """Go there."""
        await self.action_to_end()

    async def on_offer_card_chosen(self, message: OfferCard.Chosen) -> None:
        """Do what was offered."""
        message.card.settle()
        self.composer.prompt.focus()
        match message.name:
            case "restart":
                self.restart()
            case "models":
                await self._commands.obey_word("model")
            case "again":
                self.composer.submit()
            case "smaller" | "oldest" | "summary" as way:
                await self.guarded(getattr(self.room, way)())

    def obey(self, command: Command, argument: str = "") -> None:
        """Do what a command says that was chosen, not typed."""
        self.call_next(self._commands.obey, command, argument)

    async def guarded(self, doing: Awaitable[object]) -> bool:
        """Whether it could be done; why not is said."""
        try:
            await doing
        except Gemma4Error as error:
            hint = f": {error.hint}" if error.hint else ""
            self.say(printable_line(f"{error.message}{hint}"), error=True)
            return False
        return True

    # What the engine tells

    def restart(self, model: str | None = None) -> None:
        """Begin again with the same model or another; the conversation stays."""
        if model is not None:
            self.use(replace(self.options, model=model))
            self.conversation.model = model
        self.loaded.restart(self.options.model, is_other=model is not None)

    async def on_engine_told(self, message: EngineTold) -> None:
        """Loading is shown in the title, a turn in its answer."""
        event = message.event
        if not await self.loaded.hear(event):
            await self.turns.hear(event)
        if isinstance(event, ModelReady):
            self.composer.attached.meet(event)
            self.turns.show_phase("reading")
            self.show_context()
            await self._welcome()

    async def ended(self, event: Finished | Failed) -> None:
        """A turn is over, and all of it is on the screen."""
        if isinstance(event, Finished):
            self.room.freed = 0
        elif event == self.load_failure:  # there is a card of it already
            self.say("there is no model to ask: see above", error=True)
        elif event.kind != cards.LOST:
            draft = self.composer.draft()
            await self.show_card(cards.failure_card(event, self.conversation, draft))
        self.show_context()

    async def ended_aside(self, text: str, event: Finished | Failed) -> None:
        """A summary is there, or is not."""
        await self.room.summarised(text, event)
