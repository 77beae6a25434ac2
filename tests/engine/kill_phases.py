"""What a killed engine costs: SIGKILL at each phase, and stops that the model does not hear.

    python -m tests.engine.kill_phases [--model pocket] [--tokens 2000]

For each phase: how long until the face knew, what was kept, and how long until a new process had
the model ready and then had the first token of the same question. Then the other way round: the
face is killed, and nobody asks for its exit code before its engine process is gone.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep

from gemma4_mlx.engine import TurnRequest
from gemma4_mlx.events import (
    EngineLost,
    Event,
    Failed,
    Finished,
    LoadProgress,
    ModelReady,
    PromptProgress,
    TextDelta,
    ThoughtDelta,
)
from tests.engine.face import Face

PATIENCE_S = 600.0
ANSWER_TOKENS = 400


def told(*kinds: type) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, kinds)


@dataclass(frozen=True)
class Loss:
    """What one kill cost; times in milliseconds."""

    phase: str
    known_ms: float
    kept: str
    ready_ms: float
    token_ms: float
    reused: str

    def row(self) -> str:
        return (
            f"| {self.phase} | {self.known_ms:.1f} | {self.kept} | {self.ready_ms:.0f} "
            f"| {self.token_ms:.0f} | {self.reused} |"
        )


class Trial:
    """A face whose engine will be killed.

    Args:
        folder: for state and log.
        model: to load.
        tokens: of the question, about.
    """

    def __init__(self, folder: Path, model: str, tokens: int) -> None:
        text = "Count the words. " + "one two three four " * (tokens // 4)
        self.question = TurnRequest(
            [{"role": "user", "content": text}],
            max_tokens=ANSWER_TOKENS,
            temperature=20.0,  # what it says does not matter, but it must not end soon
            seed=7,
            state_path=str(folder / "conversation.safetensors"),
        )
        self.face = Face(model, folder)
        self.answer = ""

    def until(self, wanted: Callable[[Event], bool]) -> Event:
        while True:
            event = self.face.next(PATIENCE_S)
            if isinstance(event, TextDelta | ThoughtDelta):
                self.answer += event.text
            if wanted(event):
                return event
            assert not isinstance(event, Finished | Failed), event

    def kill(self) -> float:
        """SIGKILL; milliseconds until `EngineLost`."""
        killed_s = perf_counter()
        os.kill(self.face.client.pid, signal.SIGKILL)
        self.face.until(EngineLost)
        return 1000 * (perf_counter() - killed_s)

    def again(self) -> tuple[float, float, Finished]:
        """Restart and ask again: milliseconds until ready, then until the first word."""
        began_s = perf_counter()
        self.face.client.restart()
        self.until(told(ModelReady))
        ready_ms = 1000 * (perf_counter() - began_s)
        asked_s = perf_counter()
        self.face.client.submit(self.question)
        self.until(told(TextDelta, ThoughtDelta))
        token_ms = 1000 * (perf_counter() - asked_s)
        self.face.client.stop()
        finished = self.until(told(Finished))
        assert isinstance(finished, Finished)
        return ready_ms, token_ms, finished


def _at_load(trial: Trial) -> str:
    trial.until(told(LoadProgress))
    return "nothing to keep"


def _in_chunk(trial: Trial) -> str:
    trial.face.client.submit(trial.question)
    trial.until(told(PromptProgress))
    sleep(0.2)  # the model is in the middle of a piece of the prompt, which nothing interrupts
    return "the question"


def _in_prefill(trial: Trial) -> str:
    trial.face.client.submit(trial.question)
    trial.until(lambda event: isinstance(event, PromptProgress) and 0 < event.done < event.total)
    return "the question"


def _in_answer(trial: Trial) -> str:
    trial.face.client.submit(trial.question)
    for _ in range(5):
        trial.until(told(TextDelta, ThoughtDelta))
    return f"the question, {len(trial.answer)} characters of the answer"


def _answered(trial: Trial) -> Path:
    """Where the state of a turn that has just ended will be; it is written in a while."""
    _in_answer(trial)
    trial.face.client.stop()
    trial.until(told(Finished))
    return Path(trial.question.state_path or "")


def _writing(trial: Trial) -> str:
    state = _answered(trial)
    while not any(state.parent.glob(f".{state.name}.*.safetensors")):
        sleep(0.0005)
    return "question, answer, " + ("all of the state" if state.exists() else "no state")


def _idle(trial: Trial) -> str:
    state = _answered(trial)
    while not state.exists():
        sleep(0.02)
    size = state.stat().st_size
    return f"question, answer, {size / 1e6:.1f} MB of state"


PHASES = {
    "load": _at_load,
    "prefill": _in_prefill,
    "answer": _in_answer,
    "writing its state": _writing,
    "idle": _idle,
}
STOPS = {
    "prefill, behind a part": _in_prefill,
    "prefill, in a part": _in_chunk,
    "answer": _in_answer,
}


def kill_at(phase: str, model: str, tokens: int) -> Loss:
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder), model, tokens)
        try:
            trial.face.start()
            kept = PHASES[phase](trial)
            known_ms = trial.kill()
            ready_ms, token_ms, finished = trial.again()
        finally:
            trial.face.client.close()
    usage = finished.usage
    reused = f"{usage.reused_tokens} of {usage.prompt_tokens}"
    return Loss(phase, known_ms, kept, ready_ms, token_ms, reused)


def stop_at(phase: str, model: str, tokens: int) -> str:
    """A stop in place of a kill."""
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder), model, tokens)
        try:
            trial.face.start()
            trial.until(told(ModelReady))
            before = trial.face.client.pid
            STOPS[phase](trial)
            stopped_s = perf_counter()
            trial.face.client.stop()
            finished = trial.until(told(Finished))
            took_ms = 1000 * (perf_counter() - stopped_s)
            trial.face.client.stop()  # returns when it is decided what becomes of the process
            is_same = trial.face.client.pid == before
        finally:
            trial.face.client.close()
    assert isinstance(finished, Finished)
    return f"| {phase} | {took_ms:.1f} | {finished.reason} | {'yes' if is_same else 'no'} |"


MOMENTS_S = [0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0]
"""After the start of an engine process at which its face is killed."""

FACE = """
import sys, tempfile, time
from pathlib import Path
from tests.engine import kill_phases
with tempfile.TemporaryDirectory() as folder:
    trial = kill_phases.Trial(Path(folder), sys.argv[1], int(sys.argv[2]))
    trial.face.start()
    while trial.face.client.pid is None:
        time.sleep(0.001)
    if sys.argv[3]:
        kill_phases.PHASES[sys.argv[3]](trial)
    print(trial.face.client.pid, flush=True)
    time.sleep(60)
