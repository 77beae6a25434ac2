"""The stopwatch itself."""

from __future__ import annotations

import pytest

from tests.bench.processes import Figure, python, run

SLEEP_S = 0.3


def test_the_first_output_is_timed_apart_from_the_end():
    done = run(python(f"import time; print('a', flush=True); time.sleep({SLEEP_S}); print('b')"))
    assert done.output == "a\nb\n"
    assert done.total_s - done.first_output_s > 0.8 * SLEEP_S


def test_a_failed_command_ends_the_benchmark():
    with pytest.raises(SystemExit, match="ended with 3"):
        run(python("raise SystemExit(3)"))


def test_a_figure_reports_its_spread():
    figure = Figure("a", "s", (3.0, 1.0, 2.0, 9.0)).as_json()
    assert (figure["min"], figure["median"], figure["max"], figure["runs"]) == (1.0, 2.5, 9.0, 4)
