"""The bundled model through every recipe: what it takes, and what it still knows.

    python -m tests.bench.convert_pocket [--every N] [--recipes NAME ...]

Scores are exact answers on held-out pictures, voices and questions, greedily, in float32, pictures
at one budget. Every N-th case of each task is asked; the same ones of every recipe.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx

import gemma4_mlx as g4
from convert.comparison import EVERY_KIND
from convert.conversion import Settings, convert_checkpoint
from convert.quality import Quality
from gemma4_mlx.recipes import DEFAULT_RECIPE, RECIPES, find_recipe
from tests.e2e.scores import scores
from tests.pocket.heldout import Case, cases

BUDGET = 140
# A lattice is not in the bundled model: its weights were trained without one.
RECIPE_NAMES = [name for name in RECIPES if name != "qat-q4_0"]
REFERENCE = "bf16"

PICTURES = ("caption 1", "caption 2", "caption 3", "empty", "colour", "count", "which")
GROUPS = {
    **dict.fromkeys(PICTURES, "pictures"),
    "word": "words",
    **dict.fromkeys(("both", "chat"), "chats"),
}


@dataclass(frozen=True)
class Row:
    """What one recipe gives.

    Attributes:
        recipe: its name.
        quality: what its card says.
        shares: right answers of all, by group of tasks.
        asked: cases, by group.
    """

    recipe: str
    quality: Quality
    shares: dict[str, float]
    asked: dict[str, int]

    @property
    def overall(self) -> float:
        """Right answers of all cases."""
        right = sum(self.shares[group] * self.asked[group] for group in self.asked)
        return right / sum(self.asked.values())


def chosen_cases(every: int) -> list[Case]:
    """Every N-th case of each task."""
    by_task: defaultdict[str, list[Case]] = defaultdict(list)
    for case in cases(BUDGET, pictures=200):
        by_task[case.task].append(case)
    return [case for task in by_task.values() for case in task[::every]]


def measure(recipe: str, asked: Iterable[Case], folder: Path) -> Row:
    """Convert the bundled model and ask it."""
    dest = folder / recipe
    convert_checkpoint("pocket", dest, Settings(recipe=find_recipe(recipe)))
    model, processor = g4.load(dest, dtype=mx.float32)
    right: defaultdict[str, int] = defaultdict(int)
    count: defaultdict[str, int] = defaultdict(int)
    for task, score in scores(model, processor, asked).items():
        group = GROUPS.get(task, "questions")
        right[group] += score.right
        count[group] += score.asked
    shares = {group: right[group] / count[group] for group in count}
    return Row(recipe, Quality.read(dest), shares, dict(count))


def table(rows: list[Row]) -> str:
    """As Markdown."""
    groups = list(rows[0].asked)
    head = ["recipe", "MB", "bits, text", "mean KLD", "same first choice", *groups, "all"]
    lines = [f"| {' | '.join(head)} |", f"|---|{'--:|' * (len(head) - 1)}"]
    for row in rows:
        figures = row.quality.logits[EVERY_KIND]
        cells = [
            f"`{row.recipe}`",
            f"{row.quality.weight_bytes / 1e6:.2f}",
            f"{row.quality.bits_per_text_weight:.2f}",
            f"{figures['mean_kld']:.4f}",
            f"{figures['top1_agreement']:.3f}",
            *[f"{row.shares[group]:.3f}" for group in groups],
            f"{row.overall:.3f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Print a table, what the default keeps, and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="ask every N-th case")
    parser.add_argument("--recipes", nargs="+", default=RECIPE_NAMES, choices=RECIPE_NAMES)
    arguments = parser.parse_args()
    asked = chosen_cases(arguments.every)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for recipe in dict.fromkeys((REFERENCE, *arguments.recipes)):
            rows.append(measure(recipe, asked, Path(folder)))
            print(f"{recipe}: {rows[-1].overall:.3f} of {len(asked)}", flush=True)
    print()
    print(table(rows))
    kept = {row.recipe: row.overall / rows[0].overall for row in rows}
    if DEFAULT_RECIPE in kept:
        print(f"\n{DEFAULT_RECIPE} keeps {kept[DEFAULT_RECIPE]:.1%} of the bf16 scores.")
    figures = {row.recipe: {"kept": kept[row.recipe], **row.shares} for row in rows}
    print(json.dumps({"cases": len(asked), "every": arguments.every, "recipes": figures}))


if __name__ == "__main__":
    main()
