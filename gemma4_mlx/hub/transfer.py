"""The missing bytes of a checkpoint: resumed, checked and counted.

Reference: huggingface_hub `file_download.py`.
Differs: a download that was cut off goes on where it was, also after the program has ended (the
library throws such bytes away); every file is hashed; one that stalls is told; progress counts
the bytes that lie on the disk. Bytes come over plain HTTP, which the hub serves for all files,
Xet's included; the address, the login and the certificates are the library's.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import quote

from gemma4_mlx.byte_sizes import exact_size
from gemma4_mlx.errors import CheckpointError, ModelNotFoundError
from gemma4_mlx.hub.cached import cached_snapshot, missing_files
from gemma4_mlx.hub.layout import HubFile, ModelFolder
from gemma4_mlx.hub.plan import Download, plan_download, refuse

OnProgress = Callable[[int, int], None]

_CHUNK_BYTES = 1024**2
_SPARE_BYTES = 256 * 1024**2  # left free on the disk
_PAUSES_S = (1, 2, 4, 8, 16)  # between attempts that bring nothing
_RESUMES = "run the same command again: it goes on where it stopped"


def fetch(download: Download, on_progress: OnProgress | None = None) -> Path:
    """Fetch what is missing of a checkpoint.

    Args:
        download: as planned; its commit is fetched, whatever the branch has become since.
        on_progress: called with the bytes of this checkpoint that lie on the disk, and those that
            will.

    Returns:
        The folder with all its files.

    Raises:
        ModelNotFoundError: no room, no access, no network, or another program is fetching it;
            what has come stays and is used next time.
        CheckpointError: a file came damaged; it is deleted.
    """
    folder = ModelFolder(download.hub_id)
    _check_space(download, folder.path)
    present = {file.name: folder.present_bytes(file, download.commit) for file in download.files}

    def tell(file: HubFile, position: int) -> None:
        present[file.name] = position
        if on_progress is not None:
            on_progress(sum(present.values()), download.total_bytes)

    for file in download.files:
        if not folder.has(file, download.commit):
            with _locked(folder.lock(file), download.hub_id):
                _Fetcher(download, file, folder, tell).run()
        folder.link(file, download.commit)
        tell(file, file.size_bytes)
    folder.remember(download.revision, download.commit)
    return folder.snapshot(download.commit)


def obtain(hub_id: str, on_progress: OnProgress | None = None) -> Path:
    """The folder of a checkpoint: as the cache has it, fetched only where it is not whole.

    The network is not asked for a newer one; `plan_download` and `fetch` do that.

    Args:
        hub_id: such as "google/gemma-4-E2B-it".
        on_progress: see `fetch`.

    Raises:
        ModelNotFoundError, CheckpointError: see `plan_download` and `fetch`; files that an
            earlier download left out are named.
    """
    cached = cached_snapshot(hub_id)
    missing = missing_files(cached) if cached is not None else ()
    if cached is not None and not missing:
        return cached
    try:
        return fetch(plan_download(hub_id), on_progress)
    except ModelNotFoundError as error:
        if not missing:
            raise
        raise ModelNotFoundError(
            f"{cached} lacks {', '.join(missing)}; {error.message}", error.hint
        ) from None


class _Fetcher:
    """Fetches one file."""

    def __init__(
        self,
        download: Download,
        file: HubFile,
        folder: ModelFolder,
        tell: Callable[[HubFile, int], None],
    ) -> None:
        self._download = download
        self._file = file
        self._blob = folder.blob(file)
        self._partial = folder.partial(file)
        self._tell = tell

    def run(self) -> None:
        try:
            self._partial.parent.mkdir(parents=True, exist_ok=True)
            with self._partial.open("a+b") as target:
                digest = self._receive_all(_Sink(target, self._file))
        except OSError as error:
            raise ModelNotFoundError(
                f"{self._partial} cannot be written: {error.strerror or error}", _RESUMES
            ) from None
        if digest != self._file.etag:
            self._partial.unlink()
            raise CheckpointError(
                f"{self._file.name} of {self._download.hub_id} came damaged and was deleted: its "
                f"hash is {digest}, expected {self._file.etag}",
                "run the same command again",
            )
        self._partial.replace(self._blob)

    def _receive_all(self, sink: _Sink) -> str:
        """Ask until all bytes are there; their hash."""
        idle, reason = 0, ""
        furthest = sink.position  # a server may begin anew each time; that alone is no progress
        while sink.position < self._file.size_bytes:
            try:
                self._receive_some(sink)
                reason = "the connection ended early"
            except _http_error() as error:
                reason = self._why(error)
            idle = 0 if sink.position > furthest else idle + 1
            furthest = max(furthest, sink.position)
            if idle > len(_PAUSES_S):
                self._give_up(sink, reason)
            if idle:
                time.sleep(_PAUSES_S[idle - 1])
        return sink.digest()

    def _receive_some(self, sink: _Sink) -> None:
        """One request: what comes until it ends or breaks off."""
        from huggingface_hub import constants, get_session
        from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

        download = self._download
        url = f"{constants.ENDPOINT}/{download.hub_id}/resolve/{download.commit}/"
        url += quote(self._file.name)
        headers = {
            **build_hf_headers(),
            "Accept-Encoding": "identity",
            "Range": f"bytes={sink.position}-",
        }
        timeout_s = constants.HF_HUB_DOWNLOAD_TIMEOUT
        with get_session().stream("GET", url, headers=headers, timeout=timeout_s) as response:
            if response.status_code == 416:
                sink.restart()
                return
            hf_raise_for_status(response)
            if response.status_code != 206:  # the whole file, whatever was asked for
                sink.restart()
            for chunk in response.iter_bytes():  # as it comes: nothing waits in a buffer
                sink.write(chunk)
                self._tell(self._file, sink.position)

    def _why(self, error: Exception) -> str:
        """In words why a request broke off; raise where asking again is of no use."""
        status = getattr(getattr(error, "response", None), "status_code", 500)
        if status < 500 and status not in (408, 429):
            refuse(self._download.hub_id, self._download.commit, error)
        if "Timeout" in type(error).__name__:
            from huggingface_hub import constants

            return f"no byte came for {constants.HF_HUB_DOWNLOAD_TIMEOUT} s"
        lines = str(error).strip().splitlines()
        return lines[0] if lines else type(error).__name__

    def _give_up(self, sink: _Sink, reason: str) -> None:
        raise ModelNotFoundError(
            f"{self._download.hub_id} could not be fetched: {self._file.name} stopped at "
            f"{sink.position} of {self._file.size_bytes} bytes, {reason}",
            f"check the network, then {_RESUMES}",
        )


class _Sink:
    """A file on the disk that grows, and its hash, which is the one that the hub names."""

    def __init__(self, target: BinaryIO, file: HubFile) -> None:
        self._target = target
        self._file = file
        self._hash = self._new_hash()
        self.position = 0
        target.seek(0)
        while chunk := target.read(_CHUNK_BYTES):
            self._count(chunk)

    def write(self, chunk: bytes) -> None:
        self._target.write(chunk)
        self._count(chunk)

    def restart(self) -> None:
        self._target.truncate(0)
        self._hash = self._new_hash()
        self.position = 0

    def digest(self) -> str:
        """The hash of everything; whatever has not reached the disk is written out first."""
        self._target.flush()
        return self._hash.hexdigest()

    def _count(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self.position += len(chunk)

    def _new_hash(self) -> Any:
        if self._file.sha256:
            return hashlib.sha256()
        # Git's name of a small file's content.
        header = f"blob {self._file.size_bytes}\0".encode()
        return hashlib.sha1(header, usedforsecurity=False)


def free_bytes(path: Path) -> int:
    """What is left on the disk of a folder, which need not be there yet."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def _check_space(download: Download, path: Path) -> None:
    free = free_bytes(path)
    if download.missing_bytes and download.missing_bytes + _SPARE_BYTES > free:
        raise ModelNotFoundError(
            f"{download.hub_id} takes {exact_size(download.missing_bytes)} more, the disk of "
            f"{path} has {exact_size(free)} left",
            "make room, or set HF_HOME to a folder on a larger disk",
        )


@contextmanager
def _locked(path: Path, hub_id: str) -> Iterator[None]:
    """Hold the hub's lock of a file; two programs must not write the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ModelNotFoundError(
                f"another program is fetching {hub_id}", "wait until it is done, then try again"
            ) from None
        yield


def _http_error() -> type[Exception]:
    """The base of the HTTP client's errors. The library has changed its client; its own is both."""
    from huggingface_hub.errors import HfHubHTTPError

    return cast(type[Exception], HfHubHTTPError.__bases__[0])
