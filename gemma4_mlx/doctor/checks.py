"""All checks, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from gemma4_mlx.doctor import backend, machine, media, models, network, precision, terminal
from gemma4_mlx.doctor.finding import Finding
from gemma4_mlx.errors import Gemma4Error

_REPORT = "this is a fault of the program, please report it; nothing depends on it"


class Check(NamedTuple):
    """One thing to look at.

    Attributes:
        section: what it belongs to.
        topic: of its finding.
        look: does it.
    """

    section: str
    topic: str
    look: Callable[[], Finding]


CHECKS = (
    Check("machine", "chip", machine.chip),
    Check("machine", "memory", machine.memory),
    Check("machine", "system", machine.system),
    Check("machine", "python", machine.python),
    Check("mlx", "mlx", backend.mlx),
    Check("mlx", "limits", backend.limits),
    Check("mlx", "float32", precision.float32),
    Check("mlx", "bfloat16", precision.bfloat16),
    Check("mlx", "packed", precision.packed),
    Check("mlx", "bandwidth", backend.bandwidth),
    Check("terminal", "terminal", terminal.terminal),
    Check("terminal", "colours", terminal.colours),
    Check("terminal", "letters", terminal.letters),
    Check("terminal", "previews", terminal.previews),
    Check("media", "pictures", media.pictures),
    Check("media", "heic", media.heic),
    Check("media", "clips", media.clips),
    Check("media", "video", media.video),
    Check("media", "microphone", media.microphone),
    Check("models", "hub", network.hub),
    Check("models", "disk", network.disk),
    Check("models", "engine", models.engine),
)
"""What is looked at on every machine; the models that are found come after them."""


def examine(model: str | None = None) -> Iterator[tuple[str, Finding]]:
    """Look at everything.

    Args:
        model: the one that shall be used: a name or a folder; it is never fetched.

    Yields:
        The section and what was found, one after the other. A check that fails is a finding.
    """
    for check in CHECKS:
        yield check.section, look(check)
    yield from (("models", look(check)) for check in _model_checks(model))


def look(check: Check) -> Finding:
    """What a check finds; that it failed, if it did."""
    try:
        return check.look()
    except Gemma4Error as error:
        return Finding(check.topic, "warning", error.message, error.hint or _REPORT)
    except Exception as error:
        text = f"could not be looked at ({type(error).__name__}: {error})"
        failure = {"failure": type(error).__name__}
        return Finding(check.topic, "warning", text, _REPORT, failure)


def _model_checks(asked: str | None) -> list[Check]:
    try:
        found = models.models_found(asked)
    except Exception as error:
        return [Check("models", "model", partial(_raise, error))]
    return [
        Check("models", "model", partial(models.model, name, folder, is_asked=name == asked))
        for name, folder in found.items()
    ]


def _raise(error: Exception) -> Finding:
    raise error
