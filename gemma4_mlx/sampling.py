"""From logits to the next token: temperature, then top-k, top-p and min-p, all in float32.

What the caller asks for wins over the checkpoint's generation_config.json (the published ones
say temperature 1.0, top_k 64, top_p 0.95); where neither says anything, the best token is taken.

Reference: transformers `generation/logits_process.py`, `TemperatureLogitsWarper`,
    `TopKLogitsWarper`, `TopPLogitsWarper`, `MinPLogitsWarper`, in that order.
Differs: of equal logits at the border of top-k exactly k are kept, not all of them; a top_k that
    nobody names is off, not 50.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypedDict, Unpack

import mlx.core as mx

from gemma4_mlx.errors import ConfigError, UsageError

GREEDY_BELOW = 1e-6
"""A temperature under this is 0: dividing by it would leave float32."""


class SamplingOptions(TypedDict, total=False):
    """What a caller may ask for; None or absent leaves it to the checkpoint."""

    temperature: float | None
    top_k: int | None
    top_p: float | None
    min_p: float | None
    seed: int | None


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """How to choose the next token.

    Attributes:
        temperature: logits are divided by it; 0 takes the best token, always.
        top_k: keep this many of the best tokens; 0 keeps all.
        top_p: keep the best tokens until their probabilities sum to this; 1 keeps all.
        min_p: keep tokens at least this fraction as probable as the best; 0 keeps all.
        seed: equal seeds give equal choices; None draws a new one for every sampler.

    Raises:
        UsageError: a value out of its range.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    seed: int | None = None

    def __post_init__(self) -> None:
        _check_number("temperature", self.temperature, 100.0)
        _check_number("top_p", self.top_p, 1.0)
        _check_number("min_p", self.min_p, 1.0)
        _check_whole("top_k", self.top_k, 2**31 - 1)
        if self.seed is not None:
            _check_whole("seed", self.seed, 2**64 - 1)

    @property
    def is_greedy(self) -> bool:
        """Whether the best token is taken, always."""
        return self.temperature < GREEDY_BELOW

    @classmethod
    def from_generation_config(
        cls, config: Mapping[str, Any], **options: Unpack[SamplingOptions]
    ) -> SamplingParams:
        """The caller's options over the checkpoint's defaults over greedy.

        A caller who asks for top_k, top_p or min_p alone wants to sample, so a greedy
        checkpoint then samples at temperature 1.

        Args:
            config: generation_config.json as read; empty where a checkpoint has none.
            options: what the caller asks for.

        Raises:
            ConfigError: generation_config.json holds a bad value.
            UsageError: an option out of its range.
        """
        given: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
        declared = {
            field.name: config[field.name]
            for field in fields(cls)
            if field.name != "seed" and config.get(field.name) is not None
        }
        temperature = declared.pop("temperature", 1.0)
        sampled = config.get("do_sample", False)
        try:
            default = cls(temperature=temperature if sampled else 0.0, **declared)
        except UsageError as error:
            raise ConfigError(f"generation_config.json: {error.message}") from None
        nothing_cut = {"top_k": 0, "top_p": 1.0, "min_p": 0.0}
        cuts = any(given.get(name, nothing) != nothing for name, nothing in nothing_cut.items())
        if default.is_greedy and cuts:
            given.setdefault("temperature", 1.0)
        return replace(default, **given)


