"""Pictures and clips as users send them, and a bank of their cached soft tokens."""

import io
import random
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from PIL import Image

from . import pictures
from .architecture import grid, hear, see
from .stage_speech import Ears

BUDGETS = (70, 140, 280)


@dataclass
class Shot:
    """A picture as patches of a size in cells, or already as soft tokens."""

    columns: int
    rows: int
    pixels: torch.Tensor | None = None
    soft: torch.Tensor | None = None

    def __len__(self) -> int:
        return self.columns * self.rows


@dataclass
class Sound:
    """A clip's soft tokens [S, D]."""

    soft: torch.Tensor

    def __len__(self) -> int:
        return len(self.soft)


def random_size(rng: random.Random) -> tuple[int, int]:
    """A picture size of the kind that screens, cameras and papers have."""
    long = rng.choice((160, 224, 256, 320, 384, 400, 480, 512, 640, 720, 800, 960))
    short = round(long / rng.choice((1, 1, 1.2, 4 / 3, 4 / 3, 1.5, 16 / 9, 2, 2.6)))
    return (long, short) if rng.random() < 0.65 else (short, long)


def _as_file(image: Image.Image, rng: random.Random) -> Image.Image:
    """Now and then what JPEG leaves of a picture."""
    if rng.random() > 0.25:
        return image
    file = io.BytesIO()
    image.save(file, "JPEG", quality=rng.randint(60, 95))
    return Image.open(file).convert("RGB")


def shot(rng: random.Random, budget: int, size: tuple[int, int] | None = None, hard: float = 0.0):
    """A new picture at a budget: (scene, shot). `hard` is the share that must be hard to read."""
    width, height = size or random_size(rng)
    scene = pictures.make_scene(rng, width, height)
    if rng.random() < hard:
        while not pictures.is_hard(scene):
            scene = pictures.make_scene(rng, width, height)
    image = _as_file(pictures.draw(scene, rng.choice((1, 2))), rng)
    columns, rows = pictures.target_size(width, height, budget)
    pixels = torch.from_numpy(pictures.patches(image, columns, rows))
    return scene, Shot(columns, rows, pixels)


def look(model, shots: list[Shot]) -> torch.Tensor:
    """Soft tokens [N, D] of pictures in order; equal sizes go through the tower together."""
    groups = defaultdict(list)
    for i, one in enumerate(shots):
        groups[one.columns, one.rows].append(i)
    found: dict[int, torch.Tensor] = {}
    for (columns, rows), members in groups.items():
        places = grid(columns, rows)[None].expand(len(members), -1, -1)
        soft = see(model, torch.stack([shots[i].pixels for i in members]), places)
        found.update(zip(members, soft, strict=True))
    return torch.cat([found[i] for i in range(len(shots))])


@dataclass(frozen=True)
class Stock:
    """What a bank holds."""

    pictures: Mapping[int, int]  # by budget
    sounds: int = 800
    hard: float = 0.0  # share of the pictures that must be hard to read
    rounds: int = 1  # how often all of it is drawn in a stage
    kept: float = 1.0  # share of the pictures that stays: half the worst answered, half by chance


NOTHING = Stock({}, 0)


class Bank:
    """Pictures and clips whose soft tokens were computed once, towers frozen."""

    def __init__(self, model, ears: Ears, rng: random.Random, stock: Stock):
        self.model, self.ears, self.rng, self.stock = model, ears, rng, stock
        self.draw()

    def draw(self) -> None:
        """Draw all pictures and clips anew."""
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            self.pictures = {b: self._shots(b, n) for b, n in self.stock.pictures.items()}
            self.clips = self._sounds(self.stock.sounds)

    def _shots(self, budget: int, count: int) -> list:
        drawn = [shot(self.rng, budget, hard=self.stock.hard) for _ in range(count)]
        drawn.sort(key=lambda pair: (pair[1].columns, pair[1].rows))
        size = {70: 16, 140: 8, 280: 4}[budget]
        for start in range(0, count, size):
            some = [one for _, one in drawn[start : start + size]]
            parts = look(self.model, some).float().split([len(one) for one in some])
            for one, part in zip(some, parts, strict=True):
                one.soft, one.pixels = part.clone(), None
        return drawn

    def sift(self, worry: Callable[[list], list[float]]) -> None:
        """Keep a share of the pictures: half of it the ones that worry most, half any.

        Args:
            worry: how badly the model answers on each of some (scene, shot).
        """
        for budget, drawn in self.pictures.items():
            half = max(1, round(len(drawn) * self.stock.kept / 2))
            worries = worry(drawn)
            order = sorted(range(len(drawn)), key=worries.__getitem__, reverse=True)
            chosen = order[:half] + self.rng.sample(order[half:], min(half, len(drawn) - half))
            self.pictures[budget] = [drawn[i] for i in chosen]

    def _sounds(self, count: int) -> list:
        kept = []
        for _ in range(count // 32):
            mels, masks, labels = self.ears.batch(32)
            soft, real = hear(self.model, mels, masks)
            kept += [
                (int(label), Sound(soft=s[r].float().clone()))
                for label, s, r in zip(labels, soft, real, strict=True)
            ]
        return kept

    def picture(self, budget: int):
        """(scene, shot) with soft tokens."""
        return self.rng.choice(self.pictures[budget])

    def clip(self):
        """(label, sound) with soft tokens."""
        return self.rng.choice(self.clips)
