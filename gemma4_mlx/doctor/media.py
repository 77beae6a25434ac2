"""What can be read of pictures and clips."""

from __future__ import annotations

import shutil
from importlib import import_module
from importlib.metadata import version

from gemma4_mlx.doctor.finding import Finding

_CONVERTERS = {
    "afconvert": "afconvert -f WAVE -d LEI16@16000 -c 1 clip.m4a clip.wav",
    "ffmpeg": "ffmpeg -i clip.m4a -ac 1 -ar 16000 clip.wav",
}
_AGAIN = "reinstall {name}: pip install --force-reinstall {name}"


def pictures() -> Finding:
    """Formats that Pillow decodes, of those that we take."""
    try:
        from PIL import Image, features
    except ImportError as error:
        return _missing("pictures", "pillow", error)
    Image.init()
    needed = {"JPEG": "jpg", "PNG": "zlib", "WebP": "webp", "TIFF": "libtiff"}
    able = {name: bool(features.check(feature)) for name, feature in needed.items()}
    able |= {name: name in Image.OPEN for name in ("GIF", "BMP")}
    data = {"formats": able, "avif": bool(features.check("avif"))}
    lacking = [name for name, has in able.items() if not has]
    if lacking:
        text = f"this Pillow does not decode {', '.join(lacking)}"
        return Finding("pictures", "warning", text, _AGAIN.format(name="pillow"), data)
    return Finding("pictures", "ok", ", ".join(able), data=data)


def heic() -> Finding:
    """Pictures as iPhones take them."""
    try:
        import_module("pi_heif")
    except (ImportError, OSError):
        text = "HEIC pictures, as iPhones take them, cannot be read"
        return Finding("heic", "info", text, 'pip install "gemma4-mlx[heic]"', {"pi_heif": False})
    number = version("pi-heif")
    data = {"pi_heif": True, "version": number}
    return Finding("heic", "ok", f"HEIC, by pi-heif {number}", data=data)


def clips() -> Finding:
    """Formats that libsndfile decodes, of those that we take."""
    try:
        import soundfile
    except (ImportError, OSError) as error:
        return _missing("clips", "soundfile", error)
    known = soundfile.available_formats()
    able = {name: name in known for name in ("WAV", "FLAC", "OGG", "MP3", "AIFF")}
    data = {"formats": able, "libsndfile": soundfile.__libsndfile_version__}
    lacking = [name for name, has in able.items() if not has]
    if lacking:
        text = f"libsndfile {soundfile.__libsndfile_version__} does not decode {', '.join(lacking)}"
        return Finding("clips", "warning", text, _AGAIN.format(name="soundfile"), data)
    return Finding("clips", "ok", ", ".join(able), data=data)


def m4a() -> Finding:
    """Clips as phones record them, which have to be converted."""
    present = {name: bool(shutil.which(name)) for name in _CONVERTERS}
    data = {"converters": present}
    way = next((_CONVERTERS[name] for name, is_there in present.items() if is_there), "")
    text = "m4a clips, as phones record them, have to be converted"
    return Finding("m4a", "info", text, way or "install ffmpeg to convert them", data)


def microphone() -> Finding:
    """Recording, which this version cannot do."""
    text = "recording is not part of this version: attach a file"
    return Finding("microphone", "info", text, data={"can_record": False})


def _missing(topic: str, package: str, error: Exception) -> Finding:
    text = f"{package} cannot be loaded: {error}"
    return Finding(topic, "error", text, _AGAIN.format(name=package))