class Sampler:
    """Chooses tokens; keeps its own random key, so nothing global is seeded.

    Args:
        params: how to choose.
        banned: token ids that must never come, such as the media's.
    """

    def __init__(self, params: SamplingParams, *, banned: Collection[int] = ()) -> None:
        self.params = params
        self._banned = sorted(set(banned))
        self._penalty = mx.zeros(0)  # [V], made when the first logits say how long it is
        self._key = mx.random.key(secrets.randbits(64) if params.seed is None else params.seed)

    def __call__(self, logits: mx.array) -> mx.array:
        """The next token of each row, not yet evaluated.

        Args:
            logits: [B, V], any float dtype; worked on in float32.

        Returns:
            uint32 [B].
        """
        logits = self._without_banned(logits.astype(mx.float32))
        if self.params.is_greedy:
            return mx.argmax(logits, axis=-1)
        self._key, key = mx.random.split(self._key)
        scores, tokens = self._candidates(logits / self.params.temperature)
        choice = mx.random.categorical(scores, key=key)  # [B]
        if tokens is None:
            return choice
        return mx.take_along_axis(tokens, choice[:, None], axis=-1)[:, 0]

    def _without_banned(self, logits: mx.array) -> mx.array:
        if not self._banned:
            return logits
        if self._penalty.shape[-1] != logits.shape[-1]:
            vocabulary = logits.shape[-1]
            # MLX writes where an index points, also outside of the array.
            inside = [token for token in self._banned if 0 <= token < vocabulary]
            self._penalty = mx.zeros(vocabulary)
            if inside:
                self._penalty[mx.array(inside)] = -math.inf
        return logits + self._penalty

    def _candidates(self, scores: mx.array) -> tuple[mx.array, mx.array | None]:
        """Scores of the tokens still in the race, and their ids (None: scores are by id)."""
        tokens = None
        vocabulary = scores.shape[-1]
        if 0 < self.params.top_k < vocabulary:
            tokens = _best(scores, self.params.top_k)
            scores = mx.take_along_axis(scores, tokens, axis=-1)  # [B, k]
        if self.params.top_p < 1.0:
            order = mx.argsort(-scores, axis=-1)
            scores = _keep_nucleus(mx.take_along_axis(scores, order, axis=-1), self.params.top_p)
            tokens = order if tokens is None else mx.take_along_axis(tokens, order, axis=-1)
        if self.params.min_p > 0.0:
            # The ratio of two probabilities is the difference of their logarithms.
            floor = scores.max(axis=-1, keepdims=True) + math.log(self.params.min_p)
            scores = mx.where(scores < floor, -math.inf, scores)
        return scores, tokens


def _best(scores: mx.array, k: int) -> mx.array:
    """Ids [B, k] of the k best of scores [B, V], in no order.

    The k best stand in the k blocks with the best maxima. Looking there alone partitions about
    2 * sqrt(V * k) scores, not all V of them.
    """
    batch, vocabulary = scores.shape
    size = 1 << (math.isqrt(vocabulary // k).bit_length() - 1)
    if size == 1 or vocabulary % size:
        return _partition(scores, k)
    blocks = scores.reshape(batch, -1, size)
    chosen = _partition(blocks.max(axis=-1), k)[..., None]  # [B, k, 1]
    ids = (chosen * size + mx.arange(size)).reshape(batch, -1)
    inside = mx.take_along_axis(blocks, chosen, axis=1).reshape(batch, -1)
    return mx.take_along_axis(ids, _partition(inside, k), axis=-1)


def _partition(scores: mx.array, k: int) -> mx.array:
    return mx.argpartition(-scores, k - 1, axis=-1)[:, :k]


def _keep_nucleus(scores: mx.array, top_p: float) -> mx.array:
    """Mask what comes after `top_p` of the mass in scores [B, S] sorted from best to worst."""
    probabilities = mx.softmax(scores, axis=-1)
    mass_before = mx.cumsum(probabilities, axis=-1) - probabilities
    best = mx.arange(scores.shape[-1]) == 0  # stays, even for top_p 0
    return mx.where(best | (mass_before < top_p), scores, -math.inf)


def _check_number(name: str, value: Any, most: float) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= most:  # a NaN fails the comparison too
        raise UsageError(f"{name} {value!r}: expected a number from 0 to {most:g}")


def _check_whole(name: str, value: Any, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise UsageError(f"{name} {value!r}: expected a whole number from 0 to {most}")
