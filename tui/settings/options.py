"""What the chat was started with, and what was chosen since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gemma4_mlx.messages import AnswerChoices
from tui.settings.kinds import Value
from tui.settings.preset import CHOICES, Preset
from tui.settings.schema import Setting
from tui.settings.values import Settings

_BY_PATH = {"model": "model", "look.plain": "plain", "chats.keep": "keep_chats"}
_BY_PATH |= {"chats.keep_media": "keep_media", "look.preview": "preview"}
_BY_PATH |= {setting.path: name for name, setting in CHOICES.items()}


@dataclass(frozen=True, slots=True)
class ChatOptions(AnswerChoices):
    """The options of `gemma4 chat`: those of an answer, and these.

    They hold for one chat. When `/set`, `/system`, `/preset` or the settings choose something
    else, the app takes `ChatScreen.options` and hands others to `ChatScreen.use`; they hold from
    the next answer on.

    Attributes:
        model: "pocket", a folder or a hub id.
        attachments: files that are in the composer at the start.
        system: the system prompt.
        is_first_run: whether nobody has ever chosen a model.
        plain: line by line, without a screen.
        preview: how pictures are shown before they are sent: "auto", "blocks" or "off".
        continue_last: begin with the chat that was used last.
        keep_chats: whether chats are kept on the disk.
        keep_media: whether copies are kept of what was attached.
    """

    model: str = "pocket"
    attachments: tuple[Path, ...] = ()
    system: str = ""
    is_first_run: bool = False
    plain: bool = False
    preview: str = "auto"
    continue_last: bool = False
    keep_chats: bool = True
    keep_media: bool = True

    @classmethod
    def resolve(cls, given: Mapping[str, Any], settings: Settings) -> ChatOptions:
        """What was given wins over the file, and the file over the defaults.

        Args:
            given: options of the command line and the environment, by the attributes' names.
            settings: what the file says.
        """
        chosen = {name: settings.get(path) for path, name in _BY_PATH.items()}
        return cls(**{**chosen, **given})

    def with_choice(self, setting: Setting, value: Value | None) -> ChatOptions:
        """The same with another value; a setting that is not of one chat changes nothing."""
        name = _BY_PATH.get(setting.path)
        return self if name is None else replace(self, **{name: value})

    def with_preset(self, preset: Preset) -> ChatOptions:
        """The same with what a preset chooses."""
        return replace(self, **dict(preset.choices))

    def chosen(self, setting: Setting) -> Value | None:
        """What holds of a setting that a chat can have otherwise."""
        return getattr(self, _BY_PATH[setting.path])
