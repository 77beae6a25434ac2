"""The models: which one to talk to, which fit this machine, and fetching them meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Input, OptionList, Static

from gemma4_mlx.errors import Gemma4Error
from gemma4_mlx.model_name import DEMO_MODEL
from tui import figures
from tui.models.downloads import Download, Downloads
from tui.models.model_commands import ModelCommands
from tui.models.model_list import Listing, Model
from tui.screens.model_card import ModelCard
from tui.screens.question import Question
from tui.widgets.model_detail import ModelDetail
from tui.widgets.model_table import ModelTable

_PLACEHOLDER = "part of a name, a folder, or an id on the hub"
_LOOKING = "looking at this disk and this machine"


class ModelsScreen(Screen[str | None]):
    """Choose a model. Ends with what `-m` takes, or with None if all stays as it is.

    Args:
        commands: that list, fetch, describe and delete.
        downloads: of the whole chat; they go on when this screen is left.
        current: the model that the chat uses; empty for none.
        is_first_run: whether nobody has ever chosen a model.
    """

    CSS_PATH = "models.tcss"
    VERTICAL_BREAKPOINTS = [(0, "-short"), (24, "-tall")]
    BINDINGS = [
        Binding("d", "download", "Download", id="models.download"),
        Binding("p", "pause", "Pause, go on", id="models.pause"),
        Binding("i", "info", "Info", id="models.info"),
        Binding("delete,backspace", "remove", "Delete", id="models.remove"),
        Binding("t", "try_demo", f"Try {DEMO_MODEL}", id="models.demo"),
        Binding("slash", "type", "Type a name", key_display="/", id="models.type"),
        Binding("escape,ctrl+o", "leave", "Back to the chat", id="models.leave"),
    ]

    def __init__(
        self,
        commands: ModelCommands,
        downloads: Downloads,
        *,
        current: str = "",
        is_first_run: bool = False,
    ) -> None:
        super().__init__()
        self._commands = commands
        self._downloads = downloads
        self._current = current
        self._is_first_run = is_first_run
        self._listing: Listing | None = None

    def compose(self) -> ComposeResult:
        """From top to bottom."""
        title = "Which model?" if self._is_first_run else "Models"
        with Horizontal(id="models-title"):
            yield Static(title, id="models-title-left")
            yield Static("esc back to the chat", id="models-title-right")
        yield Static(_LOOKING, markup=False, id="models-machine")
        with Horizontal(id="models-input"):
            yield Static("/")
            yield Input(placeholder=_PLACEHOLDER, compact=True)
        yield ModelTable()
        yield ModelDetail()
        yield Static(markup=False, id="models-keys")

    def on_mount(self) -> None:
        """Ask what there is, and follow the downloads."""
        self._table.focus()
        self._downloads.changed.subscribe(self, self._follow)
        self._list()

    @property
    def _table(self) -> ModelTable:
        return self.query_one(ModelTable)

    @property
    def _input(self) -> Input:
        return self.query_one(Input)

    # What is shown

    @work(exclusive=True, group="models-list")
    async def _list(self) -> None:
        is_first = self._listing is None
        try:
            self._listing = await self._commands.list()
        except (Gemma4Error, OSError) as error:
            self._say(str(error), error=True)
            return
        for download in self._downloads.all:
            if download.phase == "done":
                self._downloads.forget(download.name)
            self._listing = self._listing.with_new(download.name)
        self.query_one("#models-machine", Static).update(
            f"{self._listing.machine} · {figures.size(self._listing.disk_bytes)} free on the disk"
        )
        self._show()
        if is_first and (first := self._listing.first(self._current)):
            self._table.choose(first.name)

    def _show(self) -> None:
        listing, text = self._listing, self._input.value
        if listing is not None:
            models = [model for model in listing.models if model.matches(text)]
            self._table.show(models, self._downloads.all)
            self._describe()

    def _describe(self) -> None:
        model = self._table.chosen
        download = self._downloads.find(model.name) if model else None
        disk_bytes = self._listing.disk_bytes if self._listing else 0
        self.query_one(ModelDetail).show(model, download, disk_bytes)
        self._say(" · ".join(self._keys(model, download)))

    def _keys(self, model: Model | None, download: Download | None) -> list[str]:
        """The keys that do something now."""
        keys = []
        if model and model.is_here:
            keys.append("enter use it")
        elif download and download.is_running:
            keys.append("p pause")
        elif model:
            keys.append(f"enter {_fetching(model, download)}")
        if self._is_first_run:
            keys.append(f"t try {DEMO_MODEL}, a toy that comes along")
        if model:
            keys.append("i info")
            if model.name != DEMO_MODEL and model.state != "available":
                keys.append("del delete")
        return [*keys, "/ type"]

    def _say(self, text: str, *, error: bool = False) -> None:
        line = self.query_one("#models-keys", Static)
        line.update(text)
        line.set_class(error, "-error")

    def _follow(self, download: Download) -> None:
        """A download has got on."""
        self._table.show_download(download)
        chosen = self._table.chosen
        if chosen and chosen.name == download.name:
            self._describe()
        if download.phase == "done":
            self._list()

    # What the user does

    def on_option_list_option_highlighted(self, message: OptionList.OptionHighlighted) -> None:
        """Say more of that model."""
        self._describe()

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        """Use it, or fetch it."""
        model = self._table.chosen
        if model is None:
            return
        if model.is_here:
            self.dismiss(model.name)
        else:
            self.action_download()

    def on_input_changed(self, message: Input.Changed) -> None:
        """Leave those models that are meant."""
        self._show()

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """A folder, an id, or what is left of the list."""
        text = message.value.strip()
        folder = Path(text).expanduser()
        if text and folder.is_dir():
            if (folder / "config.json").is_file():
                self.dismiss(str(folder))
            else:
                self._say(f"{text} has no config.json: it is no model", error=True)
        elif self._table.chosen:
            self._table.focus()
        elif _is_hub_id(text) and self._listing:
            self._listing = self._listing.with_new(text)
            self._clear_input()
            self._table.choose(text)
            self._downloads.start(text)
        else:
            self._say("neither in the list, nor a folder, nor an id like owner/name", error=True)

    def action_type(self) -> None:
        """Write a name."""
        self._input.focus()

    def action_leave(self) -> None:
        """Back to the list, or to the chat."""
        if self.focused is self._input:
            self._clear_input()
        else:
            self.dismiss(None)

    def _clear_input(self) -> None:
        self._input.value = ""
        self._table.focus()
        self._show()

    def action_try_demo(self) -> None:
        """Use the model that comes along."""
        self.dismiss(DEMO_MODEL)

    def action_download(self) -> None:
        """Fetch the model, or what is missing of it."""
        model = self._table.chosen
        if model is None or model.is_here:
            return
        if model.fit != "too big" or model.state != "available":
            self._downloads.start(model.name)
            return
        text = f"{model.sum}.\nThe chat would refuse to load it, or need a very short context."
        question = Question(f"{model.title} is too big for this machine", text, "fetch it")
        self._put(question, lambda: self._downloads.start(model.name))

    def action_pause(self) -> None:
        """Pause the download, or go on with it."""
        model = self._table.chosen
        download = self._downloads.find(model.name) if model else None
        if model is None or model.is_here:
            return
        if download and download.is_running:
            self._downloads.pause(model.name)
        elif download or model.state == "incomplete":
            self._downloads.start(model.name)

    @work(exclusive=True, group="models-ask")
    async def action_info(self) -> None:
        """Show all that is known of the model."""
        model = self._table.chosen
        facts = model and await self._ask(model)
        if model and facts:
            self.app.push_screen(ModelCard(model.name, facts["in_words"]))

    @work(exclusive=True, group="models-ask")
    async def action_remove(self) -> None:
        """Delete the model from the hub's cache, after a question."""
        model = self._table.chosen
        if model is None or model.state == "available" or model.name == DEMO_MODEL:
            return
        self._downloads.pause(model.name)
        if facts := await self._ask(model):
            question = self._deletion(model, facts["cache"])
            self._put(question, lambda: self._remove(model))

    def _put(self, question: Question, act: Callable[[], object]) -> None:
        """Ask, and act after a yes."""

        def answered(yes: bool | None) -> None:
            if yes:
                act()

        self.app.push_screen(question, answered)

    async def _ask(self, model: Model) -> dict[str, Any] | None:
        """What is known of a model; None if that cannot be told."""
        try:
            return await self._commands.info(model.name)
        except (Gemma4Error, OSError) as error:
            self._say(str(error), error=True)
            return None

    @work(exclusive=True, group="models-remove")
    async def _remove(self, model: Model) -> None:
        try:
            freed_bytes = await self._commands.remove(model.name)
        except (Gemma4Error, OSError) as error:
            self._say(str(error), error=True)
            return
        self._downloads.forget(model.name)
        await self._list().wait()
        self._say(f"{model.title} is deleted, {figures.size(freed_bytes)} are free again")

    def _deletion(self, model: Model, cache: dict[str, Any]) -> Question:
        lines = [
            f"It is in the hub's cache, which other programs share: {cache['folder']}",
            "A program that uses it, too, would have to fetch it again.",
        ]
        if cache["snapshots"] > 1:
            lines.insert(1, f"All its {cache['snapshots']} versions go.")
        if model.name == self._current:
            lines.append("This chat uses it now.")
        freed = figures.size(cache["freed_bytes"])
        return Question(f"Delete {model.name}?", "\n".join(lines), f"delete it, {freed} get free")


def _fetching(model: Model, download: Download | None) -> str:
    """What fetching a model means now."""
    if download and download.phase == "failed":
        return "try again"
    return "go on fetching" if download or model.state == "incomplete" else "fetch it"


def _is_hub_id(text: str) -> bool:
    owner, slash, name = text.partition("/")
    return bool(slash and owner and name) and "/" not in name and not text.startswith((".", "~"))
