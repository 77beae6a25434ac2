"""Pictures of one to three coloured shapes, with what is true about each.

A `Scene` is the description, `draw` makes the Pillow image, `cells` gives the dense labels that
the vision stage learns from. Everything comes from the random generator that is handed in, so a
seed names a picture. Needs numpy and Pillow only.
"""

import math
import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

RGB = tuple[int, int, int]

# Every colour is any mixture of its anchors, so that the pure #ff0000 of a paint program and the
# soft red of a slide are both "red".
COLOURS: dict[str, tuple[RGB, ...]] = {
    "red": ((255, 0, 0), (200, 30, 30), (230, 30, 60), (175, 10, 10)),
    "orange": ((255, 165, 0), (240, 130, 30), (235, 115, 10)),
    "yellow": ((255, 255, 0), (245, 220, 50), (255, 225, 25)),
    "green": ((0, 255, 0), (0, 128, 0), (60, 160, 75), (46, 204, 113)),
    "blue": ((0, 0, 255), (30, 60, 200), (50, 120, 230), (0, 0, 165)),
    "purple": ((128, 0, 128), (145, 30, 180), (150, 75, 215)),
    "black": ((0, 0, 0), (40, 40, 40)),
    "white": ((255, 255, 255), (236, 236, 236)),
}
SHAPES = ("circle", "square", "triangle", "star")
CELL_PX = 48  # one soft token: 3 x 3 patches of 16 pixels
MASK_PX = 12  # a cell of the label mask, which needs no finer grid


@dataclass(frozen=True)
class Shape:
    """One shape; centre, circumradius and angle in pixels and radians of the scene."""

    kind: str
    colour: str
    rgb: RGB
    x: float
    y: float
    radius: float
    angle: float

    @property
    def name(self) -> str:
        """The shape with its colour: `red star`."""
        return f"{self.colour} {self.kind}"

    def outline(self) -> list[tuple[float, float]]:
        """Corner points of a square, triangle or star, in scene pixels."""
        corners = {"square": 4, "triangle": 3, "star": 10}[self.kind]
        points = []
        for i in range(corners):
            reach = self.radius * (0.45 if self.kind == "star" and i % 2 else 1.0)
            turn = self.angle + 2 * math.pi * i / corners
            points.append((self.x + reach * math.sin(turn), self.y - reach * math.cos(turn)))
        return points


@dataclass(frozen=True)
class Scene:
    """A picture's description; `shapes` run from left to right."""

    width: int
    height: int
    shapes: tuple[Shape, ...]
    top: RGB
    bottom: RGB
    noise: float
    seed: int


def _mixture(anchors: tuple[RGB, ...], rng: random.Random) -> RGB:
    """A random mixture of a colour's anchors, a little jittered."""
    weights = [rng.random() ** 2 + 1e-3 for _ in anchors]
    total = sum(weights)
    mixed = (sum(w * a[c] for w, a in zip(weights, anchors, strict=True)) / total for c in range(3))
    return tuple(min(255, max(0, round(v + rng.uniform(-6, 6)))) for v in mixed)


def _background(rng: random.Random) -> tuple[RGB, RGB]:
    """Top and bottom colour of the background: mostly plain, some in a soft gradient."""
    style = rng.random()
    if style < 0.25:
        level = rng.choice((255, 255, 245, 0, 30))
        return (level,) * 3, (level,) * 3
    if style < 0.55:
        level = rng.randrange(256)
        top = (level,) * 3
    else:
        base, part = rng.choice((255, 255, 20)), rng.uniform(0.1, 0.4)
        top = tuple(round(base * (1 - part) + part * rng.randrange(256)) for _ in range(3))
    if rng.random() < 0.6:
        return top, top
    return top, tuple(min(255, max(0, v + rng.randint(-40, 40))) for v in top)


def _stands_out(rgb: RGB, backgrounds: tuple[RGB, ...], least: float = 95.0) -> bool:
    """Whether a colour is far enough from every background colour to be seen."""
    return all(math.dist(rgb, other) >= least for other in backgrounds)


def _place(rng: random.Random, width: int, height: int, count: int) -> list[tuple]:
    """Centres and radii that overlap nowhere and stand apart from left to right."""
    short = min(width, height)
    low, high = {1: (0.15, 0.42), 2: (0.12, 0.26), 3: (0.11, 0.21)}[count]
    while True:
        spots: list[tuple[float, float, float]] = []
        for _ in range(40):
            radius = short * rng.uniform(low, high)
            x = rng.uniform(radius, width - radius)
            y = rng.uniform(radius, height - radius)
            if all(
                math.dist((x, y), s[:2]) > 1.12 * (radius + s[2]) + 2
                and abs(x - s[0]) > max(0.1 * width, 0.6 * max(radius, s[2]))
                for s in spots
            ):
                spots.append((x, y, radius))
            if len(spots) == count:
                return sorted(spots)


