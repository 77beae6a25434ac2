"""`gemma4 models`: which models there are, here and on the hub; fetch, look at and delete them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gemma4_mlx.cli.notes import Notes
from gemma4_mlx.config import DEMO_MODEL
from gemma4_mlx.errors import Gemma4Error, ModelNotFoundError, UsageError

if TYPE_CHECKING:
    from gemma4_mlx.hub import CachedModel

_TELL_EVERY_S = 0.2

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@dataclass(frozen=True, slots=True)
class Row:
    """A model in the list.

    Attributes:
        name: what `-m` takes.
        variant: E2B, E4B, 26B-A4B, 31B, demo or other; "?" where config.json cannot be read.
        packing: bits of its weights, or "?".
        size_bytes: on this disk, or to be fetched.
        state: "here", "incomplete" or "available".
        note: in words; may be empty.
        fit: whether it fits this machine; empty where that was not asked.
    """

    name: str
    variant: str
    packing: str
    size_bytes: int
    state: str
    note: str = ""
    fit: str = ""


@click.group(invoke_without_command=True, short_help="List, fetch, look at and delete models.")
@click.pass_context
def models(ctx: click.Context) -> None:
    """List, fetch, look at and delete models. Without a command: list them."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_models)


@models.command("list", short_help="List models on this disk and published ones.")
@json_option
def list_models(as_json: bool = False) -> None:
    """List the models on this disk, and published ones that can be fetched."""
    from gemma4_mlx.hub import cached_models, picks_as_of

    cached = cached_models()
    rows = [_bundled(), *map(_cached_row, cached), *_available(cached)]
    if as_json:
        made = {"as_of": picks_as_of(), "models": [asdict(row) for row in rows]}
        click.echo(json.dumps(made, indent=2))
        return
    click.echo("On this disk:")
    for row in rows:
        if row.state != "available":
            click.echo(_line(row))
    click.echo(f"\nTo be fetched by `gemma4 models get NAME` (sizes of {picks_as_of()}):")
    for row in rows:
        if row.state == "available":
            click.echo(_line(row))


@models.command(short_help="Fetch a model.")
@click.argument("name", metavar="HUB_ID")
@click.option("--revision", help="Branch, tag or commit; the newest state if not given.")
@json_option
def get(name: str, revision: str | None, as_json: bool) -> None:
    """Fetch a published checkpoint into the hub's cache, or what is missing of it.

    A download that was cut off goes on where it stopped. Every file is checked.
    """
    from gemma4_mlx.hub import fetch, plan_download

    notes = Notes()
    notes.status(f"asking the hub for {name}")
    plan = plan_download(name, revision)
    folder = fetch(plan, _Progress(notes, name))
    notes.status("")
    if as_json:
        made = {
            "hub_id": name,
            "revision": plan.revision,
            "commit": plan.commit,
            "folder": str(folder),
            "size_bytes": plan.total_bytes,
            "fetched_bytes": plan.missing_bytes,
        }
        click.echo(json.dumps(made, indent=2))
    else:
        fetched = f"fetched {_size(plan.missing_bytes)}" if plan.missing_bytes else "all was here"
        click.echo(f"{folder}  {_size(plan.total_bytes)}, {fetched}")


@models.command(short_help="Tell what a model is.")
@click.argument("name", metavar="MODEL")
@json_option
def info(name: str, as_json: bool) -> None:
    """Tell what MODEL is: a folder, pocket, or a hub id that is on this disk."""
    from gemma4_mlx.cli.model_facts import facts_in_words, model_facts

    facts = {"name": name, **model_facts(_folder(name))}
    if as_json:
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    click.echo(name)
    for label, text in facts_in_words(facts):
        click.echo(f"  {label:<10}{text}")
    click.echo(f"  {'files':<10}{len(facts['files'])}, {_size(facts['size_bytes'])}")
    for file, size_bytes in facts["files"].items():
        click.echo(f"    {_size(size_bytes):>9}  {file}")


