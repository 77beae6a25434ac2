"""A mixture of experts: many narrow MLPs, of which each position is read by a few.

Reference: transformers `Gemma4TextRouter`, `Gemma4TextExperts`.
Differs: all experts are one stacked array per projection. Each position's products are gathered
from it in place; a long prompt is first sorted by expert, so that it costs what its active
experts cost and reads each of them once.
"""

from __future__ import annotations

import mlx.core as mx
import mlx.nn as nn

from gemma4_mlx.config import ExpertSpec, PackedFormat, TextConfig
from gemma4_mlx.layers import gated_gelu

SORTED_FROM = 64
"""Products (positions x active experts) from which on sorting pays."""


class Router(nn.Module):
    """Chooses the experts of each position, in float32."""

    def __init__(self, config: TextConfig, experts: ExpertSpec) -> None:
        super().__init__()
        self._active = experts.active
        self._eps = config.rms_norm_eps
        self.proj = nn.Linear(config.hidden_size, experts.count, bias=False)
        self.scale = mx.ones((config.hidden_size,))
        self.per_expert_scale = mx.ones((experts.count,))

    def __call__(self, x: mx.array) -> tuple[mx.array, mx.array]:
        """Choose.

        The shares are a softmax over all experts, cut to the chosen ones and made to sum to 1
        again, which is the softmax over the chosen ones.

        Args:
            x: the residual [B * L, D], before any norm.

        Returns:
            Shares, float32 [B * L, active], times each expert's own scale; and the experts'
            indices, [B * L, active].
        """
        scale = self["scale"].astype(mx.float32) * x.shape[-1] ** -0.5
        normed = mx.fast.rms_norm(x.astype(mx.float32), scale, self._eps)
        scores = self["proj"](normed).astype(mx.float32)
        chosen = mx.argpartition(scores, kth=-self._active, axis=-1)[..., -self._active :]
        shares = mx.softmax(mx.take_along_axis(scores, chosen, axis=-1), axis=-1)
        return shares * self["per_expert_scale"][chosen].astype(mx.float32), chosen


class ExpertLinear(nn.Module):
    """The same projection of every expert, stacked: [E, output_dims, input_dims]."""

    def __init__(self, experts: int, input_dims: int, output_dims: int) -> None:
        super().__init__()
        bound = input_dims**-0.5
        self.weight = mx.random.uniform(-bound, bound, (experts, output_dims, input_dims))

    def __call__(self, x: mx.array, experts: mx.array, is_sorted: bool) -> mx.array:
        """X [..., 1, input_dims], each by its expert -> [..., 1, output_dims]."""
        weight = self["weight"].swapaxes(-1, -2)
        if x.dtype != mx.float32 and mx.default_device() == mx.cpu:
            # The CPU backend gathers in float32 only.
            wide = mx.gather_mm(
                x.astype(mx.float32),
                weight.astype(mx.float32),
                rhs_indices=experts,
                sorted_indices=is_sorted,
            )
            return wide.astype(x.dtype)
        return mx.gather_mm(x, weight, rhs_indices=experts, sorted_indices=is_sorted)

    def to_quantized(self, group_size: int, bits: int, mode: str) -> PackedExpertLinear:
        """The same, packed."""
        return PackedExpertLinear(self.weight, PackedFormat(group_size, bits, mode))


class PackedExpertLinear(nn.Module):
    """`ExpertLinear` with packed weights."""

    def __init__(self, weight: mx.array, packed: PackedFormat) -> None:
        super().__init__()
        self._packed = packed
        self.weight, self.scales, *biases = mx.quantize(
            weight, group_size=packed.group_size, bits=packed.bits, mode=packed.mode
        )
        if biases:
            self.biases = biases[0]

    def __call__(self, x: mx.array, experts: mx.array, is_sorted: bool) -> mx.array:
        """See `ExpertLinear`."""
        return mx.gather_qmm(
            x,
            self["weight"],
            self["scales"],
            self.get("biases"),
            rhs_indices=experts,
            transpose=True,
            group_size=self._packed.group_size,
            bits=self._packed.bits,
            mode=self._packed.mode,
            sorted_indices=is_sorted,
        )


class ExpertMLP(nn.Module):
    """down(gelu(gate(x)) * up(x)), each row by its own expert."""

    def __init__(self, hidden_size: int, experts: ExpertSpec) -> None:
        super().__init__()
        count, width = experts.count, experts.intermediate_size
        self.gate_proj = ExpertLinear(count, hidden_size, width)
        self.up_proj = ExpertLinear(count, hidden_size, width)
        self.down_proj = ExpertLinear(count, width, hidden_size)

    def __call__(self, x: mx.array, experts: mx.array, is_sorted: bool) -> mx.array:
        """[..., 1, D] -> [..., 1, D]."""
        gate = self["gate_proj"](x, experts, is_sorted)
        up = self["up_proj"](x, experts, is_sorted)
        return self["down_proj"](gated_gelu(gate, up), experts, is_sorted)


class Experts(nn.Module):
    """All experts of a layer."""

    def __init__(self, hidden_size: int, experts: ExpertSpec) -> None:
        super().__init__()
        self.switch_glu = ExpertMLP(hidden_size, experts)

    def __call__(self, x: mx.array, shares: mx.array, chosen: mx.array) -> mx.array:
        """Let each row be read by its experts.

        Args:
            x: [B * L, D].
            shares: float32 [B * L, active].
            chosen: indices of experts, [B * L, active].

        Returns:
            [B * L, D], the sum of the experts' results by their shares.
        """
        read = self._sorted if chosen.size >= SORTED_FROM else self._in_order
        return (read(x, chosen) * shares[..., None]).sum(axis=-2).astype(x.dtype)

    def _in_order(self, rows: mx.array, chosen: mx.array) -> mx.array:
        """[B * L, D] and [B * L, active] -> [B * L, active, D]."""
        return self["switch_glu"](rows[:, None, None, :], chosen, False)[..., 0, :]

    def _sorted(self, rows: mx.array, chosen: mx.array) -> mx.array:
        """The same, reading the experts one after the other."""
        active = chosen.shape[-1]
        order = mx.argsort(chosen.reshape(-1))
        by_expert = rows[order // active][:, None, :]
        results = self["switch_glu"](by_expert, chosen.reshape(-1)[order], True)[:, 0, :]
        return results[mx.argsort(order)].reshape(*chosen.shape, -1)
