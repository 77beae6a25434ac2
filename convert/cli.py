"""The command `gemma4 convert`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gemma4_mlx.byte_sizes import exact_size

if TYPE_CHECKING:
    from convert.conversion import ConversionReport
    from convert.progress import OnStep
    from gemma4_mlx.recipes import Recipe

_GROUP_SIZE = 64


@click.command(short_help="Make a checkpoint small: bf16 weights in, 4-bit MLX weights out.")
@click.argument("source")
@click.argument("dest", type=click.Path(path_type=Path), required=False)
@click.option("--recipe", metavar="NAME|FILE.toml", help="Which weights take how many bits.")
@click.option("--bits", type=click.IntRange(2, 8), help="All text weights alike, instead.")
@click.option("--group-size", type=int, metavar="N", help="With --bits: values per scale.")
@click.option("--revision", help="Branch, tag or commit on the hub.")
@click.option(
    "--calibrate",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Search by a text that tells which weights matter; the source must fit in memory.",
)
@click.option(
    "--search/--no-search",
    default=None,
    help="Search for better scales than plain rounding has; takes 2 to 3 times as long.",
)
@click.option("--card/--no-card", default=True, help="Measure the result against its source.")
@click.option("--card-only", is_flag=True, help="Measure a checkpoint that was made before.")
@click.option("--against", metavar="SOURCE", help="With --card-only: what it was made from.")
@click.option("--force", is_flag=True, help="Throw away another conversion's unfinished DEST.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line per step on stdout.")
def convert(source: str, dest: Path | None, **options: Any) -> None:
    """Convert SOURCE, a folder or a hub id, to DEST, a new folder.

    Interrupted or killed, the same command goes on where it was. Without --recipe the default is
    taken: gemma4-mixed-4.v1, or for weights from quantization-aware training qat-q4_0, which
    keeps them exactly.
    """
    _check(dest, options)
    # Not at the top: MLX takes a tenth of a second, too much for --help.
    from convert.progress import JsonLines, ProgressLine

    line = ProgressLine()
    on_step = JsonLines() if options["as_json"] else line
    try:
        if options["card_only"]:
            _card_only(Path(source), options, on_step)
        else:
            assert dest is not None
            report = _convert(source, dest, options, on_step)
            line.close()
            if not options["as_json"]:
                _say(report)
    finally:
        line.close()


def _check(dest: Path | None, options: dict[str, Any]) -> None:
    """Options that contradict each other."""
    if options["card_only"]:
        if dest is not None or options["against"] is None:
            raise click.UsageError("Give one checkpoint and its source: --card-only A --against B.")
        return
    if dest is None:
        raise click.UsageError("Missing argument 'DEST'.")
    if options["against"] is not None:
        raise click.UsageError("--against belongs to --card-only.")
    if options["recipe"] is not None and options["bits"] is not None:
        raise click.UsageError("Give either --recipe or --bits.")
    if options["group_size"] is not None and options["bits"] is None:
        raise click.UsageError("--group-size belongs to --bits.")
    if options["calibrate"] is not None and options["search"] is False:
        raise click.UsageError("--calibrate is for a search: leave --no-search out.")


def _convert(source: str, dest: Path, options: dict[str, Any], on_step: OnStep) -> ConversionReport:
    from convert.conversion import Settings, convert_checkpoint

    settings = Settings(
        recipe=_recipe(options),
        revision=options["revision"],
        calibration=options["calibrate"],
        search=bool(options["search"] or options["calibrate"]),
        card=options["card"],
        force=options["force"],
    )
    return convert_checkpoint(source, dest, settings, on_step=on_step)


def _recipe(options: dict[str, Any]) -> Recipe | None:
    from gemma4_mlx.recipes import find_recipe, uniform_recipe

    if options["bits"] is not None:
        return uniform_recipe(options["bits"], options["group_size"] or _GROUP_SIZE)
    return find_recipe(options["recipe"]) if options["recipe"] is not None else None


def _card_only(folder: Path, options: dict[str, Any], on_step: OnStep) -> None:
    from convert.measuring import measure_later

    measure_later(folder, options["against"], force=options["force"], on_step=on_step)
    if not options["as_json"]:
        click.echo(f"{folder / 'README.md'} tells how it compares with {options['against']}")


def _say(report: ConversionReport) -> None:
    quality = report.quality
    click.echo(
        f"{report.dest}: {exact_size(quality.weight_bytes)}, "
        f"{quality.bits_per_weight:.2f} bits per weight, recipe {quality.recipe}"
    )


if __name__ == "__main__":
    convert()
