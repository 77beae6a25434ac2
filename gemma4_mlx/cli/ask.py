"""`gemma4 ask`: one question, one answer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from gemma4_mlx.cli.answer import Answer
from gemma4_mlx.cli.attachments import attachment, check
from gemma4_mlx.cli.interrupts import INTERRUPTED, quiet_interrupts
from gemma4_mlx.cli.notes import Notes
from gemma4_mlx.command_options import conversation_options, json_option
from gemma4_mlx.engine_lock import EngineLock
from gemma4_mlx.errors import AttachmentError, UsageError
from gemma4_mlx.events import Finished
from gemma4_mlx.messages import AudioPart, MediaPart
from gemma4_mlx.model_name import DEMO_MODEL
from gemma4_mlx.model_process import kept_to_the_end, spare_threads

if TYPE_CHECKING:
    from gemma4_mlx.config import ModelConfig
    from gemma4_mlx.model import Gemma4
    from gemma4_mlx.processing import Processor


MORE = """
\b
Examples:
  gemma4 ask "What is a kernel?"
  gemma4 ask -a receipt.jpg --image-tokens 1120 "What is the total?"
  gemma4 ask -a before.png -a after.png "What has changed?"
  git diff | gemma4 ask "What changes here?"
  gemma4 ask --json "Who are you?" | jq .usage

\b
Output:
  The answer alone on stdout, everything else on stderr. With --json one object:
  text, thought, tool_calls, finish_reason, usage, media, timings, memory.

\b
Environment:
  GEMMA4_MODEL    the model, as with -m
  The chat's settings do not count here: a script gets the same answer whatever
  somebody has set there.

\b
Exit codes:
  0 ok, 1 engine error, 2 usage, 3 model missing or unreadable,
  4 not enough memory, 5 bad attachment, 6 context full, 130 interrupted,
  141 nobody reads the output
"""


@click.command(short_help="Answer one question.", epilog=MORE)
@click.argument("prompt", nargs=-1, metavar="[PROMPT]")
@conversation_options
@click.option(
    "--split/--no-split",
    default=True,
    help="Hear a recording of more than 30 s in parts, or refuse it.",
)
@json_option
@click.pass_context
def ask(
    ctx: click.Context,
    prompt: Sequence[str],
    attachments: Sequence[Path],
    split: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Answer one question and end.

    What comes on standard input is appended to PROMPT. Attachments come first, in the order
    given, then the text.
    """
    spare_threads()
    text = {"type": "text", "text": _question(prompt)}
    parts = _checked(attachments, split=split)
    messages: list[dict[str, Any]] = [{"role": "user", "content": [*parts, text]}]
    if system := options.pop("system"):
        messages.insert(0, {"role": "system", "content": system})
    notes = Notes()
    load_from_s = perf_counter()
    with EngineLock() as lock:
        with kept_to_the_end(), quiet_interrupts():
            from gemma4_mlx.turn import stream
        model, processor = _load(options.pop("model"), notes, parts, lock=lock)
        answer = Answer(notes, as_json=as_json, load_s=perf_counter() - load_from_s)
        try:
            answer.tell(stream(model, processor, messages, **options))
        except KeyboardInterrupt:
            answer.end(Finished("cancelled"))
            ctx.exit(INTERRUPTED)


def _question(prompt: Sequence[str]) -> str:
    """PROMPT, then what comes on standard input."""
    if len(prompt) > 1:
        raise click.UsageError(
            "PROMPT is one argument: put the question in quotes, and -a before each file."
        )
    piped = "" if sys.stdin is None or sys.stdin.isatty() else _stdin()
    texts = [text for text in (*prompt, piped.strip("\n")) if text.strip()]
    if not texts:
        raise click.UsageError("No question: give it as PROMPT or on standard input.")
    return "\n\n".join(texts)


def _stdin() -> str:
    # Bytes, because Python reads text as the locale says and forgives what is no text.
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(
            "standard input is not text in UTF-8", "attach pictures and clips with -a FILE"
        ) from None


def _checked(paths: Sequence[Path], *, split: bool) -> list[MediaPart]:
    """The attachments; one that cannot be used must not cost the loading of a model.

    Raises:
        AttachmentError: the first one that cannot be used.
    """
    parts = [attachment(path, split=split) for path in paths]
    for part in parts:
        check(part, split=split)
    return parts


def _load(
    name: str, notes: Notes, parts: Sequence[MediaPart], *, lock: EngineLock
) -> tuple[Gemma4, Processor]:
    from gemma4_mlx.config import ModelConfig
    from gemma4_mlx.loading import find_checkpoint, load

    def on_progress(done: int, total: int) -> None:
        notes.status(f"loading {name}: {done / total:.0%}" if done < total else "")

    notes.status(f"loading {name}")
    folder = find_checkpoint(name, on_progress=on_progress)
    _check_towers(name, ModelConfig.from_folder(folder), parts)
    lock.take(name, folder)
    with kept_to_the_end():
        loaded = load(folder, on_progress=on_progress)
    if name == DEMO_MODEL:
        notes.aside(f"{name} is a tiny model for demonstration; -m takes a real one\n")
    notes.status("")
    return loaded


def _check_towers(name: str, config: ModelConfig, parts: Sequence[MediaPart]) -> None:
    """Said before all weights are read, which may take minutes."""
    for part in parts:
        if isinstance(part, AudioPart) and config.audio_config is None:
            raise AttachmentError(
                f"{part.name}: {name} has no audio tower, so it takes no clips", "E2B and E4B hear"
            )
        if not isinstance(part, AudioPart) and config.vision_config is None:
            raise AttachmentError(
                f"{part.name}: {name} has no vision tower, so it takes no pictures",
                "use a checkpoint with its vision tower",
            )
