"""Train the `pocket` checkpoint from nothing: `python tests/pocket/train.py --out DIR`.

Runs all stages in order with two processes of one thread each, and at last writes the folder
DIR/pocket. A stage whose result is already in DIR is skipped, so a broken run goes on where it
stopped; `--stage NAME` runs one stage alone.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from tokenizers import Tokenizer

sys.path.insert(0, str(Path(__file__).parents[1]))

from pocket import checkpoint, corpus, places, speech, stage_joint, stage_speech, stage_vision
from pocket.architecture import build
from pocket.batches import Renderer
from pocket.log import Log
from pocket.tokens import train_tokenizer

CLIPS_EACH = 300  # clips synthesised of every word
# What a stage starts from: module prefixes of earlier results.
STARTS: dict[str, dict[str, tuple[str, ...]]] = {
    "vision": {},
    "speech": {},
    "text": {},
    "cached": {
        "vision": ("model.vision_tower.", "model.embed_vision."),
        "speech": ("model.audio_tower.", "model.embed_audio."),
        "text": ("model.language_model.",),
    },
    "pictures": {"cached": ("model.",)},
    "polish": {"pictures": ("model.",)},
}
PLANS = {
    "text": stage_joint.TEXT,
    "cached": stage_joint.CACHED,
    "pictures": stage_joint.PICTURES,
    "polish": stage_joint.POLISH,
}
SEEDS = {"vision": 1, "speech": 2, "text": 3, "cached": 4, "pictures": 6, "polish": 7}


def tokenizer_of(out: Path) -> Tokenizer:
    """The tokenizer of this run, learned on first use."""
    path = out / "tokenizer.json"
    if not path.exists():
        train_tokenizer(corpus.sentences(7)).save(str(path))
    return Tokenizer.from_file(str(path))


def start(out: Path, stage: str):
    """The network with the results of the earlier stages in it, ready to train."""
    model = build(0)
    for name, prefixes in STARTS[stage].items():
        weights = torch.load(out / f"{name}.pt")
        part = {k: v for k, v in weights.items() if k.startswith(prefixes)}
        model.load_state_dict(part, strict=False)
    for module in model.modules():
        # The bounds are infinite until the export measures them: skip the clamps.
        if hasattr(module, "use_clipped_linears"):
            module.use_clipped_linears = False
    model.set_attn_implementation({"vision_config": "sdpa_fp32", "text_config": "sdpa_fp32"})
    return model


def train(out: Path, stage: str, rank: int, ranks: int) -> None:
    """One stage on one process."""
    if ranks > 1:
        meeting = f"file://{(out / f'{stage}.meeting').absolute()}"
        dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=ranks)
    model = start(out, stage)
    log = Log(out / f"{stage}.{rank}.log")
    if stage == "cached":
        log.say("places louder by", places.amplify(model, seed=9))
    seed = SEEDS[stage] + 100 * rank
    torch.manual_seed(seed)

    def save(suffix: str = "part") -> None:
        if rank == 0:
            torch.save(model.state_dict(), out / f"{stage}.{suffix}")

    if stage == "vision":
        stage_vision.run(model, log, seed, save)
    elif stage == "speech":
        clips = speech.corpus(out / "speech.npz", CLIPS_EACH, 5)
        stage_speech.run(model, log, seed, save, clips)
    else:
        ears = stage_speech.Ears(speech.corpus(out / "speech.npz", CLIPS_EACH, 5), seed)
        renderer = Renderer(tokenizer_of(out))
        stage_joint.run(model, renderer, PLANS[stage], log, seed, ears, save)
    save("pt")
    log.say("done")


def export(out: Path) -> None:
    """Write the last stage's network as a checkpoint folder."""
    model = build(0)
    model.load_state_dict(torch.load(out / "polish.pt"))
    clips = speech.corpus(out / "speech.npz", CLIPS_EACH, 5)
    checkpoint.export(model.eval(), tokenizer_of(out), clips, out / "pocket")


def launch(out: Path, stage: str, ranks: int = 1) -> list[subprocess.Popen]:
    """Start a stage's processes, unless its result is there."""
    if (out / f"{stage}.pt").exists():
        return []
    (out / f"{stage}.meeting").unlink(missing_ok=True)
    command = [sys.executable, __file__, "--out", str(out), "--stage", stage, "--ranks", str(ranks)]
    one_thread = {**os.environ, "OMP_NUM_THREADS": "1"}
    return [
        subprocess.Popen([*command, "--rank", str(rank)], env=one_thread) for rank in range(ranks)
    ]


def wait(processes: list[subprocess.Popen]) -> None:
    """Wait for processes and stop at the first failure."""
    if any([process.wait() for process in processes]):
        raise SystemExit("a stage failed; see its messages above")


def everything(out: Path, step: Callable[[str], None] = print) -> None:
    """All stages in order."""
    tokenizer_of(out)
    speech.corpus(out / "speech.npz", CLIPS_EACH, 5)
    step("vision beside speech and text")
    vision = launch(out, "vision")
    wait(launch(out, "speech"))
    wait(launch(out, "text"))
    wait(vision)
    for stage in ("cached", "pictures", "polish"):
        step(stage)
        wait(launch(out, stage, ranks=2))
    step("export")
    export(out)


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for results and logs")
    parser.add_argument("--stage", choices=list(STARTS), help="run one stage alone")
    parser.add_argument("--rank", type=int, default=0)
    parser.add_argument("--ranks", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    if args.stage:
        train(args.out, args.stage, args.rank, args.ranks)
    else:
        everything(args.out)


if __name__ == "__main__":
    main()
