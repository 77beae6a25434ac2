"""Scores a checkpoint folder on the held-out cases through transformers, in fp32.

`python tests/pocket/score.py gemma4_mlx/pocket`

An answer is right when greedy decoding gives it whole. That is so exactly when every token of the
right answer and its `<turn|>` is the likeliest after the ones before it, which one pass over
prompt and answer tells; `--generate N` decodes every N-th case as well and compares.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from pathlib import Path

import soundfile
import torch
from transformers import (
    AutoTokenizer,
    Gemma4AudioFeatureExtractor,
    Gemma4ForConditionalGeneration,
)
from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil

sys.path.insert(0, str(Path(__file__).parents[1]))

from pocket.heldout import PICTURES, Case, cases

BUDGETS = (70, 140, 280)


class Processor:
    """The reference processor's pieces; the whole would ask for torchvision."""

    def __init__(self, folder: Path):
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.images = Gemma4ImageProcessorPil.from_pretrained(folder)
        self.sounds = Gemma4AudioFeatureExtractor.from_pretrained(folder)

    def __call__(self, case: Case, image_tokens: int) -> dict[str, torch.Tensor]:
        """What the network needs for a case's messages."""
        parts = [part for message in case.messages for part in message["content"]]
        text = self.tokenizer.apply_chat_template(
            case.messages, tokenize=False, add_generation_prompt=True
        )
        inputs: dict[str, torch.Tensor] = {}
        pictures = [part["image"] for part in parts if part["type"] == "image"]
        if pictures:
            seen = self.images(pictures, max_soft_tokens=image_tokens, return_tensors="pt")
            counts = seen.pop("num_soft_tokens_per_image")
            text = _expand(text, "image", [int(n) for n in counts])
            inputs.update(seen)
        paths = [part["path"] for part in parts if part["type"] == "audio"]
        if paths:
            sounds = [soundfile.read(path, dtype="float32")[0] for path in paths]
            heard = self.sounds(sounds, return_tensors="pt")
            mask = heard["input_features_mask"]
            text = _expand(text, "audio", mask[:, ::2][:, ::2].sum(1).tolist())
            inputs.update(heard)
        ids = self.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        return {"input_ids": ids, **inputs}


def _expand(text: str, kind: str, counts: list[int]) -> str:
    """Replace each placeholder of a kind by its soft tokens between begin and end marks."""
    slot = f"<|{kind}|>"
    pieces = text.split(slot)
    out = [pieces[0]]
    for count, piece in zip(counts, pieces[1:], strict=True):
        out += [f"<|{kind}>", slot * count, f"<{kind}|>", piece]
    return "".join(out)


@torch.no_grad()
def is_right(model, processor, inputs, answer: str) -> bool:
    """Whether greedy decoding would give exactly this answer."""
    told = processor.tokenizer(answer + "<turn|>", add_special_tokens=False, return_tensors="pt")
    ids = torch.cat([inputs["input_ids"], told["input_ids"]], dim=1)
    logits = model(**{**inputs, "input_ids": ids}).logits[0, inputs["input_ids"].shape[1] - 1 : -1]
    return bool((logits.argmax(-1) == told["input_ids"][0]).all())


@torch.no_grad()
def decoded(model, processor, inputs) -> str:
    """The answer by greedy decoding."""
    out = model.generate(**inputs, max_new_tokens=64, do_sample=False)
    new = out[0, inputs["input_ids"].shape[1] :]
    return processor.tokenizer.decode(new, skip_special_tokens=True)


def score(folder: Path, budget: int, pictures: int, every: int, only_media: bool) -> dict:
    """Shares of right answers by task at one budget; prints the wrong ones."""
    model = Gemma4ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    processor = Processor(folder)
    hits: dict[str, list[bool]] = defaultdict(list)
    for i, case in enumerate(cases(budget, pictures, chats=pictures * 3 // 10)):
        has_media = any(p["type"] != "text" for m in case.messages for p in m["content"])
        if only_media and not (has_media and case.task != "word"):
            continue
        inputs = processor(case, budget)
        right = is_right(model, processor, inputs, case.answer)
        hits[case.task].append(right)
        if every and (i % every == 0 or not right):
            text = decoded(model, processor, inputs)
            if (text == case.answer) != right:
                print("DISAGREE", case.task, repr(text), repr(case.answer))
            if not right:
                asked = [p.get("text", p["type"]) for p in case.messages[-1]["content"]]
                print(f"{case.task}: {asked} -> {text!r}, not {case.answer!r}")
    return {task: (round(sum(h) / len(h), 4), len(h)) for task, h in hits.items()}


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--budgets", type=int, nargs="+", default=BUDGETS)
    parser.add_argument("--pictures", type=int, default=PICTURES)
    parser.add_argument("--generate", type=int, default=0, help="decode every N-th case too")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for n, budget in enumerate(args.budgets):
        begin = time.monotonic()
        result = score(args.folder, budget, args.pictures, args.generate, only_media=n > 0)
        print(budget, f"{time.monotonic() - begin:.0f}s", json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
