"""MLX: which one, on what it computes, what it may take, and how fast it reads."""

from __future__ import annotations

import sys
from importlib.metadata import version
from time import perf_counter
from typing import Any

from gemma4_mlx.byte_sizes import memory_size, size
from gemma4_mlx.doctor.finding import Finding
from gemma4_mlx.doctor.sysctl import sysctl

_READ_BYTES = {"Metal": 256_000_000, "CUDA": 256_000_000, "CPU": 32_000_000}
"""Larger than the caches of the GPUs; on the CPU backend the kernels are the limit anyway."""

_ROUNDS = 3


def backend() -> str:
    """Metal, CUDA or CPU: where arrays are computed unless told otherwise."""
    import mlx.core as mx

    if mx.default_device() == mx.cpu:
        return "CPU"
    return "Metal" if mx.metal.is_available() else "CUDA"


def mlx() -> Finding:
    """Version and backend."""
    try:
        where = backend()
    except (ImportError, AttributeError) as error:
        return Finding(
            "mlx",
            "error",
            f"MLX cannot be loaded: {error}",
            "remove .venv and make it anew (make test); on a Mac with a Python for arm64",
        )
    number = version("mlx")
    data = {"version": number, "backend": where}
    text = f"{number} on {where}"
    if where != "CPU":
        return Finding("mlx", "ok", text, data=data)
    if sys.platform == "darwin":
        cure = "reinstall MLX; inside a virtual machine there is no Metal"
        return Finding("mlx", "warning", f"the {text}, not on the GPU", cure, data)
    slow = "right for pocket and for tests, slow for real models"
    return Finding("mlx", "info", f"{text}: {slow}", data=data)


def limits() -> Finding:
    """What a GPU may take of the memory."""
    import mlx.core as mx

    info: dict[str, Any] = mx.device_info()
    working_set = info.get("max_recommended_working_set_size")
    buffer = info.get("max_buffer_length")
    by_hand = int(sysctl("iogpu.wired_limit_mb") or 0)
    data = {
        "device": str(info.get("device_name", "")),
        "max_recommended_working_set_bytes": working_set,
        "max_buffer_bytes": buffer,
        "wired_limit_set_by_hand_mb": by_hand,
    }
    if not working_set:
        return Finding("limits", "info", "no GPU: the memory itself is the limit", data=data)
    text = f"the GPU may take {memory_size(working_set)}"
    if buffer:
        text += f", a single array {memory_size(buffer)}"
    if by_hand:
        cure = "sudo sysctl iogpu.wired_limit_mb=0 gives the choice back to macOS"
        return Finding("limits", "info", f"{text}; set by hand", cure, data)
    return Finding("limits", "ok", text, data=data)


def bandwidth() -> Finding:
    """How fast memory is read; decoding reads all weights once for each token."""
    where = backend()
    rate = read_bytes_per_s(_READ_BYTES[where])
    text = f"{size(rate)} read in a second"
    if where == "CPU":
        text += " (by MLX's CPU backend)"
    return Finding("bandwidth", "info", text, data={"read_bytes_per_s": round(rate)})


def read_bytes_per_s(nbytes: int) -> float:
    """Sum an array of so many bytes a few times; the best rate counts."""
    import mlx.core as mx

    array = mx.ones(nbytes // 4, dtype=mx.float32)
    mx.eval(array)
    mx.eval(mx.sum(array))  # kernels are compiled when they are first used
    best_s = min(_timed(array) for _ in range(_ROUNDS))
    return nbytes / best_s


def _timed(array: object) -> float:
    import mlx.core as mx

    assert isinstance(array, mx.array)
    started_s = perf_counter()
    mx.eval(mx.sum(array))
    return perf_counter() - started_s
