"""What can be read of pictures, clips and videos."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version

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


def video() -> Finding:
    """Videos, and clips as phones record them."""
    try:
        import_module("av")
    except (ImportError, OSError):
        text = "videos, and M4A clips, as phones record them, cannot be read"
        return Finding("video", "info", text, 'pip install "gemma4-mlx[video]"', {"av": False})
    number = version("av")
    data = {"av": True, "version": number}
    return Finding("video", "ok", f"videos and M4A clips, by PyAV {number}", data=data)


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


def _missing(topic: str, package: str, error: Exception) -> Finding:
    text = f"{package} cannot be loaded: {error}"
    return Finding(topic, "error", text, _AGAIN.format(name=package))
