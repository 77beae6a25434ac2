"""Reading and writing settings.toml.

Reading takes the standard library's parser, because every start reads. Writing takes tomlkit,
which keeps comments and what it does not know; a file that cannot be parsed is never written.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemma4_mlx.errors import UsageError
from gemma4_mlx.folders import config_folder
from tui.settings.kinds import Value
from tui.settings.schema import SETTINGS, Setting
from tui.settings.values import Settings, check

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

HEAD = """\
# Settings of `gemma4 chat`. F2 in the chat changes them, and so does `gemma4 config edit`.
# What is commented out has its default. An option on the command line wins over this file.
"""
TAIL = """\
# A system prompt and sampling under a name, for /preset:
# [presets.translator]
# system = "Translate into English. Say nothing else."
# temperature = 0.2

# Keys by the names that the chat's help shows, as in "chat.thinking" = "ctrl+t".
[keys]
"""


def settings_path() -> Path:
    """Where the file is, or would be."""
    return config_folder() / "settings.toml"


def read(path: Path) -> Settings:
    """What the file says; without a file, nothing. Whatever is wrong with it is in `problems`."""
    try:
        text = path.read_text(encoding="utf-8")
        raw = tomllib.loads(text)
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        return Settings(problems=(f"{path} cannot be read: {error.strerror}",))
    except UnicodeDecodeError:
        return Settings(problems=(f"{path} is not text in UTF-8",))
    except tomllib.TOMLDecodeError as error:
        return Settings(problems=(f"{path} is not TOML: {error}",))
    problems: list[str] = []

    def complain(field: str, problem: str) -> None:
        line = _line_of(text, field)
        problems.append(f"{path}{f', line {line}' if line else ''}: {field}: {problem}")

    return replace(check(raw, complain), problems=tuple(problems))


def new_file() -> str:
    """A file in which every setting is explained and commented out."""
    parts, table = [HEAD], ""
    for setting in SETTINGS:
        if setting.table != table:
            table = setting.table
            parts.append(f"[{table}]\n")
        value = setting.default if setting.default is not None else setting.example
        comment = (
            f"# {setting.summary}\n# ({setting.kind.expected}; default: {setting.default_text})"
        )
        parts.append(f"{comment}\n# {setting.name} = {json.dumps(value, ensure_ascii=False)}\n")
    return "\n".join([*parts, TAIL])


def begin(path: Path) -> None:
    """Write a new file.

    Raises:
        UsageError: it cannot be written.
    """
    _write(path, new_file())


def write_setting(path: Path, setting: Setting, value: Value | None) -> None:
    """Choose a value; None goes back to the default.

    Raises:
        UsageError: the file is broken or cannot be written.
    """
    text = _text(path)
    edited = _with_line(text, setting, value)
    wanted = None if value is None else setting.kind.check(value)
    if edited is not None and _value(edited, setting) == wanted:
        _write(path, edited)
    else:
        _change(path, lambda document: _put(document, setting.path.split("."), value))


def write_preset(path: Path, name: str, choices: Mapping[str, Value] | None) -> None:
    """Keep a preset; None forgets it.

    Raises:
        UsageError: the file is broken or cannot be written.
    """
    _change(path, lambda document: _put(document, ["presets", name], choices))


def write_keys(path: Path, binding_id: str, keys: str | None) -> None:
    """Choose the keys of a binding; None goes back to the default.

    Raises:
        UsageError: the file is broken or cannot be written.
    """

    def change(document: TOMLDocument) -> None:
        table: Any = document.get("keys")
        if isinstance(table, dict) and binding_id not in table and "." in binding_id:
            _put(table, binding_id.split("."), None)
        _put(document, ["keys", binding_id], keys)

    _change(path, change)


def _text(path: Path) -> str:
    """The file as it is, or a new one.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return new_file()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}", "check the file") from None


def _change(path: Path, change: Callable[[TOMLDocument], None]) -> None:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(_text(path))
        change(document)
        text = tomlkit.dumps(document)
    except TOMLKitError as error:
        raise _broken(path, error) from None
    _write(path, text)


def _put(table: Any, keys: list[str], value: Any) -> None:
    """Set or delete a field of nested tables."""
    import tomlkit

    *parents, key = keys
    for parent in parents:
        if parent not in table:
            if value is None:
                return
            table[parent] = tomlkit.table()
        table = table[parent]
        if not isinstance(table, dict):
            return
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value


def _write(path: Path, text: str) -> None:
    """Replace the file in one step; a link stays a link.

    Raises:
        UsageError: it is no longer TOML, or cannot be written.
    """
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _broken(path, error) from None
    target = path.resolve()
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        if target.exists():
            beside.chmod(target.stat().st_mode)
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def _broken(path: Path, error: Exception) -> UsageError:
    return UsageError(f"{path} is left as it is: {error}", "gemma4 config edit opens it")


def _line_of(text: str, field: str) -> int | None:
    """The line of a field such as sampling.top_p, as far as lines can tell."""
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+\s*([^]#]+?)\s*\]", line):
            table = _bare(header[1])
            name = table
        elif assignment := re.match(r"\s*([\w.\"' -]+?)\s*=", line):
            name = ".".join(filter(None, (table, _bare(assignment[1]))))
        else:
            continue
        if name == field:
            return number
    return None


def _bare(key: str) -> str:
    return re.sub(r"[\"'\s]", "", key)


def _with_line(text: str, setting: Setting, value: Value | None) -> str | None:
    """The text with the setting's own line changed: its comment sign taken away, or put back.

    None where there is no such line, as in a file that somebody else began.
    """
    start = 0
    if setting.table:
        header = re.search(rf"^\[{re.escape(setting.table)}\]", text, re.MULTILINE)
        if header is None:
            return None
        start = header.end()
    next_header = re.compile(r"^\s*\[", re.MULTILINE).search(text, start)
    end = next_header.start() if next_header else len(text)
    live, silent = rf"^{setting.name} = [^\n]*", rf"^# ?{setting.name} = [^\n]*"
    for pattern in (live, silent):
        if line := re.compile(pattern, re.MULTILINE).search(text, start, end):
            new = f"# {line[0].lstrip('# ')}"
            if value is not None:
                comment = re.search(r" +#[^\"']*$", line[0])
                new = f"{setting.name} = {json.dumps(value, ensure_ascii=False)}"
                new += comment[0] if comment and pattern is live else ""
            return text[: line.start()] + new + text[line.end() :]
    return None


def _value(text: str, setting: Setting) -> object:
    """What a text says about a setting; a text that is not TOML says itself."""
    try:
        value: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return text
    for key in setting.path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value
