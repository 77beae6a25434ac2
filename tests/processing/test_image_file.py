"""Every kind of picture file becomes upright RGB, or one clear error."""

from __future__ import annotations

import io
import os
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.messages import ImagePart
from gemma4_mlx.processing.attached_file import permission_hint
from gemma4_mlx.processing.image import prepare_image
from gemma4_mlx.processing.image_file import MAX_PIXELS, open_image, read_image_size
from gemma4_mlx.processing.receipts import receipt_of
from gemma4_mlx.processing.settings import ImageSettings
from tests.processing.patterns import GOLDENS, picture


def pixels(source: object) -> np.ndarray:
    return np.asarray(open_image(source, name="picture")).astype(int)


def saved(tmp_path: Path, image: Image.Image, suffix: str, **options: object) -> Path:
    path = tmp_path / f"picture{suffix}"
    image.save(path, **options)
    return path


WAVES = picture("waves", 60, 40)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff"])
def test_lossless_files_keep_every_pixel(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path, WAVES, suffix)
    np.testing.assert_array_equal(pixels(path), np.asarray(WAVES))
    assert read_image_size(path, name="picture") == (60, 40)


@pytest.mark.parametrize(
    ("suffix", "options"), [(".webp", {"lossless": True}), (".jpg", {"quality": 95})]
)
def test_webp_and_jpeg(tmp_path: Path, suffix: str, options: dict) -> None:
    difference = np.abs(pixels(saved(tmp_path, WAVES, suffix, **options)) - np.asarray(WAVES))
    assert difference.mean() < 4


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tiff"])
def test_pain_01_of_several_pictures_the_first_is_seen_and_that_is_told(
    tmp_path: Path, suffix: str
) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "lime")]
    noun = "page" if suffix == ".tiff" else "frame"
    for count, said in ((1, ""), (2, f"{noun} 2"), (3, f"{noun}s 2 to 3")):
        path = saved(tmp_path, frames[0], suffix, save_all=True, append_images=frames[1:count])
        red = pixels(path)[0, 0]
        assert red[0] > 250 and red[1:].max() < 5
        prepared = prepare_image(ImagePart(path), 70, ImageSettings())
        assert receipt_of(ImagePart(path), prepared, hears=True).left_out == said


def test_damage_behind_the_first_page_is_told_and_hides_it_not(tmp_path: Path) -> None:
    path = saved(tmp_path, WAVES, ".tiff", save_all=True, append_images=[WAVES])
    content = path.read_bytes()
    second = content.rfind(b"\0\1\4\0")  # its width
    path.write_bytes(content[:second] + b"\xff" + content[second + 1 :])
    prepared = prepare_image(ImagePart(path), 70, ImageSettings())
    assert prepared.unseen == "further pages, which are damaged"
    np.testing.assert_array_equal(pixels(path), np.asarray(WAVES))


def test_a_phones_second_exposure_is_no_second_picture(tmp_path: Path) -> None:
    path = saved(tmp_path, WAVES, ".jpg", format="MPO", save_all=True, append_images=[WAVES])
    assert prepare_image(ImagePart(path), 70, ImageSettings()).unseen == ""


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".jpg", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pain_55_the_size_is_that_of_the_upright_picture(
    tmp_path: Path, orientation: int, suffix: str
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, WAVES, suffix, exif=exif)
    size = (40, 60) if orientation > 4 else (60, 40)
    assert open_image(path, name="picture").size == size
    assert read_image_size(path, name="picture") == size
    with Image.open(path) as image:
        assert read_image_size(image, name="picture") == size
        image.load()
        assert read_image_size(image, name="picture") == size


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pain_55_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    upright = picture("edges", 60, 40)
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = upright if undo is None else upright.transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, stored, ".png", exif=exif)
    np.testing.assert_array_equal(pixels(path), np.asarray(upright))
    assert read_image_size(path, name="picture") == (60, 40)


def test_pain_55_broken_exif_does_not_hide_the_picture(tmp_path: Path) -> None:
    path = saved(tmp_path, WAVES, ".png", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff")
    np.testing.assert_array_equal(pixels(path), np.asarray(WAVES))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "L", "RGB"])
def test_pain_55_transparent_pixels_lie_on_white(mode: str) -> None:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 255))
    if mode in ("L", "RGB"):  # a colour that stands for transparency, as PNG has it
        converted = Image.new(mode, (2, 1))
        converted.putpixel((0, 0), 9 if mode == "L" else (9, 9, 9))
        converted.info["transparency"] = 9 if mode == "L" else (9, 9, 9)
    elif mode == "P":
        converted = Image.new("P", (2, 1))
        converted.putpalette([9, 9, 9, 0, 0, 0])
        converted.putpixel((1, 0), 1)
        converted.info["transparency"] = 0
    else:
        converted = image.convert(mode)
    assert pixels(converted)[0].tolist() == [[255] * 3, [0] * 3]


def test_half_transparent_is_half_white() -> None:
    assert pixels(Image.new("RGBA", (1, 1), (255, 0, 0, 128)))[0, 0].tolist() == [255, 127, 127]


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "HSV", "RGBX"])
def test_pain_55_other_modes_become_rgb(mode: str) -> None:
    grey = Image.new("RGB", (3, 2), (255, 255, 255)).convert(mode)
    assert pixels(grey).tolist() == [[[255] * 3] * 3] * 2


