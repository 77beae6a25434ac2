"""The help: keys that work where one stands, all others, and all commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from tui import keys
from tui.commands import COMMANDS, Command
from tui.theme import QUIET

COLUMN = 24
NARROW_COLUMN = 18
WIDE = 72

PLACES = {
    "prompt": "Writing",
    "suggestions": "While something is suggested",
    "row": "On an attachment",
    "recorder": "Recording",
    "turn": "On a question or an answer",
    "code": "On code",
    "chat": "The chat",
    "app": "Everywhere",
    "files": "Choosing files",
    "preview": "Looking at a picture",
    "models": "Models",
    "card": "About a model",
    "sessions": "All chats",
    "settings": "Settings",
    "question": "Asked yes or no",
    "help": "Help",
}
"""Headings by the first part of a binding's id, in this order; others follow."""

LINE_KEYS = (
    ("ctrl+a, ctrl+e", "start and end of the line"),
    ("ctrl+w, ctrl+u, ctrl+k", "delete the word, to the start, to the end"),
    ("ctrl+←, ctrl+→", "a word back, a word on"),
    ("/", "a command; begin with a space to send it as text"),
    ("@", "a file, by part of its name"),
)


@dataclass(frozen=True, slots=True)
class Section:
    """Lines under a heading.

    Attributes:
        heading: where they belong.
        lines: what is pressed or typed, and what it does.
    """

    heading: str
    lines: tuple[tuple[str, str], ...]


class HelpScreen(Screen[None]):
    """Reads the live bindings of the screen under it.

    Args:
        under: that screen.
        chosen: keys by binding id where they are not the binding's own.
    """

    CSS_PATH = "page.tcss"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (24, "-tall")]
    BINDINGS = [Binding("escape,q", "dismiss", "Back", id="help.leave")]

    def __init__(self, under: Screen, chosen: Mapping[str, str]) -> None:
        super().__init__(classes="page")
        self._sections = sections(live_ids(under), chosen)

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        with Horizontal(classes="page-title"):
            yield Static("Help", classes="page-title-left")
            yield Static("↑↓ scroll · esc back", classes="page-title-right")
        with VerticalScroll(classes="page-body"):
            yield Static(id="help-text")

    def on_mount(self) -> None:
        """The arrow keys scroll."""
        self.query_one(VerticalScroll).focus()

    def on_resize(self) -> None:
        """Less room for keys in a narrow window."""
        column = COLUMN if self.size.width >= WIDE else NARROW_COLUMN
        width = self.size.width - 4
        lines: list[Content] = []
        for section in self._sections:
            lines += [Content(""), Content.styled(section.heading, "bold $primary")]
            lines += [_line(what, does, column, width) for what, does in section.lines]
        self.query_one("#help-text", Static).update(Content("\n").join(lines[1:]))


def live_ids(screen: Screen) -> list[str]:
    """Ids of the bindings that do something on a screen now, the nearest first."""
    active = screen.active_bindings.values()
    ids = (each.binding.id for each in active if each.enabled)
    # A text area has a ctrl+c of its own, which does nothing while nothing is selected.
    return list(dict.fromkeys([*filter(None, ids), "app.interrupt"]))


def sections(live: Sequence[str], chosen: Mapping[str, str]) -> list[Section]:
    """What works here, all commands, then what works elsewhere."""
    here = dict.fromkeys(map(_place, live))
    last = [place for place in ("chat", "app") if place in here]
    near = [place for place in here if place not in last] + last
    found = [Section(_heading(place), _lines(place, chosen, live)) for place in near]
    found.append(Section("Commands", tuple((each.usage, _summary(each)) for each in COMMANDS)))
    far = dict.fromkeys([*PLACES, *(key.place for key in keys.all_keys())])
    found += [Section(_heading(place), _lines(place, chosen)) for place in far if place not in here]
    return found


def _lines(
    place: str, chosen: Mapping[str, str], live: Sequence[str] | None = None
) -> tuple[tuple[str, str], ...]:
    """Keys and what they do; keys that do the same share a line."""
    does: dict[str, list[str]] = {}
    for key in keys.all_keys():
        if key.place == place and key.description and (live is None or key.id in live):
            does.setdefault(key.description, []).append(chosen.get(key.id, key.keys))
    lines = [(keys.named(",".join(pressed)), words.lower()) for words, pressed in does.items()]
    return (*lines, *LINE_KEYS) if place == "prompt" else tuple(lines)


def _place(binding_id: str) -> str:
    return binding_id.partition(".")[0]


def _heading(place: str) -> str:
    return PLACES.get(place, place.capitalize())


def _summary(command: Command) -> str:
    also = ", ".join(f"/{alias}" for alias in command.aliases)
    return f"{command.summary} (also {also})" if also else command.summary


def _line(what: str, does: str, column: int, width: int) -> Content:
    """Two columns; the second one has room below, the first one none."""
    first, *more = wrap(does, max(20, width - column)) or [""]
    if len(what) >= column:
        more, first = [first, *more], ""
    below = "".join(f"\n{' ' * column}{each}" for each in more)
    return Content.assemble((what.ljust(column), "bold"), (first + below, QUIET))
