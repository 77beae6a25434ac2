"""What the model says."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from gemma4_mlx.events import Finished
from tui import figures
from tui.widgets.streamed_markdown import StreamedMarkdown
from tui.widgets.thoughts import Thoughts


class AnswerTurn(Vertical):
    """An answer while it is being written and after: thoughts, text, one line of figures.

    Args:
        phase: what is going on until the first word comes.
    """

    def __init__(self, phase: str) -> None:
        super().__init__()
        self._thoughts = Thoughts()
        self._thoughts.display = False
        self._markdown = StreamedMarkdown()
        self._footer = Static(phase, markup=False, classes="answer-footer")
        self._written: list[str] = []

    @property
    def text(self) -> str:
        """The answer so far, thoughts left out."""
        return "".join(self._written)

    @property
    def is_empty(self) -> bool:
        """Whether nothing of an answer has come yet."""
        return not self._written

    def compose(self) -> ComposeResult:
        """Thoughts appear with the first of them."""
        yield Static("Gemma", classes="speaker")
        yield self._thoughts
        yield self._markdown
        yield self._footer

    def show_phase(self, phase: str) -> None:
        """Say what is going on."""
        self._footer.update(phase)

    def think(self, text: str) -> None:
        """More thoughts."""
        self._thoughts.display = True
        self._thoughts.add(text)
        self.show_phase("thinking")

    def write(self, text: str) -> None:
        """More of the answer."""
        if self.is_empty:
            self._thoughts.done = True
            self.show_phase("writing")
        self._written.append(text)
        self._markdown.write(text)

    async def finish(self, finished: Finished) -> None:
        """Nothing more comes: show all of it, and the figures."""
        words = {
            "stop": "" if self.text.strip() else "empty answer",
            "length": f"cut off after {finished.usage.completion_tokens} tokens",
            "cancelled": "stopped",
            "loop": "stopped: it only repeated itself",
            "tool_call": "asked for a tool",
        }[finished.reason]
        figured = figures.stats(finished) if finished.usage.prompt_tokens else ""
        await self._end(" · ".join(filter(None, (words, figured))))

    async def break_off(self) -> None:
        """An error ended the answer: keep what is there, and say so."""
        await self._end("broken off; not part of the conversation")

    async def _end(self, footer: str) -> None:
        self._thoughts.done = True
        await self._markdown.flush()
        self.show_phase(footer)