@models.command(short_help="Delete a fetched model.")
@click.argument("name", metavar="HUB_ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def rm(name: str, yes: bool, as_json: bool) -> None:
    """Delete a fetched model from the hub's cache, which other programs use, too."""
    from gemma4_mlx.hub import remove

    total = _size(sum(model.size_bytes for model in _cached(name)))
    if not yes:
        click.confirm(f"delete {name}, {total}?", abort=True, err=True)
    freed_bytes = remove(name)
    if as_json:
        click.echo(json.dumps({"hub_id": name, "freed_bytes": freed_bytes}, indent=2))
    else:
        click.echo(f"deleted {name}, {_size(freed_bytes)}")


class _Progress:
    """Says how far a download has come, how fast it is and how long it will take."""

    def __init__(
        self, notes: Notes, name: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._notes = notes
        self._name = name
        self._begun: tuple[float, int] | None = None  # when, and bytes there were then
        self._told = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = self._clock()
        if self._begun is None:
            self._begun = now, done
        if now - self._told < _TELL_EVERY_S:
            return
        self._told = now
        since, first = self._begun
        rate = (done - first) / (now - since) if now > since else 0.0
        text = f"fetching {self._name}: {done / 1e9:.2f} of {total / 1e9:.2f} GB"
        if rate > 0:
            text += f", {rate / 1e6:.1f} MB/s, {_time(int((total - done) / rate))} left"
        self._notes.status(text)


def _bundled() -> Row:
    from gemma4_mlx.cli.model_facts import packing_of
    from gemma4_mlx.config import ModelConfig
    from gemma4_mlx.loading import find_checkpoint

    folder = find_checkpoint(DEMO_MODEL)
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    return Row(DEMO_MODEL, "demo", packing_of(ModelConfig.from_folder(folder)), size, "here")


def _cached_row(model: CachedModel) -> Row:
    from gemma4_mlx.cli.model_facts import packing_of, variant_of
    from gemma4_mlx.config import ModelConfig

    state = "incomplete" if model.missing else "here"
    note = f"incomplete: lacks {', '.join(model.missing)}" if model.missing else ""
    try:
        config = ModelConfig.from_folder(model.folder)
    except Gemma4Error as error:  # one broken model must not hide the others
        return Row(model.hub_id, "?", "?", model.size_bytes, state, error.message)
    kind = variant_of(config), packing_of(config)
    return Row(model.hub_id, *kind, model.size_bytes, state, note)


def _available(cached: Iterable[CachedModel]) -> Iterable[Row]:
    """Published models that are not whole on this disk."""
    from gemma4_mlx.hub import picks

    whole = {model.hub_id for model in cached if not model.missing}
    for pick in picks():
        if pick.hub_id not in whole:
            size = round(pick.download_gb * 1e9)
            yield Row(pick.hub_id, pick.variant, pick.packing, size, "available", pick.note)


def _folder(name: str) -> Path:
    """Where a model lies on this disk; nothing is fetched."""
    from gemma4_mlx.hub import cached_snapshot
    from gemma4_mlx.loading import find_checkpoint

    if name == DEMO_MODEL or Path(name).is_dir() or name.count("/") != 1:
        return find_checkpoint(name)
    folder = cached_snapshot(name)
    if folder is None:
        raise _not_here(name, f"`gemma4 models get {name}` fetches it")
    return folder


def _cached(name: str) -> list[CachedModel]:
    from gemma4_mlx.hub import cached_models

    if name == DEMO_MODEL:
        raise UsageError(f"{DEMO_MODEL} is a part of this program")
    found = [model for model in cached_models() if model.hub_id == name]
    if not found:
        raise _not_here(name, "`gemma4 models list` names those that are")
    return found


def _not_here(name: str, hint: str) -> ModelNotFoundError:
    return ModelNotFoundError(f"{name} is not in the hub's cache on this disk", hint)


def _line(row: Row) -> str:
    """One model in a line; its name is last, as names are long."""
    fit = f"{row.fit:<9}" if row.fit else ""
    note = f"  ({row.note})" if row.note else ""
    return f"  {row.variant:<9}{row.packing:<10}{_size(row.size_bytes):>9}  {fit}{row.name}{note}"


def _size(nbytes: int) -> str:
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if nbytes >= unit:
            return f"{nbytes / unit:.2f} {name}" if unit == 1e9 else f"{nbytes / unit:.1f} {name}"
    return f"{nbytes} B"


def _time(duration_s: int) -> str:
    if duration_s < 100:
        return f"{duration_s} s"
    return f"{duration_s // 60} min" if duration_s < 6000 else f"{duration_s / 3600:.1f} h"