def make_scene(
    rng: random.Random, width: int, height: int, count: int | None = None, plain: bool = False
) -> Scene:
    """Invent a scene.

    Args:
        count: how many shapes, 0 to 3; None draws it, with few empty pictures.
        plain: dark shapes on light grey only (the first steps of training).
    """
    if count is None:
        count = rng.choices((0, 1, 2, 3), (1, 6, 7, 8))[0]
    top, bottom = ((200,) * 3, (200,) * 3) if plain else _background(rng)
    shapes = []
    for x, y, radius in _place(rng, width, height, count) if count else ():
        kind = rng.choice(SHAPES)
        while True:
            colour = "black" if plain else rng.choice(list(COLOURS))
            rgb = _mixture(COLOURS[colour], rng)
            if _stands_out(rgb, (top, bottom)):
                break
        spread = {"circle": 0.0, "square": 0.3, "triangle": 0.35, "star": math.pi}[kind]
        angle = rng.uniform(-spread, spread) if rng.random() < 0.7 else 0.0
        angle += math.pi / 4 if kind == "square" else 0.0
        shapes.append(Shape(kind, colour, rgb, x, y, radius, angle))
    noise = 0.0 if rng.random() < 0.5 else rng.uniform(0, 9)
    return Scene(width, height, tuple(shapes), top, bottom, noise, rng.getrandbits(31))


def is_hard(scene: Scene) -> bool:
    """Whether a shape is about as bright as what is behind it, or two have one colour."""
    behind = [_brightness(rgb) for rgb in (scene.top, scene.bottom)]
    faint = any(abs(_brightness(s.rgb) - b) < 40 for s in scene.shapes for b in behind)
    return faint or len({s.colour for s in scene.shapes}) < len(scene.shapes)


def _brightness(rgb: RGB) -> float:
    """Luma, 0 to 255."""
    return 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]


def _paint(canvas: ImageDraw.ImageDraw, shape: Shape, sx: float, sy: float, fill) -> None:
    """Fill one shape on a canvas that is scaled against the scene by (sx, sy)."""
    if shape.kind == "circle":
        r = shape.radius * 0.92
        box = (shape.x - r) * sx, (shape.y - r) * sy, (shape.x + r) * sx, (shape.y + r) * sy
        canvas.ellipse(box, fill=fill)
    else:
        canvas.polygon([(x * sx, y * sy) for x, y in shape.outline()], fill=fill)


def draw(scene: Scene, smooth: int = 2) -> Image.Image:
    """Draw a scene; `smooth` is the oversampling that rounds the edges (1: hard edges)."""
    width, height = scene.width * smooth, scene.height * smooth
    if scene.top == scene.bottom:
        image = Image.new("RGB", (width, height), scene.top)
    else:
        ramp = np.linspace(scene.top, scene.bottom, height).round().astype(np.uint8)
        image = Image.fromarray(np.repeat(ramp[:, None], width, axis=1))
    canvas = ImageDraw.Draw(image)
    for shape in scene.shapes:
        _paint(canvas, shape, smooth, smooth, shape.rgb)
    if smooth > 1:
        image = image.resize((scene.width, scene.height), Image.Resampling.BOX)
    if scene.noise:
        grain = np.random.default_rng(scene.seed).standard_normal((scene.height, scene.width, 1))
        image = Image.fromarray(
            (np.asarray(image) + scene.noise * grain).clip(0, 255).astype(np.uint8)
        )
    return image


def cells(scene: Scene, columns: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """What each soft token should know about the picture.

    Returns:
        labels: int64 [rows * columns, 3]: colour, shape and "a shape's centre is here"; 0 is
            background, -100 a cell that holds too little of a shape to ask.
        places: float32 [rows * columns, 2]: column and row.
    """
    mask = Image.new("L", (columns * MASK_PX, rows * MASK_PX))
    canvas = ImageDraw.Draw(mask)
    sx, sy = columns * MASK_PX / scene.width, rows * MASK_PX / scene.height
    for i, shape in enumerate(scene.shapes):
        _paint(canvas, shape, sx, sy, i + 1)
    grid = np.asarray(mask).reshape(rows, MASK_PX, columns, MASK_PX).transpose(0, 2, 1, 3)
    grid = grid.reshape(rows * columns, -1)
    shares = np.stack([(grid == i + 1).mean(axis=1) for i in range(3)])
    best, share = shares.argmax(axis=0), shares.max(axis=0)
    labels = np.zeros((rows * columns, 3), np.int64)
    for i, shape in enumerate(scene.shapes):
        labels[best == i, 0] = 1 + list(COLOURS).index(shape.colour)
        labels[best == i, 1] = 1 + SHAPES.index(shape.kind)
        column, row = int(shape.x * columns / scene.width), int(shape.y * rows / scene.height)
        labels[min(row, rows - 1) * columns + min(column, columns - 1), 2] = 1
    labels[share < 0.02, :2] = 0
    labels[(share >= 0.02) & (share < 0.2), :2] = -100
    y, x = np.divmod(np.arange(rows * columns), columns)
    return labels, np.stack([x, y], axis=1).astype(np.float32)


def target_size(width: int, height: int, budget: int) -> tuple[int, int]:
    """Columns and rows of soft tokens that Gemma 4's resizing gives a picture."""
    factor = math.sqrt(budget * CELL_PX**2 / (width * height))
    columns, rows = math.floor(factor * width / CELL_PX), math.floor(factor * height / CELL_PX)
    if not rows:
        return min(width // height, budget), 1
    if not columns:
        return 1, min(height // width, budget)
    return columns, rows


def patches(image: Image.Image, columns: int, rows: int) -> np.ndarray:
    """Resize and cut into patches as the reference image processor does: uint8 [P, 768]."""
    size = columns * CELL_PX, rows * CELL_PX
    if image.size != size:
        image = image.resize(size, Image.Resampling.BICUBIC)
    pixels = np.asarray(image).reshape(rows * 3, 16, columns * 3, 16, 3)
    return pixels.transpose(0, 2, 1, 3, 4).reshape(rows * columns * 9, 768)
