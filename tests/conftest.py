"""What holds for every test: no network, a known terminal, repeatable examples."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

# Examples follow from the test alone, and a slow machine is no reason to fail.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile("repeatable")

# Child processes inherit these, so that what a test starts is held to the same rules.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["TERM"] = "xterm-256color"
os.environ["COLORTERM"] = "truecolor"
# Else some GPUs multiply float32 with 10 bits behind the point, and tests compare to the sixth.
os.environ["MLX_ENABLE_TF32"] = "0"
if "PYTEST_XDIST_WORKER" in os.environ:  # a core for each worker; libraries would take all
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ[name] = "1"
# What tests start is compiled once, not at every start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# A shell's background job ignores Ctrl+C, and so would what the tests start there.
signal.signal(signal.SIGINT, signal.default_int_handler)
for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
    os.environ.pop(name, None)


THIS_MACHINE = "127.0.0.1"


class NetworkError(AssertionError):
    """A test reached for the network."""


@pytest.fixture(autouse=True, scope="session")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Neither read nor write what the user of this machine keeps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GEMMA4_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """Refuse every connection and look-up beyond this machine."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex
    look_up = socket.getaddrinfo

    def guarded(real: Any) -> Any:
        def call(self: socket.socket, address: Any) -> Any:
            if self.family != socket.AF_UNIX and address[0] != THIS_MACHINE:
                raise NetworkError(f"a test must not connect to {address}")
            return real(self, address)

        return call

    def refuse(host: Any, *_: Any, **__: Any) -> Any:
        raise NetworkError(f"a test must not look up {host}")

    def look_up_here(host: Any, *args: Any, **options: Any) -> Any:
        return (look_up if host == THIS_MACHINE else refuse)(host, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(connect))
        patch.setattr(socket.socket, "connect_ex", guarded(connect_ex))
        patch.setattr(socket, "getaddrinfo", look_up_here)
        patch.setattr(socket, "gethostbyname", refuse)
        yield
