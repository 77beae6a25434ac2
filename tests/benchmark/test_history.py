"""Results of benchmarks are kept, compared with their like, and regressions are told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from gemma4_mlx.benchmark import FIGURES, History, Result, can_tell, slower
from gemma4_mlx.errors import SessionError, UsageError

BASE = Result(
    model="pocket",
    identity="abc",
    machine="a chip, 8 cores, 16 GiB, Darwin",
    backend="Metal, bfloat16",
    versions={"gemma4-mlx": "0.1.0", "mlx": "0.32.4"},
    taken_at="2026-11-20T12:00:00+01:00",
    values={"load_s": 1.0, "decode_tokens_per_s": 50.0, "warm_turn_s": 0.2, "peak_bytes": 4e9},
    rounds={"decode_tokens_per_s": [49.0, 50.0, 51.0], "warm_turn_s": [0.19, 0.2, 0.21]},
)


def with_values(**values: float) -> Result:
    """Another result; rounds that are timed differ by two percent."""
    timed = {name: value for name, value in values.items() if name in BASE.rounds}
    rounds = {name: [value * 0.98, value, value * 1.02] for name, value in timed.items()}
    return replace(BASE, values={**BASE.values, **values}, rounds={**BASE.rounds, **rounds})


def with_rounds(*warm_turn_s: float) -> Result:
    """Another result, of so many rounds."""
    values = {**BASE.values, "warm_turn_s": median(warm_turn_s)}
    return replace(BASE, values=values, rounds={"warm_turn_s": list(warm_turn_s)})


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "bench.jsonl")


def test_what_is_kept_comes_back_oldest_first(history: History):
    assert history.results() == []
    history.keep(BASE)
    history.keep(with_values(load_s=2.0))
    assert history.results() == [BASE, with_values(load_s=2.0)]


@pytest.mark.parametrize("field", ["identity", "machine", "backend"])
def test_only_the_same_model_on_the_same_machine_is_compared(history: History, field: str):
    history.keep(replace(BASE, **{field: "another"}))
    history.keep(replace(BASE, versions={"gemma4-mlx": "0.0.9"}))
    assert [each.versions for each in history.like(BASE)] == [{"gemma4-mlx": "0.0.9"}]


def test_pain_59_a_later_run_that_is_slower_is_told():
    now = with_values(decode_tokens_per_s=40.0, load_s=1.05, warm_turn_s=0.3)
    found = {each.figure.name: each for each in slower(now, [BASE])}
    assert set(found) == {"decode_tokens_per_s", "warm_turn_s"}
    assert found["decode_tokens_per_s"].share == pytest.approx(0.25)
    assert found["warm_turn_s"].share == pytest.approx(0.5)
    assert found["warm_turn_s"].then == BASE


@pytest.mark.parametrize("rounds", [(0.4,), (0.4, 0.41)])
def test_pain_59_what_too_few_rounds_show_is_not_told(rounds: tuple[float, ...]):
    few, many = with_rounds(*rounds), with_rounds(0.4, 0.41, 0.42)
    assert slower(few, [BASE]) == []
    assert slower(many, [with_rounds(0.2), with_rounds(0.2, 0.21)]) == []
    assert [each.figure.name for each in slower(many, [BASE])] == ["warm_turn_s"]
    assert (can_tell(few), can_tell(many)) == (False, True)


def test_a_run_of_few_rounds_does_not_stand_before_one_that_can_be_compared():
    (found,) = slower(with_rounds(0.4, 0.4, 0.4), [BASE, with_rounds(0.1)])
    assert found.then == BASE


def test_pain_59_rounds_that_overlap_are_noise():
    assert slower(with_rounds(0.2, 0.34, 0.4), [BASE]) == []
    assert slower(with_rounds(0.3, 0.34, 0.4), [with_rounds(0.1, 0.2, 0.31)]) == []
    assert len(slower(with_rounds(0.3, 0.34, 0.4), [with_rounds(0.1, 0.2, 0.29)])) == 1


def test_memory_is_judged_whatever_the_rounds_and_loading_never():
    (found,) = slower(replace(with_rounds(0.2), values={"load_s": 9, "peak_bytes": 5e9}), [BASE])
    assert (found.figure.name, found.share) == ("peak_bytes", 0.25)


def test_a_result_of_an_early_version_has_no_rounds(history: History):
    raw = BASE.to_json()
    del raw["rounds"]
    assert Result.from_json(raw) == replace(BASE, rounds={})
    assert slower(with_values(warm_turn_s=0.5), [Result.from_json(raw)]) == []


def test_faster_and_leaner_is_no_complaint():
    assert slower(with_values(decode_tokens_per_s=90.0, load_s=0.5, peak_bytes=3e9), [BASE]) == []


def test_small_steps_down_add_up():
    steps = [with_values(decode_tokens_per_s=50 * 0.95**n) for n in range(4)]
    assert slower(steps[1], steps[:1]) == []
    (found,) = slower(steps[3], steps[:3])
    assert found.before == 50


def test_a_figure_that_one_of_them_lacks_is_left_out():
    assert slower(with_values(picture_s=9.0), [BASE]) == []


def test_a_damaged_line_costs_that_line_alone(history: History, caplog: pytest.LogCaptureFixture):
    history.keep(BASE)
    with history.path.open("a") as file:
        file.write('{"model": "x"}\n[1]\n{"half\n')
    history.keep(BASE)
    assert history.results() == [BASE, BASE]
    assert [record.args[1] for record in caplog.records] == [2, 3, 4]


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path):
    folder = History(tmp_path)
    with pytest.raises(UsageError, match=str(tmp_path)):
        folder.results()
    with pytest.raises(UsageError, match=str(tmp_path)):
        folder.keep(BASE)


def test_values_must_be_numbers():
    with pytest.raises(SessionError):
        Result.from_json({**BASE.to_json(), "values": {"load_s": "fast"}})
    for rounds in ({"load_s": 1.0}, {"load_s": ["fast"]}, [1.0]):
        with pytest.raises(SessionError):
            Result.from_json({**BASE.to_json(), "rounds": rounds})


def test_every_figure_has_its_own_name():
    assert len({figure.name for figure in FIGURES}) == len(FIGURES)
