"""A whole chat line by line: what is typed, and all that is to be read at the end."""

from __future__ import annotations

import io
from collections.abc import Callable

from gemma4_mlx.engine import FakeEngine
from gemma4_mlx.events import (
    EngineLost,
    Failed,
    Finished,
    MediaReceipt,
    TextDelta,
    Timings,
    Usage,
)
from tui.plain.chat import PlainChat
from tui.plain.console import Console
from tui.plain.loop import Loop
from tui.settings.options import ChatOptions
from tui.settings.preferences import Preferences

FINISHED = Finished("stop", Usage(281, 0, 9), Timings(0.0, 0.24, 800.0, 118.0))
ANSWER = (TextDelta("A red star "), TextDelta("and a blue circle."), FINISHED)
SHAPES = MediaReceipt("image", "shapes.png", 266, 266, 640, 480, 912, 672, 280)
VOICE = MediaReceipt("audio", "voice.wav", 18, 18, seconds=0.7)
LOST = EngineLost("the engine was killed (SIGKILL)", "the conversation is kept", "/logs/engine.log")
OUT_OF_MEMORY = Failed("MemoryLimitError", "there is not enough memory", "use less", 4)

Step = str | Exception | type[BaseException] | Callable[[], object]


class Clock:
    """Goes on by a step each time somebody looks."""

    def __init__(self, step_s: float = 0.0) -> None:
        self.now, self.step_s = 0.0, step_s

    def __call__(self) -> float:
        self.now += self.step_s
        return self.now


class Talk:
    """A whole chat: what is typed, and all that is to be read at the end.

    Args:
        steps: lines; exceptions, as Ctrl+C and Ctrl+D are; functions, called before the next line.
    """

    def __init__(
        self,
        *steps: Step,
        engine: FakeEngine | None = None,
        preferences: Preferences | None = None,
        clock: Clock | None = None,
        is_terminal: bool = False,
        **options,
    ) -> None:
        self.steps = list(steps)
        self.out = io.StringIO()
        self.engine = engine or FakeEngine()
        console = Console(self._read, self.out, is_terminal=is_terminal)
        self.chat = PlainChat(
            self.engine,
            ChatOptions(**options),
            console,
            preferences,
            clock=clock or Clock(),
        )

    def run(self) -> Talk:
        self.exit_code = Loop(self.chat).run()
        return self

    def _read(self, prompt: str) -> str:
        self.out.write(prompt)
        while self.steps:
            step = self.steps.pop(0)
            if isinstance(step, str):
                return step
            if isinstance(step, Exception) or (
                isinstance(step, type) and issubclass(step, BaseException)
            ):
                raise step
            step()
        raise EOFError

    @property
    def text(self) -> str:
        return self.out.getvalue()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def asked(self) -> list:
        """What the engine was asked, each time."""
        return [request.messages[-1]["content"] for request in self.engine.requests]


def talk(*steps: Step, turns=(), **options) -> Talk:
    """A chat in which the engine plays these turns."""
    engine = options.pop("engine", None) or FakeEngine(turns, loading=options.pop("loading", None))
    return Talk(*steps, engine=engine, **options).run()


def said(text: str) -> list:
    return [{"type": "text", "text": text}]
