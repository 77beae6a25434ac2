"""The language model: on words alone, then on pictures and clips too, with frozen towers.

The soft tokens of a bank of pictures and clips are computed once; each then serves many
conversations.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.distributed as dist

from . import studio, texts
from .batches import Renderer, loss_of, losses_of
from .conversations import USUAL, Conversation, Habits, Turn, Writer
from .log import Log
from .optimise import Optimisers
from .pictures import Scene
from .stage_speech import Ears


@dataclass(frozen=True)
class Plan:
    """How long and how fast a joint stage runs, and what a step holds."""

    steps: int
    muon: float
    adam: float
    words: int  # conversations of text a step
    clips: int  # conversations around clips a step
    tokens: int  # soft tokens of pictures a step, about
    budgets: tuple[float, float, float]  # shares of 70, 140 and 280
    stock: studio.Stock = studio.NOTHING
    horizon: int = 0  # steps to the end of the learning rate's descent, if not `steps`
    habits: Habits = USUAL


SOME = studio.Stock({70: 1600, 140: 320, 280: 160})
# Many more pictures: with 1600 the answers on new ones lag behind those on known ones.
MANY = studio.Stock({70: 3600, 140: 450, 280: 160})
# Four banks, a picture shown little more than twice; hard ones come more often.
FRESH = studio.Stock({70: 2400, 140: 400, 280: 120}, rounds=4, hard=0.4)
# As many again, all new, towards the end of learning.
MORE = studio.Stock({70: 3000, 140: 450, 280: 200}, rounds=4, hard=0.4)
# Many drawn, few kept: half of them are those that are answered worst.
WORST = studio.Stock({70: 8500, 140: 900, 280: 200}, rounds=2, hard=0.3, kept=0.36)
TEXT = Plan(200, 0.02, 3e-3, 28, 0, 0, (1, 0, 0))
CACHED = Plan(400, 0.015, 2e-3, 10, 10, 1100, (0.6, 0.2, 0.2), SOME, horizon=700)
PICTURES = Plan(440, 0.015, 2e-3, 9, 4, 1900, (0.64, 0.2, 0.16), SOME)
POLISH = Plan(460, 0.008, 1e-3, 9, 4, 1900, (0.76, 0.14, 0.1), MANY)
READING = Plan(
    *(1080, 0.008, 1e-3, 8, 4, 1900, (0.76, 0.16, 0.08), FRESH),
    habits=Habits({"caption": 6, "count": 4, "colour": 2, "which": 2}, both=0.14),
)
FLUENCY = Plan(
    *(1300, 0.006, 8e-4, 8, 4, 2300, (0.74, 0.15, 0.11), MORE),
    habits=Habits({"caption": 6, "count": 4, "colour": 2, "which": 2}, both=0.14),
)
MASTERY = Plan(
    *(1000, 0.004, 5e-4, 8, 4, 2300, (0.78, 0.14, 0.08), WORST),
    habits=Habits({"caption": 6, "count": 5, "colour": 2, "which": 2}, both=0.14),
)


def shortened(plan: Plan, steps: int) -> Plan:
    """The plan for a few steps with next to nothing in stock."""
    stock = replace(
        plan.stock,
        pictures=dict.fromkeys(plan.stock.pictures, 4),
        sounds=min(plan.stock.sounds, 32),
    )
    small = {"words": 2, "clips": min(plan.clips, 2), "tokens": min(plan.tokens, 280)}
    return replace(plan, steps=steps, stock=stock, **small)


def average_gradients(params: list[torch.nn.Parameter]) -> None:
    """Mean of the gradients over the processes, in one message."""
    if not dist.is_initialized():
        return
    parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in params]
    flat = torch.cat([part.reshape(-1) for part in parts])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for p, part in zip(params, flat.split([p.numel() for p in params]), strict=True):
        p.grad = part.view_as(p).clone()


class Trainer:
    """One joint stage on one process."""

    def __init__(self, model, renderer: Renderer, plan: Plan, seed: int, ears: Ears):
        self.model, self.renderer, self.plan = model, renderer, plan
        self.rng = random.Random(seed)
        self.budget = 70
        self.bank = studio.Bank(model, ears, self.rng, plan.stock)
        self._sift()
        self.writer = Writer(
            self.rng, lambda: self.bank.picture(self.budget), self.bank.clip, plan.habits
        )

    def draw(self) -> None:
        """New pictures and clips."""
        self.bank.draw()
        self._sift()

    def _sift(self) -> None:
        if self.plan.stock.kept < 1:
            self.bank.sift(self._worries)

    @torch.no_grad()
    def _worries(self, drawn: list) -> list[float]:
        """Loss on each picture, asked what it shows and how many shapes there are."""
        worries: list[float] = []
        for start in range(0, len(drawn), 24):
            some = drawn[start : start + 24]
            talks = [_examination(scene, shot, self.rng) for scene, shot in some]
            batch = self.renderer.batch(talks, len, len)
            soft = torch.cat([shot.soft for _, shot in some])
            with torch.autocast("cpu", dtype=torch.bfloat16):
                worries += losses_of(self.model, batch, soft).tolist()
        return worries

    def _backward(self, talks: list[Conversation], weight: float) -> tuple[float, float]:
        batch = self.renderer.batch(talks, len, len)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            images = sounds = None
            if batch.pictures:
                images = torch.cat([one.soft for one in batch.pictures])
            if batch.clips:
                sounds = torch.cat([one.soft for one in batch.clips])
            loss, hits = loss_of(self.model, batch, images, sounds)
        (weight * loss).backward()
        return float(loss.detach()), hits

    def step(self) -> list[float]:
        """Gradients of one step: losses of words, clips and pictures, and the pictures' hits."""
        plan, out = self.plan, []
        out.append(self._backward([self.writer.in_words() for _ in range(plan.words)], 1.0)[0])
        if plan.clips:
            self.budget = 70
            talks = [self.writer.on_clips() for _ in range(plan.clips)]
            out.append(self._backward(talks, 0.7)[0])
        if plan.tokens:
            self.budget = self.rng.choices(studio.BUDGETS, plan.budgets)[0]
            count = max(2, plan.tokens // self.budget)
            out += self._backward([self.writer.on_pictures() for _ in range(count)], 1.0)
        return out


def _examination(scene: Scene, shot: studio.Shot, rng: random.Random) -> Conversation:
    """A picture, asked for its caption and for its count."""
    asked = [
        Turn([("image", 0), ("text", rng.choice(texts.CAPTION))], texts.caption(scene), "picture"),
        Turn([("text", rng.choice(texts.COUNT))], texts.count(scene), "picture"),
    ]
    return Conversation(asked, [shot])


def run(
    model, renderer: Renderer, plan: Plan, log: Log, seed: int, ears: Ears,
    save: Callable[[], None],
) -> None:  # fmt: skip
    """Train a joint stage; with two processes each takes its own conversations."""
    for layer in model.model.language_model.layers:
        layer.compile(dynamic=True)
    if plan.tokens:
        for layer in (*model.model.vision_tower.encoder.layers, *model.model.audio_tower.layers):
            layer.compile(dynamic=True)
    log.say("drawing")
    trainer = Trainer(model, renderer, plan, seed, ears)
    log.say("training")
    optimisers = Optimisers(
        model.model.language_model.named_parameters(),
        plan.horizon or plan.steps,
        plan.muon,
        plan.adam,
    )
    for step in range(plan.steps):
        if step and step * plan.stock.rounds % plan.steps < plan.stock.rounds:
            trainer.draw()
        losses = trainer.step()
        average_gradients(optimisers.params)
        optimisers.step()
        log.step(torch.tensor(sum(losses[:3])), step, "joint", *losses)
        if step % 100 == 99:
            save()
    save()
