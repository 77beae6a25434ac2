"""The list of models: what each takes, how large it is, whether it fits, how it stands."""

from __future__ import annotations

from collections.abc import Iterable

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option, OptionDoesNotExist

from tui import figures
from tui.models.downloads import Download
from tui.models.model_list import Model
from tui.text.printable import printable_line
from tui.theme import QUIET

_FIT_STYLES = {"tight": "$warning", "too big": "$error"}
_PHASE_STYLES = {"failed": "$error", "stalled": "$warning", "done": QUIET, "paused": QUIET}
_WIDE, _NARROW = 110, 70
_GROUPS = {True: "On this disk", False: "On the hub"}


class ModelTable(OptionList):
    """Models in columns; narrow ones leave out what the detail below says again."""

    BINDINGS = [
        Binding("j", "cursor_down", "The model after", show=False, id="models.down"),
        Binding("k", "cursor_up", "The model before", show=False, id="models.up"),
    ]

    def __init__(self) -> None:
        super().__init__(markup=False)
        self._models: dict[str, Model] = {}
        self._downloads: dict[str, Download] = {}
        self._width = 0

    def show(self, models: Iterable[Model], downloads: Iterable[Download]) -> None:
        """Show these models; the one that was chosen stays so."""
        chosen = self.chosen
        self._models = {model.name: model for model in models}
        self._downloads = {download.name: download for download in downloads}
        self._fill()
        self.choose(chosen.name if chosen else "")

    def show_download(self, download: Download) -> None:
        """Show how far it is."""
        self._downloads[download.name] = download
        if model := self._models.get(download.name):
            self.replace_option_prompt(model.name, self._row(model))

    @property
    def chosen(self) -> Model | None:
        """The model that the cursor is on."""
        option = self.highlighted_option
        return self._models.get(option.id or "") if option else None

    def choose(self, name: str) -> None:
        """Put the cursor on a model; on the first one if there is none of that name."""
        try:
            self.highlighted = self.get_option_index(name)
        except OptionDoesNotExist:
            self.action_first()

    def on_resize(self, event: events.Resize) -> None:
        """Columns follow the width."""
        if event.size.width != self._width:
            self._width = event.size.width
            self.show(self._models.values(), self._downloads.values())

    def _fill(self) -> None:
        groups: dict[bool, list[Option]] = {True: [], False: []}
        for model in self._models.values():
            groups[model.is_here].append(Option(self._row(model), model.name))
        options: list[Option] = []
        for is_here, rows in groups.items():
            if rows:
                heading = self._heading(_GROUPS[is_here], is_first=not options)
                options += [Option(heading, disabled=True), *rows]
        self.clear_options()
        self.add_options(options)

    @property
    def _columns(self) -> int:
        return self.scrollable_content_region.width - 2  # the padding of an option

    def _heading(self, group: str, *, is_first: bool) -> Content:
        """The first one says what is as large as that: all files, not the weights alone."""
        captions = f"{'files':>8}  {'memory':<8} {'':<13}" if is_first else ""
        room = max(len(group) + 1, self._columns - len(captions))
        return Content.assemble(_cut(group, room, "bold"), (captions, QUIET))

    def _row(self, model: Model) -> Content:
        width = self._columns
        download = self._downloads.get(model.name)
        star = ("★ ", "$primary") if model.is_recommended else ("  ", "")
        right = [
            (f"{figures.size(model.whole_bytes or model.size_bytes):>8}  ", QUIET),
            (f"{model.fit or '?':<8} ", _FIT_STYLES.get(model.fit, QUIET)),
            _state(model, download),
        ]
        if width >= _NARROW:
            right.insert(0, (f"{' '.join(model.takes):<17}", QUIET))
        name = printable_line(model.name)
        room = max(1, width - 2 - sum(len(text) for text, _ in right))
        if width < _WIDE or name == model.title:
            return Content.assemble(star, _cut(model.title, room), *right)
        return Content.assemble(star, _cut(model.title, 18), _cut(name, room - 18, QUIET), *right)


def _cut(text: str, width: int, style: str = "") -> Content:
    """A column of text, a blank at its end; what is too long for it ends in three dots."""
    cut = Content.styled(text, style).truncate(max(1, width - 1), ellipsis=True, pad=True)
    return Content.assemble(cut, " ")


def _state(model: Model, download: Download | None) -> tuple[str, str]:
    """How it stands, in one column."""
    if download is not None:
        words = {"asking": "↓ asking", "fetching": f"↓ {download.percent}", "done": "installed"}
        word = words.get(download.phase, f"{download.phase} {download.percent}")
        return f"{word:<13}", _PHASE_STYLES.get(download.phase, "$primary")
    if model.state == "incomplete":
        share = f" {model.size_bytes * 100 // model.whole_bytes} %" if model.whole_bytes else ""
        return f"{'paused' + share:<13}", QUIET
    return f"{'installed' if model.is_here else '':<13}", QUIET
