"""Stage 1b: the audio tower alone, as a classifier of the word over the mean soft token."""

import random
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import Gemma4AudioFeatureExtractor

from . import speech
from .architecture import HIDDEN, hear
from .log import Log
from .optimise import Optimisers

STEPS = 600
BATCH = 24
FRAMES = 160  # clips are padded to 1.6 seconds, so that one compiled graph serves all batches


class Ears:
    """Draws clips and makes their log-mel frames as the reference does."""

    def __init__(self, clips: list[speech.Clip], seed: int):
        self.clips, self.rng = clips, random.Random(seed)
        self.noise = np.random.default_rng(seed)
        self.extractor = Gemma4AudioFeatureExtractor()

    def clip(self, label: int | None = None) -> tuple[int, np.ndarray]:
        """A label and a recorded clip of it, at most 1.6 seconds long."""
        if label is None and self.rng.random() < 0.03:
            label = speech.SILENCE
        if label == speech.SILENCE:
            return label, speech.recorded(None, self.noise)
        while True:
            clip = self.rng.choice(self.clips)
            if label is None or clip.label == label:
                sound = speech.recorded(clip.samples, self.noise)
                if len(sound) <= FRAMES * 160:
                    return clip.label, sound

    def mel(self, sound: np.ndarray, frames: int = FRAMES) -> tuple[torch.Tensor, torch.Tensor]:
        """Features [frames, 128] and mask [frames], zero-padded."""
        out = self.extractor([sound], return_tensors="np")
        features = np.zeros((frames, 128), np.float32)
        mask = np.zeros(frames, bool)
        count = min(frames, out["input_features"].shape[1])
        features[:count] = out["input_features"][0][:count]
        mask[:count] = out["input_features_mask"][0][:count]
        return torch.from_numpy(features), torch.from_numpy(mask)

    def batch(self, size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Features, masks and labels of `size` clips."""
        drawn = [self.clip() for _ in range(size)]
        mels, masks = zip(*(self.mel(sound) for _, sound in drawn), strict=True)
        return torch.stack(mels), torch.stack(masks), torch.tensor([label for label, _ in drawn])


def mean_token(soft: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Mean over the real soft tokens: [B, D]."""
    weights = real.float()[..., None]
    return (soft.float() * weights).sum(1) / weights.sum(1).clamp(min=1)


def run(model, log: Log, ears: Ears, save: Callable[[], None], steps: int) -> None:
    """Train the audio tower and its projector."""
    tower = model.model.audio_tower
    # The first convolution costs as much as all the rest, and random filters serve it well.
    tower.subsample_conv_projection.layer0.requires_grad_(False)
    head = nn.Linear(HIDDEN, speech.SILENCE + 1)
    for layer in tower.layers:
        layer.compile()
    named = [
        *((f"tower.{n}", p) for n, p in tower.named_parameters()),
        *model.model.embed_audio.named_parameters(),
        *((f"head.{n}", p) for n, p in head.named_parameters()),
    ]
    optimisers = Optimisers(named, steps, muon=0.012, adam=2e-3)
    for step in range(steps):
        mels, masks, labels = ears.batch(BATCH)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = head(mean_token(*hear(model, mels, masks))).float()
        loss = F.cross_entropy(logits, labels, label_smoothing=0.05)
        loss.backward()
        optimisers.step()
        log.step(loss.detach(), step, "words", (logits.argmax(-1) == labels).float().mean())
        if step % 300 == 299:
            save()
    save()
