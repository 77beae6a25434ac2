"""What is to be said of the model that the cursor is on."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from tui import figures
from tui.models.downloads import Download
from tui.models.model_list import Model
from tui.text.printable import printable, printable_line
from tui.theme import QUIET

_BAR_CELLS = 24
_FIT_STYLES = {"tight": "bold $warning", "too big": "bold $error"}
_FITS = {
    "fits": "fits",
    "tight": "tight",
    "too big": "too big for this machine",
    "": "whether it fits is not known",
}


class ModelDetail(Static):
    """Its id, whether it fits and why, and how its download goes."""

    def __init__(self) -> None:
        super().__init__(markup=False)

    def show(self, model: Model | None, download: Download | None, disk_bytes: int) -> None:
        """Show a model.

        Args:
            model: None for none.
            download: of it.
            disk_bytes: that are free where it would be kept.
        """
        if model is None:
            self.update("")
            return
        lines = [Content.styled(printable_line(model.name), "bold"), _fit(model)]
        if model.is_recommended:
            lines.append(Content.styled("★ the one to begin with on this machine", "$primary"))
        if download is not None and download.phase != "done":
            lines += _going(download)
        elif model.missing_bytes > disk_bytes:
            missing, free = figures.size(model.missing_bytes), figures.size(disk_bytes)
            text = f"the disk is too small: {missing} more are needed, {free} are free"
            lines.append(Content.styled(text, "$error"))
        elif model.note:
            lines.append(Content.styled(model.note, QUIET))
        self.update(Content("\n").join(lines))


def _fit(model: Model) -> Content:
    verdict = (_FITS[model.fit], _FIT_STYLES.get(model.fit, ""))
    return Content.assemble(verdict, (f": {model.sum}" if model.sum else "", QUIET))


def _going(download: Download) -> list[Content]:
    """How a download goes, or what it broke off with."""
    if download.phase == "failed":
        failed = Content.styled(printable(download.message), "$error")
        return [failed, Content.styled(printable(download.hint), QUIET)]
    full = round(download.share * _BAR_CELLS)
    style = "$warning" if download.phase == "stalled" else "$primary"
    bar = Content.assemble(("━" * full, style), ("─" * (_BAR_CELLS - full), "$panel"))
    return [Content.assemble(bar, "  ", download.told)]
