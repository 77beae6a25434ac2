"""`gemma4 models`: which models there are, here and on the hub; fetch, look at and delete them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gemma4_mlx.byte_sizes import exact_size
from gemma4_mlx.cli.notes import Notes
from gemma4_mlx.command_options import json_option
from gemma4_mlx.errors import Gemma4Error, ModelNotFoundError, UsageError
from gemma4_mlx.model_name import DEMO_MODEL, is_hub_id

_TELL_EVERY_S = 0.2


@click.group(invoke_without_command=True, short_help="List, fetch, look at and delete models.")
@click.pass_context
def models(ctx: click.Context) -> None:
    """List, fetch, look at and delete models. Without a command: list them."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_models)


@models.command("list", short_help="List models on this disk and published ones.")
@json_option
def list_models(as_json: bool = False) -> None:
    """List the models on this disk, and published ones that can be fetched.

    Each is said to fit this machine, to be tight or too big for it, for a conversation of 8192
    tokens with pictures and clips; `gemma4 plan MODEL` shows the sum. The one to begin with has
    a star.
    """
    from gemma4_mlx.cli.model_list import listing

    made = listing()
    if as_json:
        click.echo(json.dumps(made, indent=2))
        return
    here = [row for row in made["models"] if row["state"] != "available"]
    available = [row for row in made["models"] if row["state"] == "available"]
    click.echo(f"{_machine_line(made['machine'])}\nOn this disk:")
    click.echo("\n".join(map(_line, here)))
    star = "; begin with *" if any(row["is_recommended"] for row in available) else ""
    click.echo(f"\nTo be fetched by `gemma4 models get NAME`{star} (sizes of {made['as_of']}):")
    click.echo("\n".join(map(_line, available)))


@models.command(short_help="Fetch a model.")
@click.argument("name", metavar="HUB_ID")
@click.option("--revision", help="Branch, tag or commit; the newest state if not given.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, a line for each step.")
def get(name: str, revision: str | None, as_json: bool) -> None:
    """Fetch a published checkpoint into the hub's cache, or what is missing of it.

    A download that was cut off goes on where it stopped. Every file is checked.
    """
    if name == DEMO_MODEL:
        raise UsageError(f"{DEMO_MODEL} is a part of this program, so there is nothing to fetch")
    if not is_hub_id(name):
        raise UsageError(
            f"{name!r} is no hub id: expected OWNER/NAME", "`gemma4 models` lists published ones"
        )
    if as_json:
        _get_as_json(name, revision)
        return
    from gemma4_mlx.hub import fetch, plan_download

    notes = Notes()
    notes.status(f"asking the hub for {name}")
    plan = plan_download(name, revision)
    folder = fetch(plan, _Progress(notes, name))
    notes.status("")
    fetched = f"fetched {exact_size(plan.missing_bytes)}" if plan.missing_bytes else "all was here"
    click.echo(f"{folder}  {exact_size(plan.total_bytes)}, {fetched}")


def _get_as_json(name: str, revision: str | None) -> None:
    """For programs: a line for the plan, some for the progress, one for the end."""
    from gemma4_mlx.hub import fetch, plan_download

    def tell(event: str, **facts: object) -> None:
        click.echo(json.dumps({"event": event, "hub_id": name, **facts}))

    try:
        plan = plan_download(name, revision)
        sizes = {"size_bytes": plan.total_bytes, "fetched_bytes": plan.missing_bytes}
        commit = {"revision": plan.revision, "commit": plan.commit}
        tell("plan", **commit, total_bytes=plan.total_bytes, missing_bytes=plan.missing_bytes)
        progress = _seldom(lambda done, total: tell("progress", done_bytes=done, total_bytes=total))
        folder = fetch(plan, progress)
        tell("fetched", **commit, folder=str(folder), **sizes)
    except Gemma4Error as error:
        tell("failed", message=error.message, hint=error.hint, exit_code=error.exit_code)
        raise


