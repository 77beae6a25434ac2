"""Results of earlier benchmarks, one line of JSON each, and what got slower since."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gemma4_mlx.benchmark.result import FIGURES, Figure, Result
from gemma4_mlx.errors import SessionError, UsageError
from gemma4_mlx.folders import state_folder

_LOG = logging.getLogger(__name__)

TOLERANCE = 0.10
"""From which share on a figure counts as worse. Two runs on a Mac that does nothing else differ
by a few percent, and a warm one is slower than a cool one."""

ENOUGH_ROUNDS = 3
"""Of a figure that is timed, in both runs. Of two equal runs of three rounds each, all of the one
are slower than all of the other in one case of twenty; of two of one round each, in one of two."""


class History:
    """All results of this user.

    Args:
        path: of the file; None for the usual one.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or state_folder() / "bench.jsonl"

    def results(self) -> list[Result]:
        """What was kept, oldest first. A line that is damaged is told in the log and left out."""
        try:
            lines = self.path.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"{self.path} cannot be read: {error}", "move it away; a new one is begun"
            ) from None
        found = []
        for number, line in enumerate(lines, 1):
            try:
                found.append(Result.from_json(json.loads(line)))
            except (ValueError, SessionError):
                _LOG.warning("%s, line %d: not a result of a benchmark", self.path, number)
        return found

    def like(self, result: Result) -> list[Result]:
        """Earlier ones of the same model on the same machine, oldest first."""
        return [each for each in self.results() if each.is_comparable(result)]

    def keep(self, result: Result) -> None:
        """Add one.

        Raises:
            UsageError: the file cannot be written.
        """
        line = json.dumps(result.to_json(), ensure_ascii=False, allow_nan=False)
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
        except OSError as error:
            raise UsageError(
                f"{self.path} cannot be written: {error.strerror}",
                "the figures are not kept; GEMMA4_HOME names another folder",
            ) from None


@dataclass(frozen=True, slots=True)
class Slower:
    """A figure that was better before.

    Attributes:
        figure: which.
        before, now: its values.
        then: the result with the better value.
    """

    figure: Figure
    before: float
    now: float
    then: Result

    @property
    def share(self) -> float:
        """How much worse it is: 0.25 for a quarter."""
        worse, better = (
            (self.now, self.before) if self.figure.less_is_better else (self.before, self.now)
        )
        return worse / better - 1


def slower(result: Result, earlier: Sequence[Result]) -> list[Slower]:
    """What is worse by more than `TOLERANCE` than the best of the earlier results, beyond noise.

    The best and not the last: a program that loses five percent with each version is caught, too.
    Of figures that are timed, only runs of `ENOUGH_ROUNDS` are compared, and even the best round
    must be worse than all rounds of that result. So loading, which is done once, is not judged.
    """
    found = []
    for figure in FIGURES:
        known = [each for each in earlier if _is_sure(each, figure)]
        if not known or not _is_sure(result, figure):
            continue
        choose = min if figure.less_is_better else max
        best = choose(known, key=lambda each: each.values[figure.name])
        one = Slower(figure, best.values[figure.name], result.values[figure.name], best)
        if one.share > TOLERANCE and _is_beyond_noise(result, best, figure):
            found.append(one)
    return found


def can_tell(result: Result) -> bool:
    """Whether a result holds enough rounds to be called slower, or others slower than it."""
    return any(_is_sure(result, figure) for figure in FIGURES if not figure.is_exact)


def _is_sure(result: Result, figure: Figure) -> bool:
    if result.values.get(figure.name, 0) <= 0:
        return False
    return figure.is_exact or len(result.rounds.get(figure.name, ())) >= ENOUGH_ROUNDS


def _is_beyond_noise(result: Result, before: Result, figure: Figure) -> bool:
    """Whether the rounds of both do not overlap."""
    if figure.is_exact:
        return True
    now, then = result.rounds[figure.name], before.rounds[figure.name]
    return min(now) > max(then) if figure.less_is_better else max(now) < min(then)
