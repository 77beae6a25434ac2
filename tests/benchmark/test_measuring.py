"""The bundled model is measured, and `gemma4 bench` tells what it found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gemma4_mlx import benchmark
from gemma4_mlx.benchmark import FIGURES, History, Result
from gemma4_mlx.cli import main
from tests.benchmark.test_history import BASE, with_rounds, with_values


@pytest.fixture(scope="module")
def result() -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gemma4_mlx.benchmark.measuring.SHORT", 16)
        patch.setattr("gemma4_mlx.benchmark.measuring.LONG", 48)
        patch.setattr("gemma4_mlx.benchmark.measuring.NEW", 4)
        patch.setattr("gemma4_mlx.benchmark.measuring.PICTURE_TOKENS", 70)
        patch.setattr("gemma4_mlx.benchmark.measuring.PICTURE_SIZE", (96, 96))
        return benchmark.measure("pocket", rounds=1)


def test_every_figure_is_there_and_says_something(result: Result):
    assert set(result.values) == {figure.name for figure in FIGURES}
    assert all(value > 0 for value in result.values.values())
    assert {name: [result.values[name]] for name in result.rounds} == result.rounds
    assert set(result.values) - set(result.rounds) == {"load_s", "peak_bytes"}


def test_rounds_take_turns_and_the_first_warms_up(monkeypatch: pytest.MonkeyPatch):
    told: list[str] = []
    times = iter([9.0, 9.0, 0.1, 3.0, 0.2, 2.0, 0.3, 1.0])
    works = {"picture_s": lambda: next(times), "warm_turn_s": lambda: next(times)}
    monkeypatch.setattr("gemma4_mlx.benchmark.measuring._Bench.works", lambda _: works)
    result = benchmark.measure("pocket", 3, told.append)
    assert told == ["loading", *[*works] * 4]
    assert result.rounds == {"picture_s": [0.1, 0.2, 0.3], "warm_turn_s": [3.0, 2.0, 1.0]}
    assert (result.values["picture_s"], result.values["warm_turn_s"]) == (0.2, 2.0)


def test_it_says_what_was_measured_where(result: Result):
    assert len(result.identity) == 64
    assert set(result.versions) == {"gemma4-mlx", "mlx"}
    assert "cores" in result.machine
    assert "GiB" in result.machine


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("GEMMA4_HOME", str(tmp_path))
    found = BASE

    def run(result: Result, *options: str) -> str:
        nonlocal found
        found = result
        done = CliRunner().invoke(main, ["bench", *options])
        assert done.exit_code == 0, done.output
        return done.output

    monkeypatch.setattr(benchmark, "measure", lambda *_: found)
    return run


def test_the_second_time_it_compares(bench):
    assert "first time" in bench(BASE)
    told = bench(with_values(decode_tokens_per_s=25.0))
    assert "slower by 100%: write, at the beginning, 25.0 tokens/s, was 50.0 tokens/s" in told
    assert "gemma4-mlx 0.1.0" in told
    assert len(History().results()) == 2


def test_a_run_of_one_round_says_that_it_cannot_be_compared(bench):
    bench(with_rounds(0.2))
    told = bench(with_rounds(0.4))
    assert "slower by" not in told
    assert "Whether that is slower cannot be told: it takes --rounds 3 or more." in told
    assert "None with the 3 rounds that it takes" in bench(with_rounds(0.4, 0.4, 0.4))
    assert "None with" not in bench(with_rounds(0.4, 0.4, 0.4))


def test_as_json_without_keeping(bench):
    bench(BASE)
    told = json.loads(bench(with_values(warm_turn_s=3.0), "--json", "--no-save"))
    assert [each["figure"] for each in told["slower"]] == ["warm_turn_s"]
    assert len(History().results()) == 1