"""


def without_face(model: str, tokens: int, phase: str = "", after_s: float = 0.0) -> float:
    """Kill the face in a phase, or so long after it began one; milliseconds the engine goes on."""
    command = [sys.executable, "-c", FACE, model, str(tokens), phase]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as face:
        assert face.stdout is not None
        engine = int(face.stdout.readline())
        sleep(after_s)
        face.kill()
        killed_s = perf_counter()
        while _is_there(engine):
            pass
        return 1000 * (perf_counter() - killed_s)


def _is_there(process: int) -> bool:
    """Not just its number, which it has until the system's first process asks for its exit code."""
    command = ["ps", "-o", "stat=", "-p", str(process)]
    state = subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout
    return state.strip()[:1] not in (b"", b"Z")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--tokens", type=int, default=2000, help="of the question, about")
    parser.add_argument("--faces", action="store_true", help="kill faces alone, while they load")
    options = parser.parse_args()
    model, tokens = options.model, options.tokens
    if not options.faces:
        print("| killed at | known after ms | kept | ready again ms | first token ms | of state |")
        print("|---|--:|---|--:|--:|---|")
        for phase in PHASES:
            print(kill_at(phase, model, tokens).row(), flush=True)
        print("\n| stopped in | ended after ms | reason | process lived on |\n|---|--:|---|---|")
        for phase in STOPS:
            print(stop_at(phase, model, tokens), flush=True)
        print()
    print("| face killed at | engine gone after ms |\n|---|--:|")
    for after_s in MOMENTS_S:
        print(f"| start + {after_s:.2f} s | {without_face(model, tokens, after_s=after_s):.0f} |")
    for phase in () if options.faces else PHASES:
        print(f"| {phase} | {without_face(model, tokens, phase):.0f} |", flush=True)


if __name__ == "__main__":
    main()
