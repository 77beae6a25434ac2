"""Pixels, patches and positions against the reference's image processor."""

from __future__ import annotations

import hashlib
import json
import os

import numpy as np
import pytest
from PIL import Image

from gemma4_mlx.messages import ImagePart
from gemma4_mlx.processing import image as image_module
from gemma4_mlx.processing.image import prepare_image, stack_images
from gemma4_mlx.processing.image_file import open_image
from gemma4_mlx.processing.kept import Kept
from gemma4_mlx.processing.settings import ImageSettings
from tests.processing.patterns import GOLDENS, PIXEL_CASES, crop_rows, picture

SETTINGS = ImageSettings()


def case_name(case: tuple[str, int, int, int]) -> str:
    kind, width, height, budget = case
    return f"{kind}_{width}x{height}_{budget}"


def test_pain_09_a_picture_is_read_once_at_a_budget_until_it_changes(tmp_path, monkeypatch) -> None:
    path, reads = tmp_path / "a.bmp", []

    def opened(source, *, name):
        reads.append(name)
        return open_image(source, name=name)

    monkeypatch.setattr(image_module, "open_image", opened)

    def see(budget=70):
        return prepare_image(ImagePart(path), budget, SETTINGS).sha256

    Image.new("RGB", (64, 48), "red").save(path)
    before, red = path.stat(), see()
    assert (see(), see(140), len(reads)) == (red, red, 2)
    Image.new("RGB", (64, 48), "blue").save(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as `cp -p` does
    assert path.stat().st_size == before.st_size
    assert see() != red


def test_what_is_kept_stays_within_its_bytes() -> None:
    kept, made = Kept(10, nbytes=len), []

    def make(word):
        def made_now():
            made.append(word)
            return word

        return kept.get(word, made_now)

    for word in ("four", "six666", "four", "five5", "four", "much too much"):
        assert make(word) == word
    assert made == ["four", "six666", "five5", "much too much"]
    make("four")
    assert made[-1] == "four"


@pytest.fixture(scope="module")
def patches() -> dict[str, np.ndarray]:
    with np.load(GOLDENS / "image_patches.npz") as file:
        return dict(file)


@pytest.mark.parametrize("case", PIXEL_CASES, ids=case_name)
def test_pain_03_patches_equal_the_reference(
    case: tuple[str, int, int, int], patches: dict[str, np.ndarray]
) -> None:
    kind, width, height, budget = case
    image = prepare_image(ImagePart(picture(kind, width, height)), budget, SETTINGS)
    rows = crop_rows(len(image.pixel_values))
    levels = np.rint(image.pixel_values[rows] * 255).astype(int)
    np.testing.assert_array_equal(levels, patches[case_name(case)])
    other = patches[f"{case_name(case)}/torchvision"].astype(int)
    assert np.abs(levels - other).max() <= 2, "the two variants of the reference differ by rounding"
    assert np.abs(levels - other).mean() < 0.15
    digests = json.loads((GOLDENS / "image_digests.json").read_text())
    every_byte = image.pixel_values.astype("<f4").tobytes() + image.position_ids.tobytes()
    assert hashlib.sha256(every_byte).hexdigest() == digests[case_name(case)]


def test_patches_run_by_row_column_channel_and_positions_are_column_row() -> None:
    pixels = np.zeros((384, 384, 3), np.uint8)
    pixels[16 * 2 + 5, 16 * 7 + 3, 1] = 255  # patch row 2, column 7; row 5, column 3, green
    image = prepare_image(ImagePart(Image.fromarray(pixels)), 70, SETTINGS)
    (patch,), (value,) = np.nonzero(image.pixel_values)
    assert image.position_ids[patch].tolist() == [7, 2]
    assert value == (5 * 16 + 3) * 3 + 1
    assert image.pixel_values.max() == 1.0


@pytest.mark.parametrize(
    ("size", "seen"), [((1, 1), (768, 768)), ((20000, 3), (13440, 48)), ((3, 20000), (48, 13440))]
)
def test_odd_shapes_are_seen_as_the_reference_sees_them(
    size: tuple[int, int], seen: tuple[int, int]
) -> None:
    image = prepare_image(ImagePart(Image.new("RGB", size, "red")), 280, SETTINGS)
    assert (image.cost.seen_width, image.cost.seen_height) == seen
    assert image.position_ids[-1].tolist() == [seen[0] // 16 - 1, seen[1] // 16 - 1]
    assert set(np.unique(image.pixel_values)) == {0.0, 1.0}


def test_pain_54_pictures_of_different_size_are_padded_not_mixed() -> None:
    sizes = [(300, 200, 70), (48, 900, 140), (64, 64, 70)]
    images = [
        prepare_image(ImagePart(picture("waves", width, height)), budget, SETTINGS)
        for width, height, budget in sizes
    ]
    pixel_values, position_ids = stack_images(images)
    longest = max(len(image.pixel_values) for image in images)
    assert pixel_values.shape == (3, longest, 768)
    assert pixel_values.dtype == np.float32
    assert position_ids.dtype == np.int32
    for index, image in enumerate(images):
        count = len(image.pixel_values)
        assert count == image.cost.tokens * 9
        np.testing.assert_array_equal(pixel_values[index, :count], image.pixel_values)
        np.testing.assert_array_equal(position_ids[index, :count], image.position_ids)
        assert (position_ids[index, :count] >= 0).all()
        assert (position_ids[index, count:] == -1).all()
        assert (pixel_values[index, count:] == 0).all()


def test_digest_tells_pictures_apart() -> None:
    def digest(image: Image.Image, budget: int = 70) -> str:
        return prepare_image(ImagePart(image), budget, SETTINGS).sha256

    base = picture("waves", 60, 40)
    other = base.copy()
    other.putpixel((59, 39), (1, 2, 3))
    assert digest(base) == digest(base.copy()) == digest(base, budget=140)
    assert len({digest(base), digest(other), digest(base.rotate(180))}) == 3
    flat = Image.new("RGB", (6, 4))
    assert digest(flat) != digest(flat.transpose(Image.Transpose.ROTATE_90))