@pytest.mark.parametrize(
    ("dtype", "top"), [("uint16", 65535), (">u2", 65535), ("int32", 65535), ("float32", 1)]
)
def test_pain_55_deep_grey_is_scaled_not_clipped(tmp_path: Path, dtype: str, top: int) -> None:
    ramp = np.linspace(0, top, 256).reshape(16, 16).astype(dtype)
    image = Image.fromarray(ramp)
    suffix = ".png" if ramp.dtype.kind == "u" else ".tiff"
    for source in (image, saved(tmp_path, image, suffix)):
        np.testing.assert_allclose(pixels(source)[..., 0].ravel(), np.arange(256), atol=1)


def test_pain_55_a_transparent_level_of_deep_grey_lies_on_white() -> None:
    image = Image.fromarray(np.array([[0x1234, 0]], np.uint16))
    image.info["transparency"] = 0x1234
    assert pixels(image)[0].tolist() == [[255] * 3, [0] * 3]


def test_deep_grey_out_of_range_is_an_error() -> None:
    with pytest.raises(AttachmentError, match="expected 0 to 1") as error:
        pixels(Image.fromarray(np.full((2, 2), 7, np.float32)))
    assert error.value.hint


def heic_bytes() -> bytes:
    return b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"


def jpeg_bytes() -> bytes:
    buffer = io.BytesIO()
    picture("noise", 300, 300).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes"),
        (b"not a picture at all", "known type"),
        (b"%PDF-1.7\n", "known type"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42", "known type"),
        (jpeg_bytes()[:2000], "damaged"),
        (jpeg_bytes()[:40], "known type|damaged"),
    ],
    ids=["empty", "text", "pdf", "mp4", "truncated", "header"],
)
def test_bad_files_are_attachment_errors(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(AttachmentError, match=message) as error:
        open_image(path, name="photo.jpg")
    assert "photo.jpg" in error.value.message
    assert error.value.hint
    assert error.value.exit_code == 5


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path, message in ((tmp_path / "no.png", "no such file"), (tmp_path, "is a folder")):
        for read in (open_image, read_image_size):
            with pytest.raises(AttachmentError, match=message) as error:
                read(path, name=path.name)
            assert error.value.hint


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="the superuser may read everything"
)
def test_unreadable_file(tmp_path: Path) -> None:
    path = saved(tmp_path, WAVES, ".png")
    path.chmod(0)
    with pytest.raises(AttachmentError, match="not allowed"):
        pixels(path)


def test_refused_permission_is_an_attachment_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(AttachmentError, match="not allowed") as error:
        open_image(Path("photo.png"), name="photo.png")
    assert "permissions" in error.value.hint


def test_on_a_mac_the_hint_names_what_may_keep_a_terminal_from_a_folder() -> None:
    assert "Privacy & Security > Files and Folders" in permission_hint("darwin")
    assert permission_hint("linux") == "check its permissions"


def bomb(side: int) -> bytes:
    """A PNG that claims to be `side` pixels wide and high."""
    buffer = io.BytesIO()
    Image.new("1", (1, 1)).save(buffer, "PNG")
    content = bytearray(buffer.getvalue())
    content[16:24] = side.to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, "big")
    return bytes(content)


@pytest.mark.parametrize("side", [13_400, 100_000])
def test_decompression_bomb(tmp_path: Path, side: int) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(side))
    for read in (open_image, read_image_size):
        with pytest.raises(AttachmentError, match="too large") as error:
            read(path, name="bomb.png")
        assert "scale it down" in error.value.hint


def test_large_but_allowed_picture_raises_no_warning(tmp_path: Path) -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    assert Image.MAX_IMAGE_PIXELS < 12_000**2 < MAX_PIXELS
    path = tmp_path / "large.png"
    path.write_bytes(bomb(12_000))
    assert read_image_size(path, name="large.png") == (12_000, 12_000)


def test_picture_in_memory_is_held_to_the_same_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemma4_mlx.processing.image_file.MAX_PIXELS", 100)
    with pytest.raises(AttachmentError, match="too large"):
        open_image(Image.new("L", (11, 10)), name="picture")


def test_heic_without_its_reader_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    path = tmp_path / "photo.heic"
    path.write_bytes(heic_bytes())
    with pytest.raises(AttachmentError, match="HEIC") as error:
        open_image(path, name="photo.heic")
    assert "gemma4-mlx[heic]" in error.value.hint


def test_heic_is_read_and_turned_once() -> None:
    pytest.importorskip("pi_heif")
    path = GOLDENS / "turned.heic"
    wanted = np.asarray(picture("waves", 64, 48)).astype(int)
    assert np.abs(pixels(path) - wanted).mean() < 3
    assert read_image_size(path, name="turned.heic") == (64, 48)


def test_picture_without_pixels() -> None:
    with pytest.raises(AttachmentError, match="no pixels"):
        open_image(Image.new("RGB", (0, 5)), name="picture")


def test_anything_else_in_memory_is_refused() -> None:
    with pytest.raises(AttachmentError, match="a path or a PIL image, not ndarray"):
        open_image(np.zeros((2, 2, 3), np.uint8), name="picture")