@models.command(short_help="Tell what a model is.")
@click.argument("name", metavar="MODEL")
@json_option
def info(name: str, as_json: bool) -> None:
    """Tell what MODEL is: a folder, pocket, or a hub id.

    Of a published model that is not on this disk, what is known without a network is told.
    """
    from gemma4_mlx.cli.model_facts import (
        facts_in_words,
        licence_of,
        model_facts,
        published_facts,
    )

    folder = _folder_or_none(name)
    facts = published_facts(name) if folder is None else model_facts(folder)
    if facts is None:
        raise _not_here(name, f"if the hub has it, `gemma4 models get {name}` fetches it")
    if name == DEMO_MODEL:
        facts["variant"] = "demo"  # as the list has it
    licence = licence_of(name, facts["files"])
    facts = {"name": name, **facts, "licence": licence, "cache": _held(name, facts["folder"])}
    words = list(facts_in_words(facts))
    if as_json:
        click.echo(json.dumps({**facts, "in_words": words}, indent=2, ensure_ascii=False))
        return
    click.echo(name)
    for label, text in words:
        click.echo(f"  {label:<10}{text}")
    files = f", {len(facts['files'])} files" if facts["files"] else ""
    click.echo(f"  {'size':<10}{exact_size(facts['size_bytes'])}{files}")
    for file, size_bytes in facts["files"].items():
        click.echo(f"    {exact_size(size_bytes):>9}  {file}")


@models.command(short_help="Delete a fetched model.")
@click.argument("name", metavar="HUB_ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def rm(name: str, yes: bool, as_json: bool) -> None:
    """Delete a fetched model from the hub's cache, which other programs use, too."""
    from gemma4_mlx.hub import holding, remove

    if name == DEMO_MODEL:
        raise UsageError(f"{DEMO_MODEL} is a part of this program")
    held = holding(name)
    if held is None:
        raise _not_here(name, "`gemma4 models list` names those that are")
    if not yes:
        snapshots = f", {len(held.commits)} snapshots" if len(held.commits) > 1 else ""
        click.echo(
            f"{name} is in the hub's cache, which all programs that fetch from the hub share:\n"
            f"  {held.folder}{snapshots}\n"
            "Another program that uses it would have to fetch it again.",
            err=True,
        )
        click.confirm(f"delete it and free {exact_size(held.freed_bytes)}?", abort=True, err=True)
    freed_bytes = remove(name)
    if as_json:
        click.echo(json.dumps({"hub_id": name, "freed_bytes": freed_bytes}, indent=2))
    else:
        click.echo(f"deleted {name}, {exact_size(freed_bytes)}")


def _seldom(tell: Callable[[int, int], None]) -> Callable[[int, int], None]:
    """The same, but not more often than somebody can read; the end is always told."""
    told = 0.0

    def call(done: int, total: int) -> None:
        nonlocal told
        if done == total or time.monotonic() - told >= _TELL_EVERY_S:
            told = time.monotonic()
            tell(done, total)

    return call


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


def _folder_or_none(name: str) -> Path | None:
    """Where a model lies on this disk; None for a hub id that is not there."""
    from gemma4_mlx.hub import cached_snapshot
    from gemma4_mlx.loading import find_checkpoint

    if Path(name).is_dir() or not is_hub_id(name):
        return find_checkpoint(name)
    return cached_snapshot(name)


def _held(name: str, folder: str | None) -> dict[str, Any] | None:
    """What the hub's cache holds of a model; None for one that lies elsewhere."""
    from gemma4_mlx.hub import holding

    if folder is None or Path(name).is_dir() or not is_hub_id(name):
        return None
    held = holding(name)
    return held and {
        "folder": str(held.folder),
        "snapshots": len(held.commits),
        "freed_bytes": held.freed_bytes,
    }


def _not_here(name: str, hint: str) -> ModelNotFoundError:
    return ModelNotFoundError(f"{name} is not in the hub's cache on this disk", hint)


def _machine_line(machine: dict[str, Any]) -> str:
    """How much memory there is; where MLX has no GPU, that it is slow."""
    ram, usable = machine["ram_bytes"] / 2**30, exact_size(machine["usable_bytes"])
    slow = "; slow, as MLX has no GPU here" if machine["runs_on"] == "cpu" else ""
    return f"{machine['name']}: {ram:.0f} GB, of which a model may take {usable}{slow}"


def _line(row: dict[str, Any]) -> str:
    """One model in a line; its name is last, as names are long."""
    star = "*" if row["is_recommended"] else " "
    note = f"  ({row['note']})" if row["note"] else ""
    size = exact_size(row["size_bytes"])
    kind = f"{row['variant']:<9}{row['packing']:<10}{size:>9}  {row['fit'] or '?':<9}"
    return f"{star} {kind}{row['name']}{note}"


def _time(duration_s: int) -> str:
    if duration_s < 100:
        return f"{duration_s} s"
    return f"{duration_s // 60} min" if duration_s < 6000 else f"{duration_s / 3600:.1f} h"
