"""Every error that this library raises on purpose.

    Gemma4Error                     1   base: message, hint, exit_code
    ├── UsageError                  2   an option or argument that makes no sense
    ├── ModelNotFoundError          3   no such folder, hub id or bundled model
    ├── CheckpointError             3   a checkpoint that cannot be read
    │   ├── ConfigError             3   config.json: the field is named
    │   ├── WeightsError            3   tensors missing, unknown or misshapen: all are listed
    │   └── TokenizerError          3   tokenizer.json or the chat template
    ├── MemoryLimitError            4   does not fit this machine
    ├── AttachmentError             5   an image or clip that cannot be used
    ├── ContextFullError            6   the conversation is longer than the model's context
    ├── MessageError                2   a message that is not in the chat form
    ├── PlaceholderMismatchError    1   soft tokens and their slots do not pair up
    ├── CacheError                  1   keys, values and mask do not fit together
    ├── SessionError                1   a saved session that cannot be taken over
    ├── EngineError                 1   the engine cannot go on
    │   └── EngineLostError         1   the process that held the model is gone
    ├── StoreError                  1   chats that cannot be read or kept
    └── ConversionError             1   a conversion that cannot go on; what is done is kept

The number is the exit code of the command line. Messages say what happened and what was
expected; the hint says what to do about it.
"""

from __future__ import annotations


class Gemma4Error(Exception):
    """Base of all errors raised on purpose.

    Attributes:
        message: what happened and what was expected, one or two sentences.
        hint: what the reader can do about it; may be empty.
        exit_code: the exit code that the command line returns for it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


class UsageError(Gemma4Error):
    """An option or argument that makes no sense."""

    exit_code = 2


class MessageError(Gemma4Error):
    """A message that is not in the chat form."""

    exit_code = 2


class ModelNotFoundError(Gemma4Error):
    """No folder, hub id or bundled model of that name."""

    exit_code = 3


class CheckpointError(Gemma4Error):
    """A checkpoint that cannot be read."""

    exit_code = 3


class ConfigError(CheckpointError):
    """config.json or one of its siblings is wrong; the message names the field."""


class WeightsError(CheckpointError):
    """Tensors are missing, unknown or misshapen; the message lists all of them."""


class TokenizerError(CheckpointError):
    """tokenizer.json or the chat template is missing or wrong."""


class MemoryLimitError(Gemma4Error):
    """The model or the conversation does not fit this machine."""

    exit_code = 4


class AttachmentError(Gemma4Error):
    """An image or a clip that cannot be used."""

    exit_code = 5


class ContextFullError(Gemma4Error):
    """The conversation is longer than the model's context."""

    exit_code = 6


class PlaceholderMismatchError(Gemma4Error):
    """An attachment has another number of soft tokens than the prompt has slots for it."""

    def __init__(self, attachment: str, slots: int, rows: int) -> None:
        super().__init__(
            f"{attachment}: the prompt has {slots} slots, the encoder made {rows} rows",
            "prepare ids and features in one call of the processor; do not edit either by hand",
        )
        self.slots = slots
        self.rows = rows


class CacheError(Gemma4Error):
    """Keys, values and mask do not fit together."""


class SessionError(Gemma4Error):
    """A saved session cannot be taken over; the conversation is read again instead."""


class EngineError(Gemma4Error):
    """The engine that holds the model cannot go on."""


class EngineLostError(EngineError):
    """The process that held the model is gone; a new one can be started."""


class StoreError(Gemma4Error):
    """Chats cannot be read or kept: the file, the disk, or another program that holds it."""


class ConversionError(Gemma4Error):
    """A conversion cannot go on: the disk, or another run; what is done is kept."""
