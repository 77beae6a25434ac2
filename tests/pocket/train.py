"""Train the `pocket` checkpoint from nothing: `python tests/pocket/train.py --out DIR`.

Runs all stages in order, some with two processes of one thread each, and at last writes the folder
DIR/pocket. A stage whose result is already in DIR is skipped, so a broken run goes on where it
stopped; `--stage NAME` runs one stage alone. `--quick` makes a few steps of every stage on next to
nothing: it shows that the command runs from start to end, and learns nothing.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
import torch.distributed as dist
from tokenizers import Tokenizer

sys.path.insert(0, str(Path(__file__).parents[1]))

from pocket import (
    checkpoint,
    corpus,
    places,
    speech,
    stage_joint,
    stage_sight,
    stage_speech,
    stage_vision,
)
from pocket.architecture import build
from pocket.batches import Renderer
from pocket.log import Log
from pocket.tokens import train_tokenizer

CLIPS_EACH = 300  # clips synthesised of every word
QUICK_CLIPS_EACH = 4
QUICK_STEPS = 2


@dataclass(frozen=True)
class Stage:
    """What a stage starts from, how long it runs and on how many processes."""

    seed: int
    plan: stage_joint.Plan | stage_sight.Plan | None = None
    ranks: int = 1
    starts: dict[str, tuple[str, ...]] = field(default_factory=dict)  # prefixes by earlier stage


_TOWERS_AND_WORDS = {
    "vision": ("model.vision_tower.", "model.embed_vision."),
    "speech": ("model.audio_tower.", "model.embed_audio."),
    "text": ("model.language_model.",),
}
STAGES = {
    "vision": Stage(1),
    "speech": Stage(2),
    "text": Stage(3, stage_joint.TEXT),
    "cached": Stage(4, stage_joint.CACHED, 2, _TOWERS_AND_WORDS),
    "pictures": Stage(6, stage_joint.PICTURES, 2, {"cached": ("model.",)}),
    "polish": Stage(7, stage_joint.POLISH, 2, {"pictures": ("model.",)}),
    "sight": Stage(8, stage_sight.PLAN, 1, {"polish": ("model.",)}),
    "reading": Stage(9, stage_joint.READING, 1, {"sight": ("model.",)}),
    "fluency": Stage(10, stage_joint.FLUENCY, 1, {"reading": ("model.",)}),
    "mastery": Stage(12, stage_joint.MASTERY, 1, {"fluency": ("model.",)}),
}
TOGETHER = ("vision", "speech", "text")  # vision on one core, the two others on another


@dataclass(frozen=True)
class Run:
    """A folder for results and logs, and whether the run is only for show."""

    out: Path
    quick: bool

    def tokenizer(self) -> Tokenizer:
        """The tokenizer of this run, learned on first use."""
        path = self.out / "tokenizer.json"
        if not path.exists():
            train_tokenizer(corpus.sentences(7)).save(str(path))
        return Tokenizer.from_file(str(path))

    def clips(self) -> list[speech.Clip]:
        """The training clips of this run, spoken on first use."""
        each = QUICK_CLIPS_EACH if self.quick else CLIPS_EACH
        return speech.corpus(self.out / "speech.npz", each, 5)

    def start(self, stage: str):
        """The network with the results of the earlier stages in it, ready to train."""
        model = build(0)
        for name, prefixes in STAGES[stage].starts.items():
            weights = torch.load(self.out / f"{name}.pt")
            part = {k: v for k, v in weights.items() if k.startswith(prefixes)}
            model.load_state_dict(part, strict=False)
        for module in model.modules():
            # The bounds are infinite until the export measures them: skip the clamps.
            if hasattr(module, "use_clipped_linears"):
                module.use_clipped_linears = False
        model.set_attn_implementation({"vision_config": "sdpa_fp32", "text_config": "sdpa_fp32"})
        return model

    def train(self, stage: str, rank: int, ranks: int) -> None:
        """One stage on one process."""
        if ranks > 1:
            meeting = f"file://{(self.out / f'{stage}.meeting').absolute()}"
            dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=ranks)
        model = self.start(stage)
        log = Log(self.out / f"{stage}.{rank}.log")
        if stage == "cached":
            log.say("places louder by", places.amplify(model, seed=9))

        def save(suffix: str = "part") -> None:
            if rank == 0:
                torch.save(model.state_dict(), self.out / f"{stage}.{suffix}")

        seed = STAGES[stage].seed + 100 * rank
        torch.manual_seed(seed)
        self._learn(model, stage, log, seed, save)
        save("pt")
        log.say("done")

    def _learn(self, model, stage: str, log: Log, seed: int, save: Callable[[], None]) -> None:
        plan = STAGES[stage].plan
        if isinstance(plan, stage_joint.Plan):
            plan = stage_joint.shortened(plan, QUICK_STEPS) if self.quick else plan
            ears = stage_speech.Ears(self.clips(), seed)
            stage_joint.run(model, Renderer(self.tokenizer()), plan, log, seed, ears, save)
        elif isinstance(plan, stage_sight.Plan):
            short = replace(plan, fitting=QUICK_STEPS, steps=QUICK_STEPS)
            stage_sight.run(model, log, seed, save, short if self.quick else plan)
        elif stage == "vision":
            phases = stage_vision.PHASES
            short = tuple((QUICK_STEPS, *phase[1:]) for phase in phases)
            stage_vision.run(model, log, seed, save, short if self.quick else phases)
        else:
            steps = QUICK_STEPS if self.quick else stage_speech.STEPS
            stage_speech.run(model, log, stage_speech.Ears(self.clips(), seed), save, steps)

    def launch(self, stage: str) -> list[subprocess.Popen]:
        """Start a stage's processes, unless its result is there."""
        if (self.out / f"{stage}.pt").exists():
            return []
        (self.out / f"{stage}.meeting").unlink(missing_ok=True)
        ranks = STAGES[stage].ranks
        command = [sys.executable, __file__, "--out", self.out, *["--quick"] * self.quick]
        command += ["--stage", stage, "--ranks", ranks, "--rank"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        if self.quick:  # compiling takes longer than a few steps
            environment["TORCHDYNAMO_DISABLE"] = "1"
        return [
            subprocess.Popen([str(word) for word in (*command, rank)], env=environment)
            for rank in range(ranks)
        ]

    def everything(self) -> None:
        """All stages in order, then the checkpoint's folder."""
        tokenizer, clips = self.tokenizer(), self.clips()
        print(*TOGETHER)
        vision = self.launch("vision")
        wait(self.launch("speech"))
        wait(self.launch("text"))
        wait(vision)
        for stage in [name for name in STAGES if name not in TOGETHER]:
            print(stage)
            wait(self.launch(stage))
        print("export")
        model = build(0)
        model.load_state_dict(torch.load(self.out / f"{list(STAGES)[-1]}.pt"))
        checkpoint.export(model.eval(), tokenizer, clips, self.out / "pocket")


def wait(processes: list[subprocess.Popen]) -> None:
    """Wait for processes and stop at the first failure."""
    if any([process.wait() for process in processes]):
        raise SystemExit("a stage failed; see its messages above")


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for results and logs")
    parser.add_argument("--quick", action="store_true", help="a few steps of every stage")
    parser.add_argument("--stage", choices=list(STAGES), help="run one stage alone")
    parser.add_argument("--rank", type=int, default=0)
    parser.add_argument("--ranks", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    run = Run(args.out, args.quick)
    if args.stage:
        run.train(args.stage, args.rank, args.ranks)
    else:
        run.everything()


if __name__ == "__main__":
    main()
