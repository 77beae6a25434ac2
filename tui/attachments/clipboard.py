"""What is on the machine's clipboard: files, a picture, or text.

Terminals hand over text alone; for a picture another program must be asked. On macOS that is
the system's JavaScript for automation, on Linux wl-paste or xclip where one is there.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gemma4_mlx.errors import AttachmentError
from tui.attachments.paths import is_media_file, split_paths
from tui.attachments.scratch import new_path

Run = Callable[[Sequence[str]], bytes]
"""Runs a program; returns what it wrote, and nothing if it failed."""

TIMEOUT_S = 10.0
"""What was copied on a phone nearby comes slowly, and macOS may ask first."""
LARGEST_BYTES = 200_000_000

_PICTURE_TYPES = ("image/png", "image/jpeg", "image/webp", "image/tiff", "image/bmp")
_FILE_TYPES = ("text/uri-list", "x-special/gnome-copied-files")

# Copied files first: Finder puts their icons on the pasteboard as a picture, too.
_MAC_SCRIPT = """
ObjC.import('AppKit');
function run(args) {
  const board = $.NSPasteboard.generalPasteboard;
  const options = $.NSDictionary.dictionaryWithObjectForKey(
    true, $.NSPasteboardURLReadingFileURLsOnlyKey);
  const urls = board.readObjectsForClassesOptions($.NSArray.arrayWithObject($.NSURL), options);
  if (urls && !urls.isNil() && urls.count > 0)
    return 'files\\n' + ObjC.deepUnwrap(urls.valueForKey('path')).join('\\n');
  let data = board.dataForType('public.png');
  if (!data || data.isNil()) {
    const tiff = board.dataForType('public.tiff');
    if (tiff && !tiff.isNil())
      data = $.NSBitmapImageRep.imageRepWithData(tiff)
        .representationUsingTypeProperties(4, $.NSDictionary.dictionary);
  }
  if (data && !data.isNil()) {
    if (!data.writeToFileAtomically(args[0], true)) return 'failed';
    return 'picture';
  }
  const text = board.stringForType('public.utf8-plain-text');
  return text && !text.isNil() ? 'text\\n' + ObjC.unwrap(text) : 'nothing';
}
"""


@dataclass(frozen=True, slots=True)
class Copied:
    """What was on the clipboard; empty if nothing was.

    Attributes:
        paths: files that were copied, or the picture that was saved.
        text: words.
    """

    paths: tuple[Path, ...] = ()
    text: str = ""


def run_program(command: Sequence[str]) -> bytes:
    """Run a program for at most `TIMEOUT_S`."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return b""
    return done.stdout


@dataclass(frozen=True, slots=True)
class Clipboard:
    """The clipboard of this machine. Reading takes a while: not on the screen's thread.

    Attributes:
        folder: where a picture is saved.
        run: runs a program.
        find: where a program is; None if it is not there.
        platform: as `sys.platform`.
        environ: as `os.environ`.
    """

    folder: Path
    run: Run = run_program
    find: Callable[[str], str | None] = shutil.which
    platform: str = sys.platform
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def read(self) -> Copied:
        """What is there.

        Raises:
            AttachmentError: nothing on this machine can tell, or a picture cannot be saved.
        """
        if self.environ.get("SSH_CONNECTION"):
            raise AttachmentError(
                "over SSH the clipboard is on the other machine", "paste with the terminal's key"
            )
        if self.platform == "darwin":
            return self._read_mac()
        if self.environ.get("WAYLAND_DISPLAY") and self.find("wl-paste"):
            return self._read_linux(
                ["wl-paste", "--list-types"], ["wl-paste", "--no-newline", "--type"]
            )
        if self.environ.get("DISPLAY") and self.find("xclip"):
            ask = ["xclip", "-selection", "clipboard", "-o", "-t"]
            return self._read_linux([*ask, "TARGETS"], ask)
        raise AttachmentError(
            "no program here can read the clipboard", "install wl-clipboard or xclip"
        )

    def _read_mac(self) -> Copied:
        path = self._new_path()
        said = self.run(["osascript", "-l", "JavaScript", "-e", _MAC_SCRIPT, str(path)])
        if not said:  # even of an empty clipboard the script says so
            raise AttachmentError(
                "macOS did not tell what is on the clipboard",
                "paste again, and allow it if macOS asks; files can be dropped, too",
            )
        kind, _, rest = said.decode("utf-8", "replace").removesuffix("\n").partition("\n")
        if kind == "failed":
            raise AttachmentError(f"the clipboard's picture cannot be saved in {self.folder}")
        if kind == "picture":
            return Copied(paths=(path,))
        if kind == "files":
            return _files([Path(line) for line in rest.split("\n")], rest)
        return Copied(text=rest)

    def _read_linux(self, list_types: Sequence[str], read_type: Sequence[str]) -> Copied:
        types = self.run(list_types).decode("utf-8", "replace").split()
        for file_type in _FILE_TYPES:
            if file_type in types:
                lines = self.run([*read_type, file_type]).decode("utf-8", "replace").split()
                addresses = [line for line in lines if line.startswith("file://")]
                if addresses:
                    return _files(split_paths("\n".join(addresses)), "\n".join(addresses))
        for picture_type in _PICTURE_TYPES:
            if picture_type in types:
                return Copied(paths=(self._save(self.run([*read_type, picture_type])),))
        text_type = next((each for each in ("UTF8_STRING", "text/plain") if each in types), "")
        words = self.run([*read_type, text_type]) if text_type else b""
        return Copied(text=words.decode("utf-8", "replace"))

    def _save(self, content: bytes) -> Path:
        """As PNG, whatever it was."""
        from PIL import Image, UnidentifiedImageError

        if not content or len(content) > LARGEST_BYTES:
            raise AttachmentError("the clipboard's picture could not be fetched", "copy it again")
        path = self._new_path()
        try:
            if content.startswith(b"\x89PNG"):
                path.write_bytes(content)
            else:
                Image.open(io.BytesIO(content)).save(path)
        except (UnidentifiedImageError, OSError, ValueError) as error:
            raise AttachmentError(f"the clipboard's picture cannot be saved: {error}") from None
        return path

    def _new_path(self) -> Path:
        try:
            return new_path(self.folder, "clipboard", ".png")
        except OSError as error:
            raise AttachmentError(f"{self.folder} cannot be made: {error.strerror}") from None


def _files(paths: Sequence[Path], names: str) -> Copied:
    """Copied files that can be attached; else their names, as text."""
    if paths and all(map(is_media_file, paths)):
        return Copied(paths=tuple(paths))
    return Copied(text=names)
