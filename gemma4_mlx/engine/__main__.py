"""`python -m gemma4_mlx.engine`: the engine process; what to say to it stands in docs/engine.md."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from gemma4_mlx.engine.parent_watch import watch_parent


def main() -> None:
    """Serve one face on stdin and stdout."""
    options = _options()
    _fill_standard_pipes()
    guard = watch_parent(options.parent)
    # Not at the top: whoever is gone while this is imported must be missed as well.
    from gemma4_mlx.engine.child import Child, begin_log, take_pipes

    commands, replies = take_pipes()
    if options.play is None:
        begin_log()
        Child(commands, replies, on_bye=guard.dismiss).serve()
    _play(options.play, commands, replies, pace=options.pace)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m gemma4_mlx.engine", description=__doc__)
    parser.add_argument(
        "--parent", type=int, metavar="PID", help="process that must be there; else leave"
    )
    parser.add_argument(
        "--play", type=Path, metavar="FILE", help="play a recording in place of a model"
    )
    parser.add_argument(
        "--pace", type=float, default=0.0, help="1 plays as fast as it was, 0 (default) at once"
    )
    return parser.parse_args()


def _fill_standard_pipes() -> None:
    """Whatever is opened later would take the place of one that this process was begun without."""
    while (pipe := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(pipe)


def _play(recording: Path, commands: int, replies: int, *, pace: float) -> None:
    from gemma4_mlx.engine.recording import Player
    from gemma4_mlx.errors import UsageError

    try:
        Player(recording, commands, replies, pace=pace).play()
    except UsageError as error:
        sys.stderr.write(f"{error.message}\n")
        os._exit(error.exit_code)
    except BrokenPipeError:
        pass  # nobody listens any more


if __name__ == "__main__":
    main()
