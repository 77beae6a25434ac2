"""Compiled chat templates, kept on this disk from one start to the next.

Compiling a published template takes longer than reading the weights of a small model, and gives
the same every time. What comes of it is kept as Python keeps modules in `__pycache__`, and is
trusted like those: where nobody but the user can write to it. A file that is damaged, or that
another Jinja or Python has written, counts for nothing.

Reference: jinja2 `FileSystemBytecodeCache`; transformers `utils/chat_template_utils.py`
(`_compile_jinja_template`), for the environment.
Differs: the code is checked as a whole before Python, which can crash on damaged code, sees it;
nothing is unpickled; a disk that cannot be written to is no error.
"""

from __future__ import annotations

import json
import marshal
import os
import stat
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import CodeType
from typing import Any

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gemma4_mlx.folders import state_folder

_OPTIONS: dict[str, Any] = {
    "trim_blocks": True,
    "lstrip_blocks": True,
    "extensions": [jinja2.ext.loopcontrols],
}
_WRITTEN_BY = f"{jinja2.__version__} {MAGIC_NUMBER.hex()} {_OPTIONS}"
_SEAL_BYTES = sha256().digest_size
_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


@lru_cache(maxsize=4)
def compile_template(source: str) -> jinja2.Template:
    """A template that is ready to render, in a sandbox that changes nothing.

    Raises:
        jinja2.TemplateError: `source` is not a Jinja template.
    """
    environment = ImmutableSandboxedEnvironment(**_OPTIONS)
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    path = state_folder() / "templates" / sha256(_bytes(source)).hexdigest()
    code = _read(path, source)
    if code is None:
        code = environment.compile(source)
        _write(path, source, code)
    return jinja2.Template.from_code(environment, code, environment.make_globals(None))


def _read(path: Path, source: str) -> CodeType | None:
    """What `_write` has written for this source, unless anything about it is amiss."""
    try:
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            kept = file.read()
    except OSError:
        return None
    if state.st_uid != os.getuid() or state.st_mode & _OTHERS_MAY_WRITE:
        return None
    seal, code = kept[:_SEAL_BYTES], kept[_SEAL_BYTES:]
    return marshal.loads(code) if seal == _seal(source, code) else None


def _write(path: Path, source: str, code: CodeType) -> None:
    kept = marshal.dumps(code)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        try:
            beside.write_bytes(_seal(source, kept) + kept)
            beside.chmod(stat.S_IRUSR | stat.S_IWUSR)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


def _seal(source: str, code: bytes) -> bytes:
    """A digest of the code, and of all that it follows from."""
    return sha256(b"\0".join([_WRITTEN_BY.encode(), _bytes(source), code])).digest()


def _bytes(source: str) -> bytes:
    # JSON can hold halves of characters, and templates stand in JSON.
    return source.encode(errors="surrogatepass")


def _to_json(value: Any, ensure_ascii: bool = False, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)
