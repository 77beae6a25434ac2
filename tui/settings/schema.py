"""All settings: one table, from which the file, the screen, `/set` and the documentation follow."""

from __future__ import annotations

from dataclasses import dataclass

from gemma4_mlx.messages import IMAGE_TOKEN_BUDGETS
from gemma4_mlx.model_name import DEMO_MODEL
from tui.settings.kinds import Choice, Kind, Number, Switch, Text, Value, in_words


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        path: its place in the file, as in sampling.top_p.
        kind: what it may be.
        default: what holds without it; None is the checkpoint's own.
        summary: what it does, in a few words.
        short: another word for it after /set.
        unset: what holds without a default, in words.
        example: a value for the commented line in a new file, where there is no default.
        per_chat: whether a chat can have it otherwise: by an option, by /set, by a preset.
    """

    path: str
    kind: Kind
    default: Value | None
    summary: str
    short: str = ""
    unset: str = "the checkpoint's own"
    example: Value | None = None
    per_chat: bool = False

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]

    @property
    def table(self) -> str:
        """The part of the file that it stands in; nothing for the top."""
        return self.path.rpartition(".")[0]

    @property
    def default_text(self) -> str:
        """The default, in words."""
        if self.default is None:
            return self.unset
        return in_words(self.default)


BUDGET = Choice((*IMAGE_TOKEN_BUDGETS, "auto"))
THEMES = Choice(("auto", "dark", "light", "ansi"))
PREVIEWS = Choice(("auto", "blocks", "off"))

SAMPLING: tuple[Setting, ...] = (
    Setting(
        "sampling.max_tokens",
        Number(1, whole=True),
        2048,
        "the most tokens of an answer",
        "max",
        per_chat=True,
    ),
    Setting(
        "sampling.temperature",
        Number(0, 100),
        None,
        "0 takes the likeliest token",
        "temp",
        example=1.0,
        per_chat=True,
    ),
    Setting(
        "sampling.top_p",
        Number(0, 1),
        None,
        "sample from the likeliest tokens that have this share",
        "p",
        example=0.95,
        per_chat=True,
    ),
    Setting(
        "sampling.top_k",
        Number(0, whole=True),
        None,
        "sample from the k likeliest tokens; 0 for all",
        "k",
        example=64,
        per_chat=True,
    ),
    Setting(
        "sampling.seed",
        Number(0, whole=True),
        None,
        "makes sampling repeatable",
        unset="another every time",
        example=0,
        per_chat=True,
    ),
)

SETTINGS: tuple[Setting, ...] = (
    Setting(
        "model",
        Text("a folder or a hub id", may_be_empty=False),
        DEMO_MODEL,
        "the model that a chat begins with",
    ),
    Setting(
        "image_tokens",
        BUDGET,
        None,
        "what a picture may cost; auto: no more than it needs",
        "budget",
        example=280,
        per_chat=True,
    ),
    Setting(
        "thinking",
        Switch(),
        False,
        "let the model think before it answers",
        "think",
        per_chat=True,
    ),
    Setting(
        "system",
        Text("a system prompt"),
        "",
        "what the model is told before everything else",
        per_chat=True,
    ),
    *SAMPLING,
    Setting(
        "look.theme",
        THEMES,
        "auto",
        "colours; ansi: the terminal's own sixteen",
    ),
    Setting(
        "look.preview",
        PREVIEWS,
        "auto",
        "pictures before they are sent: as sharp as the terminal can, blocks, or none",
    ),
    Setting(
        "look.enter_sends",
        Switch(),
        True,
        "enter sends and ctrl+j breaks the line; off: the other way round",
    ),
    Setting(
        "look.plain",
        Switch(),
        False,
        "line by line, without a screen",
    ),
    Setting(
        "look.bell",
        Switch(),
        True,
        "line by line: ring the bell when an answer is done",
    ),
    Setting(
        "chats.keep",
        Switch(),
        True,
        "keep chats on this disk",
    ),
    Setting(
        "chats.keep_media",
        Switch(),
        True,
        "keep copies of what was attached",
    ),
)

_BY_PATH = {each.path: each for each in SETTINGS}
_BY_WORD = {
    word: each for each in SETTINGS for word in filter(None, (each.path, each.name, each.short))
}


def setting(path: str) -> Setting:
    """The setting of that path."""
    return _BY_PATH[path]


def find_setting(word: str) -> Setting | None:
    """The setting of that path, name or short name."""
    return _BY_WORD.get(word.lower())
