"""`gemma4 bench`: how fast a model runs here, and whether it was faster before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from gemma4_mlx.cli.notes import Notes
from gemma4_mlx.command_options import WholeNumber, json_option, model_option

if TYPE_CHECKING:
    from gemma4_mlx.benchmark import Result, Slower


@click.command(short_help="Measure how fast a model runs here.")
@model_option
@click.option(
    "--rounds",
    type=WholeNumber(min=1),
    metavar="N",
    default=3,
    show_default=True,
    help="How often each figure is taken; the median counts.",
)
@json_option
@click.option("--no-save", is_flag=True, help="Compare, but do not keep the figures.")
def bench(model: str, rounds: int, as_json: bool, no_save: bool) -> None:
    """Measure loading, reading, writing, seeing and a second turn.

    The figures are kept. What is more than a tenth slower than the best one of the same model on
    the same machine, whatever the version, is told where the rounds can tell: three or more in
    both, and all of them slower.
    """
    from gemma4_mlx.benchmark import History, measure, slower

    history, notes = History(), Notes()
    result = measure(model, rounds, lambda figure: notes.status(f"measuring: {_label(figure)}"))
    notes.status("")
    earlier = history.like(result)
    worse = slower(result, earlier)
    if not no_save:
        history.keep(result)
    if as_json:
        told = {**result.to_json(), "slower": [_as_json(each) for each in worse]}
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return
    _print(result, earlier, worse)


def _print(result: Result, earlier: list[Result], worse: list[Slower]) -> None:
    from gemma4_mlx.benchmark import FIGURES

    versions = ", ".join(f"{name} {number}" for name, number in result.versions.items())
    click.secho(result.model, bold=True)
    click.echo(f"{result.machine}\n{result.backend}; {versions}\n")
    for figure in FIGURES:
        value = result.values.get(figure.name)
        if value is not None:
            click.echo(f"  {figure.label:<46}{_amount(value, figure.unit)}")
    if not earlier:
        click.echo("\nThe first time that this model is measured here.")
        return
    times = "once" if len(earlier) == 1 else f"{len(earlier)} times"
    click.echo(f"\nMeasured {times} before, last on {earlier[-1].taken_at[:10]}.")
    if doubt := _doubt(result, earlier):
        click.echo(doubt)
    for each in worse:
        unit, then = each.figure.unit, each.then
        click.secho(
            f"slower by {each.share:.0%}: {each.figure.label}, {_amount(each.now, unit).strip()}, "
            f"was {_amount(each.before, unit).strip()} on {then.taken_at[:10]} "
            f"(gemma4-mlx {then.versions.get('gemma4-mlx')}, mlx {then.versions.get('mlx')})",
            fg="yellow",
        )


def _doubt(result: Result, earlier: list[Result]) -> str:
    """Why nothing can be said of its speed compared to others; nothing if it can."""
    from gemma4_mlx.benchmark import ENOUGH_ROUNDS, can_tell

    if not can_tell(result):
        return f"Whether that is slower cannot be told: it takes --rounds {ENOUGH_ROUNDS} or more."
    if not any(map(can_tell, earlier)):
        return f"None with the {ENOUGH_ROUNDS} rounds that it takes to tell whether this is slower."
    return ""


def _label(name: str) -> str:
    from gemma4_mlx.benchmark import FIGURES

    return next((figure.label for figure in FIGURES if figure.name == name), name)


def _amount(value: float, unit: str) -> str:
    if unit == "bytes":
        return f"{value / 1e9:9.3f} GB"
    return f"{value:9.{3 if value < 10 else 1}f} {unit}"


def _as_json(each: Slower) -> dict[str, object]:
    return {
        "figure": each.figure.name,
        "before": each.before,
        "now": each.now,
        "taken_at": each.then.taken_at,
        "versions": dict(each.then.versions),
    }
