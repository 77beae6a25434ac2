"""How often the bundled model is right on what it never saw, through the public API.

python -m tests.e2e.scores
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import gemma4_mlx as g4
from gemma4_mlx.events import TextDelta
from tests.pocket.heldout import Case, cases

BUDGETS = (70, 140, 280)


@dataclass
class Score:
    """Right answers of one task.

    Attributes:
        right: answers that are exact, to the last character.
        asked: all answers.
        wrong: what was said instead: (expected, said).
    """

    right: int = 0
    asked: int = 0
    wrong: list[tuple[str, str]] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Of right answers."""
        return self.right / self.asked

    def add(self, expected: str, said: str) -> None:
        """Count one answer."""
        self.asked += 1
        if said == expected:
            self.right += 1
        else:
            self.wrong.append((expected, said))


def answer(model: Any, processor: Any, case: Case) -> str:
    """What the model says, greedily."""
    events = g4.stream(model, processor, case.messages, max_tokens=64)
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def scores(model: Any, processor: Any, asked: Iterable[Case]) -> dict[str, Score]:
    """Task -> score."""
    found: defaultdict[str, Score] = defaultdict(Score)
    for case in asked:
        found[case.task].add(case.answer, answer(model, processor, case))
    return dict(found)


def main() -> None:
    """Print a table: a row per task, a column per budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wrong", action="store_true", help="print wrong answers, too")
    arguments = parser.parse_args()
    model, processor = g4.load("pocket")
    columns = {budget: scores(model, processor, cases(budget)) for budget in BUDGETS}
    print(f"{'task':<12}" + "".join(f"{budget:>14}" for budget in BUDGETS))
    for task in columns[BUDGETS[0]]:
        shown = [column[task] for column in columns.values()]
        print(f"{task:<12}" + "".join(f"{s.right:>6}/{s.asked:<4}{s.share:>.0%}" for s in shown))
        for score in shown if arguments.wrong else []:
            for expected, said in score.wrong:
                print(f"    expected {expected!r}, said {said!r}")


if __name__ == "__main__":
    main()
