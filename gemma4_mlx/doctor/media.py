"""What can be read of pictures, clips and videos."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Any

from gemma4_mlx.doctor.finding import Finding

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
    return _decoded("pictures", "pillow", "this Pillow", data)


def heic() -> Finding:
    """Pictures as iPhones take them."""
    lost = "HEIC pictures, as iPhones take them, cannot be read"
    return _extra("heic", "pi_heif", "HEIC, by pi-heif", lost)


def clips() -> Finding:
    """Formats that libsndfile decodes, of those that we take."""
    try:
        import soundfile
    except (ImportError, OSError) as error:
        return _missing("clips", "soundfile", error)
    known = soundfile.available_formats()
    able = {name: name in known for name in ("WAV", "FLAC", "OGG", "MP3", "AIFF")}
    number = soundfile.__libsndfile_version__
    data = {"formats": able, "libsndfile": number}
    return _decoded("clips", "soundfile", f"libsndfile {number}", data)


def video() -> Finding:
    """Videos, and clips as phones record them."""
    lost = "videos, and M4A clips, as phones record them, cannot be read"
    return _extra("video", "av", "videos and M4A clips, by PyAV", lost)


def microphone() -> Finding:
    """What the chat would record with; nothing is listened to."""
    try:
        sound = import_module("sounddevice")
    except ImportError:
        text, cure = "recording in the chat is an extra", 'pip install "gemma4-mlx[voice]"'
        return Finding("microphone", "info", text, cure, {"can_record": False})
    except OSError:  # what it raises where the library behind it is missing
        text, cure = "recording needs the library PortAudio", "install it: libportaudio2 on Debian"
        return Finding("microphone", "info", text, cure, {"can_record": False})
    try:
        name = str(sound.query_devices(kind="input")["name"])
    except (sound.PortAudioError, ValueError):
        text = "this machine has no microphone: attach a file"
        return Finding("microphone", "info", text, data={"can_record": False})
    return Finding("microphone", "ok", name, data={"can_record": True, "name": name})


def _decoded(topic: str, package: str, decoder: str, data: dict[str, Any]) -> Finding:
    """Which of the formats in `data` a decoder has."""
    able: dict[str, bool] = data["formats"]
    lacking = [name for name, has in able.items() if not has]
    if lacking:
        text = f"{decoder} does not decode {', '.join(lacking)}"
        return Finding(topic, "warning", text, _AGAIN.format(name=package), data)
    return Finding(topic, "ok", ", ".join(able), data=data)


def _extra(topic: str, module: str, found: str, lost: str) -> Finding:
    """Whether an extra of the topic's name is installed."""
    try:
        import_module(module)
    except (ImportError, OSError):
        return Finding(topic, "info", lost, f'pip install "gemma4-mlx[{topic}]"', {module: False})
    number = version(module.replace("_", "-"))
    return Finding(topic, "ok", f"{found} {number}", data={module: True, "version": number})


def _missing(topic: str, package: str, error: Exception) -> Finding:
    text = f"{package} cannot be loaded: {error}"
    return Finding(topic, "error", text, _AGAIN.format(name=package))
