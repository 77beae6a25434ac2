"""`gemma4 plan`: what a model takes, and whether it fits; nothing is fetched, no weight is read."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import click

from gemma4_mlx.byte_sizes import exact_size
from gemma4_mlx.command_options import Number, WholeNumber, json_option
from gemma4_mlx.errors import ModelNotFoundError
from gemma4_mlx.messages import IMAGE_TOKEN_BUDGETS
from gemma4_mlx.model_name import DEMO_MODEL, is_hub_id

if TYPE_CHECKING:
    from gemma4_mlx.config import ModelConfig
    from gemma4_mlx.memory import Machine, Plan, Weights

TABLE_GIB = (8, 16, 24, 32, 64, 128)
"""Memories of Macs that the table is made for."""

_LABELS = {
    "body": "weights: layers",
    "experts": "weights: experts",
    "embedding": "weights: embedding",
    "per_layer_table": "weights: table of per-layer embeddings",
    "vision": "weights: vision tower",
    "audio": "weights: audio tower",
    "kv_full": "keys and values of full layers",
    "kv_sliding": "keys and values of sliding layers",
    "reading": "reading a prompt",
    "media": "encoding a picture or clip, beyond that",
    "reuse": "buffers that MLX keeps for reuse",
    "runtime": "Python, MLX, tokenizer",
}
_RULE = "-" * 58


@click.command(short_help="Tell what a model takes and whether it fits.")
@click.argument("model", required=False)
@click.option("--context", type=WholeNumber(min=1), metavar="N", help="Tokens of the conversation.")
@click.option("--ram", type=Number(), metavar="GB", help="Plan for a Mac with that memory.")
@click.option(
    "--image-tokens",
    type=click.Choice(["0", *map(str, IMAGE_TOKEN_BUDGETS)]),
    help="Budget of the largest picture; 0 for text and sound alone.",
)
@click.option(
    "--recipe", metavar="NAME", help="Plan as if packed by this recipe of `gemma4 convert`."
)
@click.option("--table", is_flag=True, help="Print what fits on which Mac.")
@json_option
def plan(model: str | None, table: bool, as_json: bool, **options: Any) -> None:
    """Tell what MODEL takes of the memory, part by part, and whether that fits.

    MODEL is a folder, pocket, a hub id or a published variant: E2B, E4B, 26B-A4B, 31B. Nothing is
    fetched: what is not on this disk is planned from its published config.
    """
    if table:
        if model or as_json or any(options[name] for name in ("context", "ram", "image_tokens")):
            raise click.UsageError("--table stands alone; it knows no option but --recipe.")
        click.echo("\n".join(_table(options["recipe"])))
        return
    if model is None:
        raise click.UsageError("Missing argument 'MODEL'.")
    made = _plan(model, **options)
    if as_json:
        click.echo(json.dumps(_as_json(model, made), indent=2))
    else:
        click.echo("\n".join(_told(model, made)))


def _plan(
    model: str,
    *,
    context: int | None,
    ram: float | None,
    image_tokens: str | None,
    recipe: str | None,
) -> Plan:
    from gemma4_mlx.memory import Demand, plan_model

    config, weights = planned_model(model, recipe)
    budget = None if image_tokens is None else int(image_tokens)
    demand = Demand(context=context, image_tokens=budget)
    return plan_model(config, weights, machine_of(ram), demand)


def machine_of(ram: float | None = None) -> Machine:
    """A Mac with so many GB, or the machine that this runs on."""
    from gemma4_mlx.memory import mac, this_machine

    if ram is not None:
        return mac(ram)
    if sys.platform != "darwin":
        return this_machine()
    import mlx.core as mx  # it alone knows what Metal recommends

    return this_machine(mx.device_info())


def planned_model(name: str, recipe: str | None = None) -> tuple[ModelConfig, Weights]:
    """The config of a model, and its weights: those on this disk, or as they are published.

    Raises:
        ModelNotFoundError: nothing is known of a model of that name.
        UsageError: no such recipe.
    """
    from gemma4_mlx.config import ModelConfig
    from gemma4_mlx.memory import checkpoint_weights, find_published, published_config

    folder = _folder(name)
    if folder is not None:
        config = ModelConfig.from_folder(folder)
        return config, _packed(config, recipe) if recipe else checkpoint_weights(folder, config)
    published = find_published(name)
    if published is None:
        raise ModelNotFoundError(
            f"no model {name!r}: neither a folder nor a hub id whose files are on this disk",
            f"give a folder, {DEMO_MODEL!r}, or a published variant, such as E2B",
        )
    config = published_config(published.variant)
    return config, _packed(config, recipe or published.recipe)


def _packed(config: ModelConfig, recipe: str | None) -> Weights:
    from gemma4_mlx.memory import planned_weights
    from gemma4_mlx.recipes import DEFAULT_RECIPE, find_recipe

    found = find_recipe(recipe or DEFAULT_RECIPE)
    return planned_weights(config, found.formats(config), f"the recipe {found.name}")


def _folder(name: str) -> Path | None:
    """Where the whole model lies on this disk; None if it does not."""
    from gemma4_mlx.hub import cached_snapshot, missing_files

    if name == DEMO_MODEL:
        from gemma4_mlx.loading import find_checkpoint

        return find_checkpoint(name)
    if Path(name).is_dir():
        return Path(name)
    if not is_hub_id(name):
        return None
    snapshot = cached_snapshot(name)
    return None if snapshot is None or missing_files(snapshot) else snapshot


def _told(name: str, made: Plan) -> list[str]:
    """The plan as a person reads it, in 80 columns."""
    from gemma4_mlx.memory import advice, largest_context

    lines = [f"{name} on {made.machine.name}: {made.verdict}", f"from {made.weights.origin}", ""]
    lines += [_row(_LABELS[line.key], line.nbytes) for line in made.lines]
    lines += [_RULE, _row("in all", made.total_bytes)]
    lines += [_row("that it may take", made.limit_bytes), ""]
    longest = made.config.context_length
    lines.append(f"Planned for {made.context} tokens; the model's context holds {longest}.")
    lines.append(f"The longest conversation that fits: {largest_context(made)} tokens.")
    lines += _choices(made)
    hint = advice(made)
    return [*lines, "", *wrap(f"hint: {hint}", 80)] if hint else lines


def _choices(made: Plan) -> list[str]:
    """What was chosen, and why where it is not the first choice."""
    choice, item = made.choice, made.machine.item_bytes
    lines = [f"A prompt is read {choice.chunk} tokens at a time."]
    if choice.per_layer_table == "mapped":
        table = exact_size(made.weights.nbytes(item, "per_layer_table"))
        lines.append(f"The table of per-layer embeddings ({table}) stays in its file.")
    if choice.kv.folded:
        lines.append("Keys and values are kept once where they are the same.")
    if not choice.keeps_towers:
        lines.append("Towers are let go of after each picture or clip.")
    if choice.kv.bits is not None:
        saved = exact_size(made.packing_saves_bytes)
        lines.append(
            f"Keys and values of full layers have {choice.kv.bits} bits, which saves {saved}."
        )
    return lines


def _row(label: str, nbytes: int) -> str:
    return f"  {label:<44}{exact_size(nbytes):>12}"


def _as_json(name: str, made: Plan) -> dict[str, Any]:
    from gemma4_mlx.memory import advice, largest_context

    choice, machine = made.choice, made.machine
    return {
        "model": name,
        "weights": made.weights.origin,
        "machine": {
            "name": machine.name,
            "ram_bytes": machine.ram_bytes,
            "usable_bytes": machine.usable_bytes,
            "max_buffer_bytes": machine.max_buffer_bytes,
            "item_bytes": machine.item_bytes,
        },
        "context": made.context,
        "image_tokens": made.demand.image_tokens,
        "hears": made.demand.hears,
        "verdict": made.verdict,
        "lines": {line.key: line.nbytes for line in made.lines},
        "total_bytes": made.total_bytes,
        "limit_bytes": made.limit_bytes,
        "choice": {
            "chunk": choice.chunk,
            "per_layer_table": choice.per_layer_table,
            "kv_bits": choice.kv.bits,
            "kv_folded": choice.kv.folded,
            "keeps_towers": choice.keeps_towers,
        },
        "largest_context": largest_context(made),
        "comfortable_context": largest_context(made, "fits"),
        "hint": advice(made),
    }


def _table(recipe: str | None) -> list[str]:
    """What fits on which Mac, in Markdown: the longest conversation in thousands of tokens."""
    from gemma4_mlx.memory import PUBLISHED, mac, variant_plan
    from gemma4_mlx.recipes import DEFAULT_RECIPE

    recipe = recipe or DEFAULT_RECIPE
    lines = [
        "| | weights | " + " | ".join(f"{gib} GB" for gib in TABLE_GIB) + " |",
        "|---" * (len(TABLE_GIB) + 2) + "|",
    ]
    for variant in PUBLISHED:
        plans = [variant_plan(variant, mac(gib), recipe=recipe) for gib in TABLE_GIB]
        weights = exact_size(plans[0].weights.nbytes(2))
        cells = " | ".join(map(_cell, plans))
        lines.append(f"| {variant} | {weights} | {cells} |")
    return lines


def _cell(made: Plan) -> str:
    """How long a conversation may be: comfortably, or at all."""
    from gemma4_mlx.memory import largest_context

    comfortable, longest = largest_context(made, "fits"), largest_context(made)
    if comfortable:
        return f"{comfortable // 1024}k"
    return f"tight, {longest // 1024}k" if longest >= 1024 else "no"
