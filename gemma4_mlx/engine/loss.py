"""What to say of an engine process that is gone: what happened, and what to do about it."""

from __future__ import annotations

import signal

from gemma4_mlx.engine.failures import tells_of_memory
from gemma4_mlx.engine.log import EngineLog, last_words
from gemma4_mlx.engine.process import Ending
from gemma4_mlx.events import (
    EngineLost,
    Event,
    LoadProgress,
    MediaReceipt,
    PromptProgress,
    TextDelta,
    ThoughtDelta,
    ToolCall,
)

STARTING = "starting"

_ABORTED = {"SIGABRT", "SIGTRAP", "SIGSEGV", "SIGBUS"}

_LESS = "give pictures a smaller budget, shorten the conversation or take a smaller model"
_RESTART = "the conversation is kept; restart the engine to go on"


def describe_loss(ending: Ending, doing: str, log: EngineLog) -> EngineLost:
    """Tell of the end of a process that nobody asked for.

    Args:
        ending: of the process.
        doing: what it was doing, as in "while ...".
        log: that it wrote to.
    """
    tail = log.tail()
    fate, cause, is_memory = _what_happened(ending, tail)
    words = last_words(tail)
    quoted = f'; its last words: "{words}"' if words and not ending.fault else ""
    while_doing = "" if ending.fault else f" while it was {doing}"
    return EngineLost(
        f"the engine {fate}{while_doing}{cause}{quoted}",
        ending.hint or (f"{_RESTART}; before that, {_LESS}" if is_memory else _RESTART),
        str(log.path) if log.path.exists() else "",
    )


def describe_doing(event: Event) -> str:
    """What an engine does that has just told this, as in "while it was ..."."""
    match event:
        case LoadProgress(done, total):
            return f"loading the model ({done / 1e9:.2f} of {total / 1e9:.2f} GB)"
        case MediaReceipt():
            return "looking at what is attached"
        case PromptProgress(encoded=encoded, to_encode=count) if event.is_encoding:
            return f"looking at what is attached ({encoded + 1} of {count})"
        case PromptProgress(done, total) if done < total:
            return f"reading the prompt ({done} of {total} tokens)"
        case PromptProgress() | TextDelta() | ThoughtDelta() | ToolCall():
            return "answering"
    return "waiting to be asked"


def _what_happened(ending: Ending, tail: str) -> tuple[str, str, bool]:
    """What it did, why, and whether it was for want of memory."""
    if ending.fault:
        return f"was given up: {ending.fault}", "", False
    if ending.code is None:
        return "did not start", "", False
    lacked_memory = tells_of_memory(tail)
    if ending.code >= 0:
        return f"ended by itself (exit code {ending.code})", "", lacked_memory
    name = _signal_name(-ending.code)
    if name == "SIGKILL":
        return f"was killed ({name})", ", perhaps because the system ran out of memory", True
    if name not in _ABORTED:
        return f"was ended from outside ({name})", "", False
    fate = "ran out of memory and was aborted" if lacked_memory else "crashed"
    return f"{fate} ({name})", "", lacked_memory


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
