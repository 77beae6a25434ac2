"""`python -m gemma4_mlx.engine`: the engine process; what to say to it stands in docs/engine.md."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from gemma4_mlx.engine.child import Child, begin_log, take_pipes
from gemma4_mlx.engine.recording import Player
from gemma4_mlx.errors import UsageError


def main() -> None:
    """Serve one face on stdin and stdout."""
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
    options = parser.parse_args()
    commands, replies = take_pipes()
    if options.play is None:
        begin_log()
        Child(commands, replies).serve(options.parent)
    try:
        Player(options.play, commands, replies, pace=options.pace).play()
    except UsageError as error:
        sys.stderr.write(f"{error.message}\n")
        os._exit(error.exit_code)
    except BrokenPipeError:
        pass  # nobody listens any more


if __name__ == "__main__":
    main()
