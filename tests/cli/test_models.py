"""`gemma4 models`: lists, fetches, tells and deletes; nothing else goes to stdout."""

from __future__ import annotations

import fcntl
import json
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner

from gemma4_mlx.cli import main
from gemma4_mlx.cli.fit import published_weights
from gemma4_mlx.cli.model_list import model_rows
from gemma4_mlx.cli.models import _Progress
from gemma4_mlx.hub import Pick, cached_models, picks
from gemma4_mlx.memory import GIB, PUBLISHED, Machine, mac, published_config
from tests.hub.server import HUB_ID, FakeHub

EARS = ("demo", "E2B", "E4B")
POCKET = Path(str(files("gemma4_mlx") / "pocket"))


def run(*arguments: str, **options):
    return CliRunner().invoke(main, ["models", *arguments], **options)


def listed() -> dict[str, dict]:
    done = run("list", "--json")
    assert done.exit_code == 0, done.stderr
    return {row["name"]: row for row in json.loads(done.stdout)["models"]}


def got(*arguments: str) -> list[dict]:
    """What `get --json` tells, line by line."""
    return [json.loads(line) for line in run("get", *arguments, "--json").stdout.splitlines()]


@pytest.fixture
def sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Mac with 16 GB: 10.7 GiB for the GPU."""
    module = import_module("gemma4_mlx.cli.plan")  # by its name `plan` the command is found
    monkeypatch.setattr(module, "machine_of", lambda ram=None: mac(16))


@pytest.fixture
def model(hub: FakeHub) -> FakeHub:
    """The hub has the bundled model; what its weights hold does not matter here."""
    small = {path.name: path.read_bytes() for path in POCKET.iterdir() if path.suffix != ".md"}
    hub.files = {**small, "model.safetensors": b"weights" * 1000}
    return hub


@pytest.mark.usefixtures("cache")
def test_the_list_starts_with_what_comes_along():
    done = run()
    assert (done.exit_code, done.stderr) == (0, "")
    here, available = done.stdout.split("\n\n")
    assert "pocket" in here
    assert "mlx-community/gemma-4-e2b-it-4bit" in available
    assert "2026-07-27" in available
    assert here.startswith("this machine: ")
    assert run("list").stdout == done.stdout


@pytest.mark.usefixtures("cache", "sixteen")
def test_the_list_says_what_fits_this_machine_and_what_to_begin_with():
    rows = listed()
    fits = {(row["variant"], row["packing"]): row["fit"] for row in rows.values()}
    assert fits["demo", "bf16"] == fits["E2B", "4-bit"] == fits["E4B", "4-bit"] == "fits"
    assert fits["E4B", "bf16"] == "tight"
    assert fits["26B-A4B", "4-bit"] == fits["31B", "8-bit"] == "too big"
    (best,) = [row for row in rows.values() if row["is_recommended"]]
    assert (best["variant"], best["packing"]) == ("E4B", "4-bit qat")
    for row in rows.values():
        assert sum(row["plan"]["lines"].values()) == row["plan"]["total_bytes"]
        assert row["takes"] == ["text", "image", "audio"][: 2 + (row["variant"] in EARS)]
    lines = run("list").stdout.splitlines()
    assert lines[0] == "a Mac with 16 GB: 16 GB, of which a model may take 11.85 GB"
    (starred,) = [line for line in lines if line.startswith("*")]
    assert "fits     mlx-community/gemma-4-E4B-it-qat-4bit" in starred


@pytest.mark.usefixtures("cache")
def test_without_a_gpu_the_smallest_is_recommended():
    best = [row for row in model_rows(Machine(64 * GIB, 60 * GIB, item_bytes=4))]
    assert [row.variant for row in best if row.is_recommended] == ["E2B"]
    assert not [row for row in model_rows(mac(2)) if row.is_recommended]


@pytest.mark.parametrize("pick", picks(), ids=lambda pick: pick.hub_id)
def test_the_weights_of_a_published_model_are_as_large_as_its_files(pick: Pick):
    weights = published_weights(pick, published_config(pick.variant))
    assert weights.nbytes(2) / 1e9 == pytest.approx(pick.download_gb, rel=0.01)


@pytest.mark.usefixtures("cache")
def test_the_list_in_json():
    rows = listed()
    assert rows["pocket"]["state"] == "here"
    assert rows["pocket"]["packing"] == "bf16"
    assert rows["pocket"]["size_bytes"] == sum(path.stat().st_size for path in POCKET.iterdir())
    assert rows["google/gemma-4-E2B-it"]["size_bytes"] == 10_250_000_000
    assert {row["state"] for row in rows.values()} == {"here", "available"}


def test_picks_are_models_that_this_program_runs():
    assert {pick.variant for pick in picks()} == set(PUBLISHED)
    assert not [p for p in picks() if "assistant" in p.hub_id or "12B" in p.hub_id]
    assert len({pick.hub_id for pick in picks()}) == len(picks())


def test_a_fetched_model_is_listed_and_told_of(model: FakeHub):
    done = run("get", HUB_ID)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "fetched" in done.stdout
    row = listed()[HUB_ID]
    total = sum(map(len, model.files.values()))
    assert (row["state"], row["packing"], row["size_bytes"]) == ("here", "bf16", total)
    told = run("info", HUB_ID).stdout
    for text in ("window of 128", "sees and hears", "model.safetensors", "7.0 kB"):
        assert text in told
    assert "missing" not in told


def test_a_second_get_fetches_nothing(model: FakeHub):
    first = got(HUB_ID)[-1]
    again = got(HUB_ID, "--revision", "main")[-1]
    assert first["fetched_bytes"] == first["size_bytes"] == sum(map(len, model.files.values()))
    assert (again["fetched_bytes"], again["folder"]) == (0, first["folder"])
    assert again["commit"] == model.commit
    assert "all was here" in run("get", HUB_ID).stdout


def test_what_is_no_hub_id_is_told_without_asking_the_hub():
    done = run("get", "E2B")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "error: 'E2B' is no hub id: expected OWNER/NAME\n" in done.stderr
    assert "`gemma4 models` lists" in done.stderr


def test_pain_51_a_program_is_told_the_plan_the_bytes_and_the_end(model: FakeHub):
    plan, *progress, end = got(HUB_ID)
    total = sum(map(len, model.files.values()))
    assert (plan["event"], plan["total_bytes"], plan["missing_bytes"]) == ("plan", total, total)
    assert {line["event"] for line in progress} == {"progress"}
    done = [line["done_bytes"] for line in progress]
    assert done == sorted(done)
    assert (done[-1], progress[-1]["total_bytes"]) == (total, total)
    assert (end["event"], end["hub_id"]) == ("fetched", HUB_ID)
    assert (Path(end["folder"]) / "model.safetensors").is_file()


def test_a_program_is_told_what_went_wrong_and_what_is_spelled_like_it(model: FakeHub):
    done = run("get", "mlx-community/gemma-4-e2b-4bit", "--json")
    (failed,) = map(json.loads, done.stdout.splitlines())
    assert done.exit_code == failed["exit_code"] == 3
    assert "there is no model mlx-community/gemma-4-e2b-4bit" in failed["message"]
    assert "did you mean mlx-community/gemma-4-e2b-it-4bit" in failed["hint"]


def test_pain_51_a_model_that_is_not_whole_is_not_called_here(model: FakeHub):
    run("get", HUB_ID)
    (found,) = cached_models()
    (found.folder / "model.safetensors").resolve().unlink()
    row = listed()[HUB_ID]
    assert row["state"] == "incomplete"
    assert "lacks model.safetensors" in row["note"]
    assert "missing" in run("info", HUB_ID).stdout
    assert run("rm", HUB_ID, "--yes").exit_code == 0
    assert HUB_ID not in listed()


def test_a_download_that_was_cut_off_is_listed_with_what_has_come(model: FakeHub):
    model.files["model.safetensors"] = b"weights" * 1_000_000
    others = sum(1000 < len(data) < 1_000_000 for data in model.files.values())
    model.cut_after = [*([1_000_000] * others), 1_000_000, *([0] * 5)]
    assert run("get", HUB_ID).exit_code == 3
    row = listed()[HUB_ID]
    assert (row["state"], row["size_bytes"] > 1_000_000) == ("incomplete", True)
    model.cut_after.clear()
    done = got(HUB_ID)[-1]
    assert done["fetched_bytes"] == 6_000_000
    assert listed()[HUB_ID]["state"] == "here"


def test_a_broken_model_does_not_hide_the_others(model: FakeHub):
    model.files["config.json"] = b'{"model_type": "gemma4"}'
    run("get", HUB_ID)
    rows = listed()
    assert "text_config" in rows[HUB_ID]["note"]
    assert "pocket" in rows


def test_deleting_asks_first(model: FakeHub, cache: Path):
    run("get", HUB_ID)
    kept = run("rm", HUB_ID, input="n\n")
    assert (kept.exit_code, kept.stdout) == (1, "")
    assert f"{HUB_ID} is in the hub's cache, which all programs" in kept.stderr
    assert str(cache / "models--somebody--gemma-4-tiny-it") in kept.stderr
    assert "free 86.6 kB?" in kept.stderr
    assert HUB_ID in listed()
    assert run("rm", HUB_ID, input="y\n").exit_code == 0
    assert HUB_ID not in listed()
    assert not list(cache.glob("models--*"))


def test_deleting_without_a_question(model: FakeHub):
    run("get", HUB_ID)
    size = listed()[HUB_ID]["size_bytes"]
    done = json.loads(run("rm", HUB_ID, "--yes", "--json").stdout)
    assert done["hub_id"] == HUB_ID
    assert size <= done["freed_bytes"] < size + 100


def test_what_is_being_fetched_is_not_deleted(model: FakeHub, cache: Path):
    run("get", HUB_ID)
    lock = next(cache.glob(".locks/*/*.lock"))
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "is fetching" in run("rm", HUB_ID, "--yes").stderr
    assert run("rm", HUB_ID, "--yes").exit_code == 0


@pytest.mark.usefixtures("cache", "sixteen")
def test_info_of_a_published_model_needs_neither_its_files_nor_a_network():
    facts = json.loads(run("info", "mlx-community/gemma-4-31b-it-4bit", "--json").stdout)
    assert (facts["folder"], facts["cache"], facts["files"]) == (None, None, {})
    assert (facts["variant"], facts["context_length"], facts["fit"]) == ("31B", 262144, "too big")
    assert "use E4B" in facts["hint"]
    words = dict(facts["in_words"])
    assert (words["licence"], words["senses"]) == ("Apache-2.0", "sees")
    assert words["folder"] == "not on this disk"


def test_info_says_whose_the_files_are_and_what_they_fit(model: FakeHub, cache: Path):
    run("get", HUB_ID)
    facts = json.loads(run("info", HUB_ID, "--json").stdout)
    folder = cache / "models--somebody--gemma-4-tiny-it"
    held = {"folder": str(folder), "snapshots": 1, "freed_bytes": facts["size_bytes"] + 40}
    assert facts["cache"] == held
    assert "model.safetensors" in facts["damaged"]
    assert facts["licence"] == f"see https://huggingface.co/{HUB_ID}"
    pocket = run("info", "pocket").stdout
    assert "fits: " in pocket
    assert "variant   demo\n" in pocket
    assert "cache" not in pocket


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["rm", "nobody/nothing", "--yes"], 3, "not in the hub's cache"),
        (["rm", "pocket", "--yes"], 2, "a part of this program"),
        (["get", "pocket"], 2, "a part of this program"),
        (["info", "nobody/nothing"], 3, "gemma4 models get nobody/nothing"),
        (["info", "nothing"], 3, "neither a folder nor a hub id"),
        (["get", "nobody/nothing"], 3, "could not be fetched"),
        (["get"], 2, "Missing argument"),
    ],
)
def test_what_is_not_there_is_said(arguments: list[str], code: int, said: str):
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr


def test_info_of_a_folder_counts_packed_modules(tmp_path: Path):
    config = json.loads((POCKET / "config.json").read_text())
    eight = {"group_size": 64, "bits": 8}
    block = {"group_size": 64, "bits": 4, "a.b": eight, "a.c": eight}
    made = {**config, "quantization": block, "gemma4_mlx": {"recipe": "mine"}}
    (tmp_path / "config.json").write_text(json.dumps(made))
    facts = json.loads(run("info", str(tmp_path), "--json").stdout)
    assert facts["packing"] == "4-bit"
    assert facts["quantization"]["overrides"] == {"affine 8-bit, group 64": 2}
    assert facts["provenance"] == {"recipe": "mine"}
    assert "tokenizer.json" in facts["missing"]
    assert "by the recipe mine" in run("info", str(tmp_path)).stdout
    assert "affine 4-bit, group 64; 2 modules affine 8-bit" in run("info", str(tmp_path)).stdout


def test_progress_tells_bytes_speed_and_time():
    class Line:
        def status(self, text: str) -> None:
            said.append(text)

    said: list[str] = []
    clock = iter([10.0, 20.0, 20.1])
    progress = _Progress(Line(), "a/b", lambda: next(clock))
    progress(1_000_000_000, 10_000_000_000)
    progress(2_000_000_000, 10_000_000_000)
    progress(2_100_000_000, 10_000_000_000)
    assert said[-1] == "fetching a/b: 2.00 of 10.00 GB, 100.0 MB/s, 80 s left"
    assert len(said) == 2
