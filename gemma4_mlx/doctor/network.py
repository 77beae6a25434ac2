"""Where models come from and where they go. Secrets are looked for and never shown."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from gemma4_mlx.byte_sizes import size
from gemma4_mlx.doctor.finding import Finding
from gemma4_mlx.hub.layout import cache_folder

ROOM_BYTES = 8_000_000_000
"""Free space below which few published models can be fetched: E2B in 4 bits takes 3.6 GB."""

_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


def hub() -> Finding:
    """How the hub is asked."""
    from huggingface_hub import constants

    data = {
        "is_offline": bool(constants.HF_HUB_OFFLINE),
        "has_token": bool(os.environ.get("HF_TOKEN")) or Path(constants.HF_TOKEN_PATH).is_file(),
        "has_own_endpoint": bool(os.environ.get("HF_ENDPOINT")),
        "has_proxy": any(os.environ.get(name) for name in _PROXIES),
    }
    if data["is_offline"]:
        text, cure = "offline by HF_HUB_OFFLINE: nothing is fetched", "unset HF_HUB_OFFLINE"
        return Finding("hub", "info", text, cure, data)
    known = "logged in" if data["has_token"] else "not logged in (few models ask for it)"
    more = {"has_own_endpoint": "HF_ENDPOINT is set", "has_proxy": "through a proxy"}
    text = ", ".join([known, *(words for name, words in more.items() if data[name])])
    return Finding("hub", "ok", text, data=data)


def disk() -> Finding:
    """Room for models."""
    cache = cache_folder()
    place = next(each for each in (cache, *cache.parents) if each.exists())
    usage = shutil.disk_usage(place)
    data = {"folder": str(cache), "free_bytes": usage.free, "total_bytes": usage.total}
    text = f"{size(usage.free)} are free for {cache}"
    if usage.free < ROOM_BYTES:
        cure = "make room, or set HF_HUB_CACHE to a folder on a larger disk"
        return Finding("disk", "warning", text, cure, data)
    if not os.access(place, os.W_OK):
        cure = "mend its permissions, or set HF_HUB_CACHE to a folder of yours"
        return Finding("disk", "warning", f"{place} cannot be written to", cure, data)
    return Finding("disk", "ok", text, data=data)
