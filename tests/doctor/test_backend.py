"""MLX: its backend, its limits, its speed."""

from __future__ import annotations

import sys

import mlx.core as mx

from gemma4_mlx.doctor import backend


def test_mlx_that_cannot_be_loaded_is_an_error(monkeypatch):
    def missing():
        raise ImportError("libmlx.so: cannot open shared object file")

    monkeypatch.setattr(backend, "backend", missing)
    assert backend.mlx().level == "error"


def test_a_mac_without_metal_is_found(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(backend, "backend", lambda: "CPU")
    assert backend.mlx().level == "warning"
    monkeypatch.setattr(backend, "backend", lambda: "Metal")
    assert backend.mlx().level == "ok"


def test_the_limits_of_a_gpu_are_told(monkeypatch):
    info = {
        "device_name": "Apple M2",
        "max_recommended_working_set_size": 12 * 2**30,
        "max_buffer_length": 9 * 2**30,
    }
    monkeypatch.setattr(mx, "device_info", lambda: info)
    text = "the GPU may take 12.0 GiB, a single array 9.0 GiB"
    assert backend.limits().text == text
    monkeypatch.setattr(backend, "sysctl", lambda name: "14000")
    found = backend.limits()
    assert (found.level, found.text) == ("info", f"{text}; set by hand")
    assert "iogpu.wired_limit_mb=0" in found.cure


def test_bandwidth_is_measured():
    assert 1e7 < backend.read_bytes_per_s(8_000_000) < 1e14
