"""What one benchmark found: figures, and what they are of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from gemma4_mlx.errors import SessionError


@dataclass(frozen=True, slots=True)
class Figure:
    """A quantity that is measured.

    Attributes:
        name: by which results keep it.
        label: for people.
        unit: of its values.
        less_is_better: whether a smaller value is the better one.
        is_exact: whether it is the same each time, and not timed.
    """

    name: str
    label: str
    unit: str
    less_is_better: bool = True
    is_exact: bool = False


FIGURES = (
    Figure("load_s", "load the model", "s"),
    Figure("short_prompt_tokens_per_s", "read a prompt of 512 tokens", "tokens/s", False),
    Figure("long_prompt_tokens_per_s", "read a prompt of 2048 tokens", "tokens/s", False),
    Figure("decode_tokens_per_s", "write, at the beginning", "tokens/s", False),
    Figure("deep_decode_tokens_per_s", "write, behind 2048 tokens", "tokens/s", False),
    Figure("picture_s", "see a picture of 280 tokens", "s"),
    Figure("cold_turn_s", "first token of a conversation of 2048 tokens", "s"),
    Figure("warm_turn_s", "first token of its next turn", "s"),
    Figure("peak_bytes", "the most that MLX held", "bytes", is_exact=True),
)
"""In the order in which they are shown. A prompt's rate never counts what came from a cache."""


@dataclass(frozen=True, slots=True)
class Result:
    """One benchmark.

    Attributes:
        model: as it was asked for.
        identity: of the model's weights and config: its folder may hold another one tomorrow.
        machine: chip or processor, cores and memory.
        backend: where MLX computed, and in which dtype.
        versions: of this program and of MLX.
        taken_at: when, in ISO 8601 with the zone.
        values: figure -> median of the rounds. A figure that the model has not is missing.
        rounds: figure -> what each round took, for those that are taken several times. Results of
            early versions have none.
    """

    model: str
    identity: str
    machine: str
    backend: str
    versions: Mapping[str, str]
    taken_at: str
    values: Mapping[str, float]
    rounds: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def is_comparable(self, other: Result) -> bool:
        """Whether both are of the same model on the same machine, whatever the versions."""
        return (self.identity, self.machine, self.backend) == (
            other.identity,
            other.machine,
            other.backend,
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Any) -> Result:
        """The inverse of `to_json`.

        Raises:
            SessionError: it is something else.
        """
        try:
            result = cls(**raw)
            rounds = [value for values in result.rounds.values() for value in values]
            if all(isinstance(value, int | float) for value in [*result.values.values(), *rounds]):
                return result
        except (TypeError, AttributeError):
            pass
        raise SessionError("not a result of a benchmark")
