"""The strip above the prompt while somebody speaks."""

from __future__ import annotations

from pathlib import Path

from textual import work
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from gemma4_mlx.errors import AttachmentError
from tui import figures
from tui.attachments.microphone import Microphone, permission_hint
from tui.attachments.recording import PART_S, Recording
from tui.theme import QUIET

TICK_S = 0.05
WARN_BEFORE_S = 5
ASK_FROM_S = 3.0
BAR = 24

_BARS = "▁▂▃▄▅▆▇█"


class Recorder(Static, can_focus=True):
    """Time, level and cost of a recording; there only while there is one."""

    DEFAULT_CSS = """
    Recorder { display: none; height: auto; padding: 0 1; margin: 0 1; }
    Recorder:focus { background: $panel; }
    """
    BINDINGS = [
        Binding("enter", "attach", "Attach", id="recorder.attach"),
        # Priority, as other printable keys go to the prompt.
        Binding("space", "pause", "Pause", id="recorder.pause", priority=True),
        Binding("escape", "throw_away", "Throw away", id="recorder.throw_away"),
    ]

    class Opened(Message):
        """The microphone listens, or `error` says why not."""

        def __init__(
            self, recording: Recording | None, error: AttachmentError | None = None
        ) -> None:
            super().__init__()
            self.recording, self.error = recording, error

    class Ended(Message):
        """It is over: `path` is what was recorded, `error` why nothing was; both may be None."""

        def __init__(self, path: Path | None, error: AttachmentError | None = None) -> None:
            super().__init__()
            self.path, self.error = path, error

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._recording: Recording | None = None
        self._is_asking = False

    @property
    def is_active(self) -> bool:
        """Whether a recording is being made, or about to be."""
        return bool(self.display)

    def begin(self, microphone: Microphone, folder: Path) -> None:
        """Open the microphone, away from the screen's thread."""
        self._is_asking = False
        self.display = True
        self.update(Content.styled("opening the microphone…", QUIET))
        self.focus()
        self._open(microphone, folder)

    def on_mount(self) -> None:
        """Look at what has come, 20 times a second."""
        self._timer = self.set_interval(TICK_S, self.take_in, pause=True)

    def on_unmount(self) -> None:
        """The microphone is not left on."""
        if self._recording is not None:
            self._recording.finish()

    def take_in(self) -> None:
        """Write down what has come, and show it."""
        if self._recording is None:
            return
        try:
            self._recording.take_in()
        except AttachmentError as error:
            self._end(self._recording.finish(), error)
            return
        self.update(self._lines(self._recording))

    def action_attach(self) -> None:
        """Keep it, if there is anything in it."""
        recording = self._recording
        if recording is None:
            return
        recording.take_in()
        if recording.seconds == 0 or recording.silence == "zeros":
            recording.throw_away()
            self._end(None, AttachmentError("nothing was recorded", permission_hint()))
        else:
            self._end(recording.finish())

    def action_pause(self) -> None:
        """Stop listening for a while, or go on."""
        if self._recording is not None:
            self._recording.is_paused = not self._recording.is_paused
            self._is_asking = False
            self.take_in()

    def action_throw_away(self) -> None:
        """Keep nothing; more than a few seconds only when asked twice."""
        recording = self._recording
        if recording is not None and recording.seconds > ASK_FROM_S and not self._is_asking:
            self._is_asking = True
            self.take_in()
            return
        if recording is not None:
            recording.throw_away()
        self._end(None)

    @work(thread=True, group="recorder")
    def _open(self, microphone: Microphone, folder: Path) -> None:
        try:
            self.post_message(self.Opened(Recording(microphone, folder)))
        except AttachmentError as error:
            self.post_message(self.Opened(None, error))

    def on_recorder_opened(self, message: Opened) -> None:
        """Go on, unless it was thrown away meanwhile."""
        message.stop()
        if message.recording is None:
            self._end(None, message.error)
        elif not self.is_active:
            message.recording.throw_away()
        else:
            self._recording = message.recording
            self._timer.resume()
            self.take_in()

    def _end(self, path: Path | None, error: AttachmentError | None = None) -> None:
        self._recording = None
        self._timer.pause()
        self.display = False
        self.post_message(self.Ended(path, error))

    def _lines(self, recording: Recording) -> Content:
        sign = ("❚❚ ", "$warning") if recording.is_paused else ("● ", "$error")
        line = Content.assemble(
            sign,
            (figures.clock(recording.seconds), "bold"),
            " ",
            (_bar(list(recording.levels)[-BAR:]), "$secondary"),
            f"  {recording.tokens} tok ",
            (_limit(recording), QUIET),
        )
        remark = self._remark(recording)
        return Content("\n").join([line, Content.styled(remark, "$warning")]) if remark else line

    def _remark(self, recording: Recording) -> str:
        if self._is_asking:
            return "esc once more throws it away, enter attaches it"
        if recording.is_full:
            return "no longer recording can be attached: enter attaches it"
        if recording.silence == "zeros":
            return f"the microphone gives no sound at all: {permission_hint()}"
        if recording.silence == "quiet":
            return f"hardly anything is heard: is {recording.name} the right microphone?"
        return ""


def _bar(levels: list[float]) -> str:
    signs = [_BARS[min(len(_BARS) - 1, int(level * len(_BARS)))] for level in levels]
    return "".join(signs).ljust(BAR, "·")


def _limit(recording: Recording) -> str:
    """The model hears 30 s at once; beyond that it gets the recording in parts."""
    part, into_part_s = recording.part, recording.seconds % PART_S
    if PART_S - into_part_s <= WARN_BEFORE_S:
        return f"part {part + 1} begins at {figures.clock(part * PART_S)}"
    return f"of {figures.clock(PART_S)}" if part == 1 else f"part {part}"
