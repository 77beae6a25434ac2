"""The vision tower again: sizes as users send them, and shapes that hardly stand out.

The mistakes in captions were the tower's: most of the shapes that the language model named wrong
were read wrong from the soft tokens by a linear probe, too, and nearly all of them stood on a
background about as bright as they.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

import torch

from . import pictures, studio
from .log import Log
from .optimise import Optimisers
from .stage_vision import Heads, cell_loss, encode, hits


@dataclass(frozen=True)
class Plan:
    """How long and how fast; what a step holds."""

    fitting: int = 120  # steps in which only the new read-outs learn
    steps: int = 1600
    muon: float = 0.006
    adam: float = 6e-4
    tokens: int = 1120  # soft tokens a step, about
    budgets: tuple[float, float, float] = (0.76, 0.16, 0.08)  # shares of 70, 140 and 280


PLAN = Plan()


def batch(rng: random.Random, plan: Plan):
    """Pictures of one size: columns, rows, patches uint8, labels, places."""
    budget = rng.choices(studio.BUDGETS, plan.budgets)[0]
    size = studio.random_size(rng)
    pixels, labels, places = [], [], []
    for _ in range(plan.tokens // budget):
        scene, shot = studio.shot(rng, budget, size, hard=0.6)
        cell, place = pictures.cells(scene, shot.columns, shot.rows)
        pixels.append(shot.pixels)
        labels.append(torch.from_numpy(cell))
        places.append(torch.from_numpy(place))
    stacked = torch.stack(pixels), torch.stack(labels), torch.stack(places)
    return shot.columns, shot.rows, *stacked


def run(model, log: Log, seed: int, save: Callable[[], None], plan: Plan) -> None:
    """Fit read-outs to the tower as it is, then train both."""
    rng = random.Random(seed)
    tower, projector = model.model.vision_tower, model.model.embed_vision
    heads = Heads(len(tower.encoder.layers))
    for layer in tower.encoder.layers:
        layer.compile(dynamic=True)
    of_heads = [(f"heads.{n}", p) for n, p in heads.named_parameters()]
    of_tower = [
        *((f"tower.{n}", p) for n, p in tower.named_parameters()),
        *projector.named_parameters(),
    ]
    fit = Optimisers(of_heads, plan.fitting, muon=0.0, adam=1e-2, floor=0.1)
    learn = Optimisers([*of_tower, *of_heads], plan.steps, plan.muon, plan.adam, warmup=100)
    for step in range(plan.fitting + plan.steps):
        learning = step >= plan.fitting
        columns, rows, pixels, labels, places = batch(rng, plan)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            with torch.set_grad_enabled(learning):
                soft, *early = encode(model, pixels, columns, rows, 0)
            read = heads.final(soft)
            loss = cell_loss(read, labels, places)
            for head, state in zip(heads.early, early, strict=True):
                loss = loss + 0.2 * cell_loss(head(state), labels, places)
        loss.backward()
        (learn if learning else fit).step()
        log.step(loss.detach(), step, "sight" if learning else "fit", *hits(read.detach(), labels))
        if step % 100 == 99:
            save()
    save()
