"""Published checkpoints: from a hub id to a whole folder on this disk.

plan        what a checkpoint consists of and how much of it is missing, asked before fetching
transfer    the missing bytes: resumed, checked, counted
cached      what the hub's cache holds
pick        published checkpoints worth fetching, and their sizes
layout      a file, and where in the cache it lies
"""

from gemma4_mlx.hub.cached import (
    CachedModel,
    Holding,
    cached_models,
    cached_snapshot,
    holding,
    missing_files,
    remove,
)
from gemma4_mlx.hub.layout import HubFile, cache_folder
from gemma4_mlx.hub.pick import RECOMMENDED_PACKING, Pick, first_pick, picks, picks_as_of
from gemma4_mlx.hub.plan import Download, plan_download
from gemma4_mlx.hub.transfer import fetch, free_bytes, obtain

__all__ = [
    "RECOMMENDED_PACKING",
    "CachedModel",
    "Download",
    "Holding",
    "HubFile",
    "Pick",
    "cache_folder",
    "cached_models",
    "cached_snapshot",
    "fetch",
    "first_pick",
    "free_bytes",
    "holding",
    "missing_files",
    "obtain",
    "picks",
    "picks_as_of",
    "plan_download",
    "remove",
]
