"""A picture of a page that is full of text."""

from __future__ import annotations

import random

from PIL import Image, ImageDraw, ImageFont


def page() -> Image.Image:
    image, choose = Image.new("RGB", (1200, 1600), "white"), random.Random(1)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(20)
    for top in range(40, 1560, 30):
        words = ("".join(choose.choices("abcdefgh", k=choose.randint(2, 9))) for _ in range(14))
        draw.text((60, top), " ".join(words), fill="black", font=font)
    return image
