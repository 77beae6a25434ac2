"""Muon for the matrices inside the layers, AdamW for everything else, one schedule for both."""

import math
from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import AdamW, Optimizer

_HIDDEN_MATRIX = (
    *("_proj.weight", ".linear.weight", "embedding_projection.weight"),
    *("per_layer_model_projection.weight", "gate.weight", "per_layer_projection.weight"),
)
_NOT_HIDDEN = ("patch_embedder", "subsample_conv_projection.layer")


def _orthogonal(matrix: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Newton-Schulz iteration: about the nearest matrix whose singular values are all one."""
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = wide / (wide.norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


class Muon(Optimizer):
    """Momentum whose update is orthogonalised.

    `lr` is relative: the update's root mean square is lr * fan_in ** -0.5, so lr = 0.01 moves a
    freshly initialised matrix by one percent a step.
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: float, momentum: float = 0.95):
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure=None) -> None:
        """Apply one update."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                state["momentum"].lerp_(p.grad, 1 - group["momentum"])
                update = _orthogonal(p.grad.lerp(state["momentum"], group["momentum"]))
                scale = p.shape[1] ** -0.5 / update.pow(2).mean().sqrt().clamp(min=1e-8)
                p.mul_(1 - 0.1 * group["lr"]).add_(update, alpha=-group["lr"] * float(scale))


class Optimisers:
    """The two optimisers behind one schedule: linear warm-up, then linearly down to a floor."""

    def __init__(
        self,
        named: Iterable[tuple[str, nn.Parameter]],
        steps: int,
        muon: float,
        adam: float,
        warmup: int = 20,
        floor: float = 0.02,
    ):
        named = [(n, p) for n, p in named if p.requires_grad]
        hidden = [
            p
            for n, p in named
            if p.ndim == 2 and n.endswith(_HIDDEN_MATRIX) and not any(x in n for x in _NOT_HIDDEN)
        ]
        chosen = {id(p) for p in hidden}
        rest = [p for _, p in named if id(p) not in chosen]
        self.params = [p for _, p in named]
        self.parts = [(AdamW(rest, lr=adam, betas=(0.9, 0.98), weight_decay=0.01), adam)]
        if hidden:
            self.parts.append((Muon(hidden, lr=muon), muon))
        self.steps, self.warmup, self.floor, self.done = steps, warmup, floor, 0

    def step(self) -> None:
        """Clip, set this step's rates, update, clear the gradients."""
        left = max(self.floor, 1 - self.done / self.steps)
        part = min((self.done + 1) / self.warmup, left)
        norm = torch.nn.utils.clip_grad_norm_(self.params, 1.0)
        for optimiser, rate in self.parts:
            for group in optimiser.param_groups:
                group["lr"] = rate * part
            if math.isfinite(float(norm)):
                optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.done += 1
