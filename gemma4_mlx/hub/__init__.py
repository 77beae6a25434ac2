"""Published checkpoints: from a hub id to a whole folder on this disk.

plan        what a checkpoint consists of and how much of it is missing, asked before fetching
transfer    the missing bytes: resumed, checked, counted
cached      what the hub's cache holds
pick        published checkpoints worth fetching, and their sizes
layout      a file, and where in the cache it lies
"""

from gemma4_mlx.hub.cached import CachedModel, cached_models, cached_snapshot, missing_files, remove
from gemma4_mlx.hub.layout import HubFile
from gemma4_mlx.hub.pick import Pick, picks, picks_as_of
from gemma4_mlx.hub.plan import Download, plan_download
from gemma4_mlx.hub.transfer import fetch, obtain

__all__ = [
    "CachedModel",
    "Download",
    "HubFile",
    "Pick",
    "cached_models",
    "cached_snapshot",
    "fetch",
    "missing_files",
    "obtain",
    "picks",
    "picks_as_of",
    "plan_download",
    "remove",
]
