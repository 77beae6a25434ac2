"""Pictures as characters, and pictures of text."""

from __future__ import annotations

import pytest
from PIL import Image, ImageDraw

from tests.tui.driver import picture
from tests.tui.page import page
from tui.attachments.half_blocks import LARGEST_SIDE, HalfBlocks, open_thumbnail
from tui.attachments.small_text import looks_like_text


@pytest.mark.parametrize(
    ("size", "room", "columns", "lines"),
    [
        ((200, 100), (40, 40), 40, 10),
        ((100, 200), (40, 10), 10, 10),
        ((1, 1), (10, 10), 10, 5),
        ((4000, 3), (40, 10), 40, 1),
        ((3, 4000), (40, 10), 1, 10),
    ],
)
def test_half_blocks_fit_and_keep_the_proportions(size, room, columns, lines):
    blocks = HalfBlocks.fit(Image.new("RGB", size, "navy"), *room)
    assert (blocks.columns, len(blocks.lines)) == (columns, lines)
    assert all(line.cell_length == columns for line in blocks.lines)


def test_a_half_block_has_the_pixel_above_and_the_one_below():
    image = Image.new("RGB", (1, 2), "red")
    image.putpixel((0, 1), (0, 0, 255))
    [span] = HalfBlocks.fit(image, 1, 1).lines[0].spans
    assert (span.style.foreground.hex, span.style.background.hex) == ("#FF0000", "#0000FF")


def test_a_large_picture_is_kept_small(tmp_path):
    thumbnail = open_thumbnail(picture(tmp_path, size=(3000, 1500)), name="x")
    assert thumbnail.size == (LARGEST_SIDE, LARGEST_SIDE // 2)


def noise() -> Image.Image:
    return Image.effect_noise((800, 600), 90).convert("RGB")


def test_a_page_looks_like_text_and_nothing_else_does():
    assert looks_like_text(page())
    assert looks_like_text(page().rotate(90, expand=True))
    dark = page().point(lambda value: 255 - value)
    assert looks_like_text(dark)
    shapes = Image.new("RGB", (800, 600), "white")
    ImageDraw.Draw(shapes).ellipse((100, 100, 500, 500), fill="red")
    gradient = Image.linear_gradient("L").resize((800, 600)).convert("RGB")
    for other in (
        shapes,
        gradient,
        noise(),
        Image.new("RGB", (900, 900)),
        Image.new("RGB", (1, 1)),
    ):
        assert not looks_like_text(other)
