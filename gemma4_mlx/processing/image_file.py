"""A picture as upright RGB pixels, whatever the file holds.

Reference: transformers `image_transforms.py` (`convert_to_rgb`).
Differs: EXIF orientation is applied, 16-bit and floating-point pixels are scaled instead of
clipped, and everything that goes wrong is one `AttachmentError`.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.processing.attached_file import check_file, permission_hint

MAX_PIXELS = 178_956_970
"""The largest picture that is opened: a larger one is an error and not minutes of swapping."""

SUPPORTED_IMAGES = "PNG, JPEG, WebP, GIF (first frame), BMP, TIFF (first page), HEIC"
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}
_ORIENTATION_TAG = 0x0112
_SIDEWAYS = {5, 6, 7, 8}
_SIZE_TAGS = (0x0100, 0x0101)
_SERIES = {"GIF": "frame", "WEBP": "frame", "PNG": "frame", "TIFF": "page"}


def open_image(source: Any, *, name: str) -> Image.Image:
    """Read a picture as upright RGB.

    Transparent pixels are laid over white, as the reference does.

    Args:
        source: a path, or a `PIL.Image.Image`.
        name: what errors call it.

    Raises:
        AttachmentError: it cannot be read, is too large, or is not a picture.
    """
    with _as_attachment_errors(name):
        image = _open(source, name)
        image.load()
        return _to_rgb(_upright(image), name)


def read_image_size(source: Any, *, name: str) -> tuple[int, int]:
    """Upright width and height in pixels, read from the file's header alone.

    Raises:
        AttachmentError: as `open_image`, except for damage that only the pixels show.
    """
    with _as_attachment_errors(name):
        image = _open(source, name)
        # Not image.getexif(): for PNG that decodes the picture, to look for EXIF after it.
        tags = Image.Image.getexif(image)
        if tags.get(_ORIENTATION_TAG) not in _SIDEWAYS:
            return image.size
        # Pillow's size of a TIFF file is, from some version on, the upright one.
        stored = [tags[tag] for tag in _SIZE_TAGS] if image.format == "TIFF" else image.size
        return stored[1], stored[0]


def unseen_pictures(source: Any, *, name: str) -> str:
    """What follows the first picture of a file, such as "frames 2 to 9"; of most files, nothing.

    Raises:
        AttachmentError: as `read_image_size`.
    """
    with _as_attachment_errors(name):
        image = _open(source, name)
        noun = _SERIES.get(image.format or "")
        if not noun:
            return ""
        try:
            count: int = getattr(image, "n_frames", 1)
        except Exception:  # Pillow raises whatever it trips over behind the first
            return f"further {noun}s, which are damaged"
    return {1: "", 2: f"{noun} 2"}.get(count, f"{noun}s 2 to {count}")


@contextmanager
def _as_attachment_errors(name: str) -> Iterator[None]:
    """Turn what Pillow and the file system raise into an `AttachmentError`.

    What Pillow only warns of, such as odd metadata, leaves a picture to look at.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except AttachmentError:
        raise
    except FileNotFoundError:
        raise AttachmentError(f"{name}: no such file", "check the path") from None
    except PermissionError:
        raise AttachmentError(f"{name}: not allowed to read it", permission_hint()) from None
    except UnidentifiedImageError:
        raise AttachmentError(
            f"{name} is not a picture of a known type, or is damaged",
            f"supported: {SUPPORTED_IMAGES}; save the pages of a document as pictures, or put its "
            "text into the question",
        ) from None
    except Image.DecompressionBombError as error:
        raise _too_large(name, str(error)) from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # what Pillow's decoders raise
        raise AttachmentError(
            f"{name} is damaged: {error}", "save it again, or attach another copy"
        ) from None


def _too_large(name: str, size: str) -> AttachmentError:
    return AttachmentError(
        f"{name} is too large: {size}; at most {MAX_PIXELS / 1e6:.0f} million pixels are opened",
        "scale it down first; the model sees no more than about 2.5 million",
    )


def _open(source: Any, name: str) -> Image.Image:
    if isinstance(source, Image.Image):
        image = source
    elif isinstance(source, str | Path):
        image = _open_file(Path(source), name)
    else:
        raise AttachmentError(
            f"{name}: a picture must be a path or a PIL image, not {type(source).__name__}",
            "for an array, PIL.Image.fromarray(array)",
        )
    _check_size(image.size, name)
    return image


def _check_size(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width * height == 0:
        raise AttachmentError(f"{name} has no pixels ({width} x {height})", "attach another copy")
    if width * height > MAX_PIXELS:
        raise _too_large(name, f"{width} x {height} pixels")


def _open_file(path: Path, name: str) -> Image.Image:
    if path.is_dir():
        raise AttachmentError(f"{name} is a folder", "attach the pictures in it one by one")
    check_file(path, name, "image")
    content = path.read_bytes()
    if not content:
        raise AttachmentError(f"{name} is empty (0 bytes)", "attach another copy")
    if content[4:8] == b"ftyp" and content[8:12] in _HEIF_BRANDS:
        return _open_heif(content, name)
    return Image.open(io.BytesIO(content), formats=_FORMATS)


def _open_heif(content: bytes, name: str) -> Image.Image:
    try:
        import pi_heif
    except ImportError:
        raise AttachmentError(
            f"{name} is a HEIC picture, and the reader for those is not installed",
            'pip install "gemma4-mlx[heic]", or save it as JPEG',
        ) from None
    picture = pi_heif.open_heif(io.BytesIO(content))
    _check_size(picture.size, name)
    return picture.to_pillow()


def _upright(image: Image.Image) -> Image.Image:
    """The picture as its EXIF orientation says; a broken EXIF block says nothing."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # EXIF is free-form: Pillow raises whatever its parser trips over
        return image


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        return _deep_grey(image, name).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def _deep_grey(image: Image.Image, name: str) -> Image.Image:
    """Grey of 16 bits, or of floating point in 0..1, as grey of 8 bits."""
    values = np.asarray(image)
    top = 1 if image.mode == "F" else 65535
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > top:
        raise AttachmentError(
            f"{name} has pixels from {values.min():g} to {values.max():g}, expected 0 to {top:g}",
            "save it with 8 or 16 bits a channel",
        )
    if image.mode == "F":
        return Image.fromarray(np.rint(values * 255).astype(np.uint8))
    levels = np.rint(np.arange(65536) * (255 / 65535)).astype(np.uint8)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        levels[clear] = 255
    return Image.fromarray(levels[values])
