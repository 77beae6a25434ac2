"""`gemma4 plan`: an answer before a download."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gemma4_mlx.cli import main
from gemma4_mlx.cli.plan import TABLE_GIB
from gemma4_mlx.memory import PUBLISHED

README = Path(__file__).parents[2] / "README.md"


def run(*arguments):
    return CliRunner().invoke(main, ["plan", *map(str, arguments)])


def as_json(*arguments):
    done = run(*arguments, "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize("variant", PUBLISHED)
@pytest.mark.parametrize("gib", [8, 32])
def test_a_person_reads_it_in_80_columns(variant, gib):
    done = run(variant, "--ram", gib)
    assert (done.exit_code, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 80
    first = done.stdout.splitlines()[0]
    assert first.startswith(f"{variant} on a Mac with {gib} GB: ")


def test_the_lines_add_up():
    said = as_json("E4B", "--ram", 8)
    assert sum(said["lines"].values()) == said["total_bytes"]
    assert said["total_bytes"] <= said["limit_bytes"]
    assert said["verdict"] == "fits"
    assert said["choice"]["per_layer_table"] == "mapped"
    assert said["comfortable_context"] <= said["largest_context"]


def test_the_keys_stay():
    said = as_json("26B-A4B", "--ram", 16, "--context", 4096, "--image-tokens", 0)
    assert set(said) == {
        *("model", "weights", "machine", "context", "image_tokens", "hears", "verdict", "lines"),
        *("total_bytes", "limit_bytes", "choice", "largest_context", "comfortable_context"),
        "hint",
    }
    assert set(said["choice"]) == {
        *("chunk", "per_layer_table", "kv_bits", "kv_folded", "keeps_towers")
    }
    assert (said["verdict"], said["context"], said["image_tokens"]) == ("too big", 4096, 0)
    assert said["hint"].startswith("use E4B")


def test_the_bundled_model_is_planned_from_its_files():
    said = as_json("pocket", "--ram", 8)
    assert said["verdict"] == "fits"
    assert said["weights"].endswith("gemma4_mlx/pocket")
    smaller = as_json("pocket", "--ram", 8, "--recipe", "plain-4")
    assert smaller["weights"] == "the recipe plain-4"
    assert smaller["lines"]["body"] < said["lines"]["body"]


def test_a_hub_id_is_planned_as_its_repository_packs_it():
    plain = as_json("google/gemma-4-E2B-it", "--ram", 64)
    packed = as_json("mlx-community/gemma-4-e2b-it-4bit", "--ram", 64)
    assert (plain["weights"], packed["weights"]) == ("the recipe bf16", "the recipe plain-4")
    sizes = [
        sum(said["lines"][part] for part in ("body", "embedding", "per_layer_table"))
        for said in (plain, packed)
    ]
    assert sizes[1] < sizes[0] / 3


def test_this_machine_is_meant_unless_told():
    machine = as_json("E2B")["machine"]
    assert machine["usable_bytes"] < machine["ram_bytes"]


@pytest.mark.parametrize(
    ("arguments", "said", "exit_code"),
    [
        (["E2B", "--context", 200000], "a context of 200000 tokens: this model has", 2),
        (["E2B", "--ram", 0], "--ram 0: expected gigabytes above 0", 2),
        (["E2B", "--image-tokens", 300], "'300' is not one of", 2),
        (["E2B", "--recipe", "odd"], "there is no recipe 'odd'", 2),
        (["nobody/has-this"], "no model 'nobody/has-this'", 3),
        ([], "Missing argument 'MODEL'", 2),
        (["E2B", "--table"], "--table stands alone", 2),
    ],
)
def test_what_cannot_be_planned(arguments, said, exit_code):
    done = run(*arguments)
    assert said in done.stderr
    assert done.exit_code == exit_code


def test_the_readme_has_the_table():
    done = run("--table")
    assert done.exit_code == 0
    rows = done.stdout.splitlines()
    assert len(rows) == 2 + len(PUBLISHED)
    assert rows[0].count("|") == len(TABLE_GIB) + 3
    assert done.stdout in README.read_text(encoding="utf-8")
