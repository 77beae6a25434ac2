"""The engine process with a toy in place of the model; the last message says what it does.

python -m tests.engine.toy_child [--parent PID]
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from gemma4_mlx.engine import __main__, worker
from gemma4_mlx.events import Finished, PromptProgress, TextDelta, Usage

WORDS = 3000


def hold_the_lock() -> None:
    """Python's: no thread of this process runs meanwhile."""
    said = b"holds the lock"
    c = ctypes.PyDLL(None)  # unlike `os`, it keeps the lock while it calls
    c.write(2, said, len(said))
    c.sleep(60)


class ToySession:
    """Its state is how many turns it has answered."""

    saved_bytes = 8

    def __init__(self):
        self.turns = 0

    def answer(self, messages, *, should_stop, **options):
        self.turns += 1
        wish = messages[-1]["content"]
        yield PromptProgress(0, 1)
        if wish == "sleep":
            time.sleep(60)
        elif wish == "hold the lock":
            hold_the_lock()
        elif wish == "raise MemoryError":
            raise MemoryError
        elif wish == "abort":
            os.write(2, b"libc++abi: [METAL] Insufficient Memory\n")
            os.abort()
        elif wish == "make noise":
            sys.stdout.write("from Python\n")
            sys.stdout.flush()
            os.write(1, b"from a library\n")
            os.system("echo from a program")
        elif wish == "say what you are spared":
            threads = os.environ.get("OPENBLAS_NUM_THREADS")
            yield TextDelta(f"threads {threads}, objects {gc.get_freeze_count()}")
        elif wish == "go on":
            for number in range(WORDS):
                if should_stop():
                    yield Finished("cancelled")
                    return
                yield TextDelta(f"{number} " + "x" * 1000)
        yield TextDelta(str(self.turns))
        yield Finished("stop", Usage(1000, 0, 1))

    def save(self, path):
        time.sleep(0.8 if "slow" in path.name else 0)
        Path(path).write_text(str(self.turns))

    def restore(self, path, messages=()):
        if (kept := Path(path).read_text()) == "deadly":
            os.abort()
        self.turns = int(kept)


def load(folder, *, on_progress):
    on_progress(1, 2)
    if folder == Path("sleep"):
        time.sleep(60)
    elif folder == Path("hold the lock"):
        hold_the_lock()
    config, plan = SimpleNamespace(context_length=128), SimpleNamespace(limit_bytes=9)
    processor = SimpleNamespace(sees=True, hears=False, image_tokens=70)
    return SimpleNamespace(config=config, plan=plan), processor


def main() -> None:
    assert not any(name.partition(".")[0] in ("mlx", "numpy") for name in sys.modules)
    worker._backend = lambda: worker._Backend(
        find=lambda name, *, on_progress: Path(name),
        load=load,
        new_session=lambda model, processor: ToySession(),
        memory_bytes=lambda: 5,
        sampling=lambda model: SimpleNamespace(temperature=1.0, top_p=0.95, top_k=64),
    )
    __main__.main()


if __name__ == "__main__":
    main()
