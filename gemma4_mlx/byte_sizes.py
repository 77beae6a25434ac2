"""Bytes as people read them: files as disks are sold, memory as Macs are."""

from __future__ import annotations

_UNITS = ("bytes", "kB", "MB", "GB", "TB")
_GIB = 1024**3


def size(nbytes: float) -> str:
    """Bytes at a glance, in powers of 1000, as in 7.4 MB."""
    unit = 0
    while nbytes >= 999.5 and unit + 1 < len(_UNITS):
        nbytes, unit = nbytes / 1000, unit + 1
    return f"{nbytes:.{0 if nbytes >= 99.5 or not unit else 1}f} {_UNITS[unit]}"


def exact_size(nbytes: float) -> str:
    """Bytes to compare and to add up, as in 3.82 GB: gigabytes from 0.10 on, with two digits."""
    if nbytes >= 1e8:
        return f"{nbytes / 1e9:.2f} GB"
    if nbytes >= 1e6:
        return f"{nbytes / 1e6:.1f} MB"
    return f"{nbytes / 1e3:.1f} kB" if nbytes >= 1e3 else f"{nbytes:.0f} B"


def memory_size(nbytes: float) -> str:
    """Bytes in powers of 1024, as in 15.6 GiB."""
    return f"{nbytes / _GIB:.1f} GiB"
