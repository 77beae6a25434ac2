"""Stage 1a: the vision tower alone.

Every soft token learns to say which colour and shape it shows, whether a shape's centre is in it
and where it is. Small pictures of one black shape first: on large ones the shapes stayed at chance
for hundreds of steps.
"""

import random
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn import functional as F

from . import pictures
from .architecture import HIDDEN, grid
from .log import Log
from .optimise import Optimisers

# (steps, pictures a step, sides in cells, most shapes, plain, share of shifted positions)
Phase = tuple[int, int, tuple[tuple[int, int], ...], int, bool, float]
_AT_70 = ((8, 8), (9, 7), (7, 9), (11, 6), (6, 11), (10, 6), (7, 10), (13, 5))
_AT_140 = ((11, 11), (13, 10), (10, 13), (15, 8), (9, 15))
PHASES: tuple[Phase, ...] = (
    (120, 48, ((3, 3),), 1, True, 0.0),
    (320, 32, ((4, 4),), 1, False, 0.5),
    (150, 24, ((6, 6),), 2, False, 0.3),
    (420, 16, ((8, 8),), 3, False, 0.1),
    (420, 16, _AT_70, 3, False, 0.1),
    (60, 8, _AT_140, 3, False, 0.0),
)


class Heads(nn.Module):
    """Linear read-outs of the soft tokens, and of every layer (deep supervision)."""

    def __init__(self, layers: int):
        super().__init__()
        outputs = 1 + len(pictures.COLOURS) + 1 + len(pictures.SHAPES) + 2 + 2
        self.final = nn.Linear(HIDDEN, outputs)
        self.early = nn.ModuleList(nn.Linear(HIDDEN, outputs) for _ in range(layers - 1))


def encode(model, pixels: torch.Tensor, columns: int, rows: int, shift: int) -> list[torch.Tensor]:
    """Soft tokens, then the pooled output of each earlier layer, all [B, S, D].

    `shift` moves the positions that the tower sees (in cells), not those that the pooler sees.
    """
    tower = model.model.vision_tower
    places = grid(columns, rows)[None].expand(len(pixels), -1, -1)
    padding = torch.zeros(places.shape[:2], dtype=torch.bool)
    seen = places + 3 * shift
    hidden = tower.patch_embedder(pixels.float() / 255, seen, padding)
    rope = tower.encoder.rotary_emb(hidden, seen)
    states = []
    for layer in tower.encoder.layers:
        hidden = layer(hidden, position_embeddings=rope, position_ids=seen)
        states.append(hidden)
    pooled = [s.unflatten(1, (rows, 3, columns, 3)).mean(dim=(2, 4)).flatten(1, 2) for s in states]
    soft = model.model.embed_vision(inputs_embeds=pooled[-1] * HIDDEN**0.5)
    return [soft, *(F.rms_norm(p.float(), (HIDDEN,)) for p in pooled[:-1])]


def cell_loss(read: torch.Tensor, labels: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Loss of one read-out [B, S, 18] against `pictures.cells`."""
    colour, shape, centre, place = read.float().split((9, 5, 2, 2), dim=-1)
    labels = labels.flatten(0, 1)
    rare = torch.tensor([1.0, 4.0])
    return (
        F.cross_entropy(colour.flatten(0, 1), labels[:, 0])
        + F.cross_entropy(shape.flatten(0, 1), labels[:, 1])
        + F.cross_entropy(centre.flatten(0, 1), labels[:, 2], weight=rare)
        + 0.3 * F.smooth_l1_loss(place, places / 8)
    )


def batch(rng: random.Random, size: int, columns: int, rows: int, most: int, plain: bool):
    """Pictures of one size: patches uint8, labels, places."""
    pixels, labels, places = [], [], []
    for _ in range(size):
        zoom = rng.choice((1.0, 1.0, 0.6, 1.4)) if columns > 6 else 1.0
        width, height = round(columns * 48 * zoom), round(rows * 48 * zoom)
        count = None if most == 3 else rng.randint(1, most)
        scene = pictures.make_scene(rng, width, height, count, plain)
        image = pictures.draw(scene, rng.choice((1, 1, 2)))
        pixels.append(torch.from_numpy(pictures.patches(image, columns, rows)))
        cell, place = pictures.cells(scene, columns, rows)
        labels.append(torch.from_numpy(cell))
        places.append(torch.from_numpy(place))
    return torch.stack(pixels), torch.stack(labels), torch.stack(places)


def hits(read: torch.Tensor, labels: torch.Tensor) -> list[float]:
    """Shares of shape cells whose colour, shape and centre are right."""
    colour, shape, centre, _ = read.split((9, 5, 2, 2), dim=-1)
    told = labels[..., 0] > 0
    middle = labels[..., 2] == 1
    return [
        (colour.argmax(-1) == labels[..., 0])[told].float().mean().item(),
        (shape.argmax(-1) == labels[..., 1])[told].float().mean().item(),
        (centre.argmax(-1) == labels[..., 2])[middle].float().mean().item(),
    ]


def run(model, log: Log, seed: int, save: Callable[[], None], phases: Sequence[Phase]) -> None:
    """Train the tower and its projector through all phases."""
    rng = random.Random(seed)
    tower = model.model.vision_tower
    heads = Heads(len(tower.encoder.layers))
    for layer in tower.encoder.layers:
        layer.compile()
    named = [
        *((f"tower.{n}", p) for n, p in tower.named_parameters()),
        *model.model.embed_vision.named_parameters(),
        *((f"heads.{n}", p) for n, p in heads.named_parameters()),
    ]
    optimisers = Optimisers(named, sum(p[0] for p in phases), muon=0.02, adam=2e-3)
    for steps, size, sides, most, plain, shifted in phases:
        for step in range(steps):
            columns, rows = rng.choice(sides)
            shift = rng.randrange(24) if rng.random() < shifted else 0
            pixels, labels, places = batch(rng, size, columns, rows, most, plain)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                soft, *early = encode(model, pixels, columns, rows, shift)
                read = heads.final(soft)
                loss = cell_loss(read, labels, places + shift)
                for head, state in zip(heads.early, early, strict=True):
                    loss = loss + 0.2 * cell_loss(head(state), labels, places + shift)
            loss.backward()
            optimisers.step()
            log.step(loss.detach(), step, sides[0], *hits(read.detach(), labels))
        save()
