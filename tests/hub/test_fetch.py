"""Fetching from a hub that drops, stalls, cuts, damages and changes: right, or not at all."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

import pytest
from huggingface_hub import constants

from gemma4_mlx.errors import CheckpointError, ModelNotFoundError
from gemma4_mlx.hub import fetch, obtain, plan_download
from gemma4_mlx.hub.layout import ModelFolder
from gemma4_mlx.loading import find_checkpoint
from tests.hub import server
from tests.hub.conftest import content
from tests.hub.server import HUB_ID, FakeHub

BIG = "model-00001-of-00002.safetensors"
WANTED = set(content()) - {"README.md", "original/params.json"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def wanted(hub: FakeHub) -> dict[str, bytes]:
    return {name: data for name, data in hub.files.items() if name in WANTED}


def partials(cache: Path) -> list[Path]:
    return list(cache.rglob("*.incomplete"))


def test_pain_51_the_total_is_known_before_the_first_byte(hub: FakeHub):
    plan = plan_download(HUB_ID)
    assert (plan.hub_id, plan.revision, plan.commit) == (HUB_ID, "main", hub.commit)
    assert {file.name for file in plan.files} == WANTED
    assert plan.total_bytes == plan.missing_bytes == sum(map(len, wanted(hub).values()))
    assert hub.asked == [f"/api/models/{HUB_ID}"]


def test_all_files_come_and_lie_where_the_hub_s_library_finds_them(hub: FakeHub, cache: Path):
    seen = []
    plan = plan_download(HUB_ID)
    folder = fetch(plan, lambda done, total: seen.append((done, total)))
    assert contents(folder) == wanted(hub)
    assert folder == cache / "models--somebody--gemma-4-tiny-it" / "snapshots" / hub.commit
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (plan.total_bytes, plan.total_bytes)
    assert len(seen) > len(plan.files)
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(HUB_ID, BIG, cache_dir=cache)
    assert isinstance(found, str)
    assert Path(found).read_bytes() == hub.files[BIG]


def test_what_is_there_is_not_fetched_again(hub: FakeHub):
    folder = fetch(plan_download(HUB_ID))
    hub.asked.clear()
    assert plan_download(HUB_ID).missing_bytes == 0
    assert fetch(plan_download(HUB_ID)) == folder
    assert [path for path in hub.asked if "/resolve/" in path] == []


def test_pain_51_a_dropped_connection_goes_on_where_it_was(hub: FakeHub):
    hub.cut_after = [5_000, 1_000, 25_000, 1_500_000]
    assert contents(fetch(plan_download(HUB_ID))) == wanted(hub)
    assert hub.ranges == [0, 5_000, 6_000, 0, 1_500_000]


def test_pain_51_a_new_start_of_the_program_goes_on_where_it_was(hub: FakeHub, cache: Path):
    plan = plan_download(HUB_ID)
    hub.cut_after = [25_600, 100_000, *([0] * 5)]
    with pytest.raises(ModelNotFoundError, match="stopped at") as error:
        fetch(plan)
    assert "goes on where it stopped" in error.value.hint
    (partial,) = partials(cache)
    assert partial.stat().st_size == 100_000
    hub.cut_after.clear()
    hub.ranges.clear()
    again = plan_download(HUB_ID)
    assert again.missing_bytes == len(hub.files[BIG]) - 100_000
    assert contents(fetch(again)) == wanted(hub)
    assert hub.ranges == [100_000]
    assert not partials(cache)


def test_a_busy_server_is_asked_again(hub: FakeHub):
    hub.busy = 2
    assert contents(fetch(plan_download(HUB_ID))) == wanted(hub)


def test_pain_51_a_file_of_another_size_counts_as_missing(hub: FakeHub):
    folder = fetch(plan_download(HUB_ID))
    blob = (folder / BIG).resolve()
    blob.write_bytes(b"cut off by another program")
    assert plan_download(HUB_ID).missing_bytes == len(hub.files[BIG])
    assert contents(fetch(plan_download(HUB_ID))) == wanted(hub)


def test_a_beginning_that_is_too_long_is_deleted(hub: FakeHub, cache: Path):
    plan = plan_download(HUB_ID)
    partial = ModelFolder(HUB_ID).partial(plan.files[-1])
    partial.parent.mkdir(parents=True)
    partial.write_bytes(bytes(plan.files[-1].size_bytes + 1))
    assert plan_download(HUB_ID).missing_bytes == plan.total_bytes - plan.files[-1].size_bytes
    with pytest.raises(CheckpointError, match="came damaged and was deleted"):
        fetch(plan)
    assert contents(fetch(plan)) == wanted(hub)


def test_a_disk_without_links_holds_the_files_themselves(hub: FakeHub, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    folder = fetch(plan_download(HUB_ID))
    assert contents(folder) == wanted(hub)
    assert not any(path.is_symlink() for path in folder.iterdir())
    assert plan_download(HUB_ID).missing_bytes == 0


def test_a_server_that_knows_no_ranges_sends_all_again(hub: FakeHub):
    hub.cut_after, hub.ignore_range = [5_000], True
    assert contents(fetch(plan_download(HUB_ID))) == wanted(hub)


def test_pain_51_a_stalled_connection_is_told(hub: FakeHub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.2)
    hub.stall_after = [7_000, 0, 0, 0]
    with pytest.raises(ModelNotFoundError, match=r"stopped at \d+ of 25600 bytes, no byte came"):
        fetch(plan_download(HUB_ID))
    hub.stall_after = [10]
    assert contents(fetch(plan_download(HUB_ID))) == wanted(hub)


@pytest.mark.parametrize("name", [BIG, "config.json"])
def test_pain_51_a_damaged_file_is_deleted_and_named(hub: FakeHub, cache: Path, name: str):
    hub.damaged = {name}
    with pytest.raises(CheckpointError, match=f"{name} of {HUB_ID} came damaged"):
        fetch(plan_download(HUB_ID))
    assert not partials(cache)
    hub.damaged = set()
    assert contents(fetch(plan_download(HUB_ID))) == wanted(hub)


def test_pain_51_a_truncated_file_is_never_whole(hub: FakeHub, cache: Path):
    plan = plan_download(HUB_ID)
    hub.files[BIG] = hub.files[BIG][:-10]
    with pytest.raises(ModelNotFoundError, match=f"{BIG} stopped at"):
        fetch(plan)
    assert not (ModelFolder(HUB_ID).snapshot(plan.commit) / BIG).exists()


def test_pain_51_a_change_between_two_attempts_mixes_nothing(hub: FakeHub, cache: Path):
    hub.cut_after = [100, 20_000, *([0] * 5)]
    with pytest.raises(ModelNotFoundError):
        fetch(plan_download(HUB_ID))
    hub.cut_after.clear()
    hub.old[hub.commit] = dict(hub.files)
    hub.commit = "b" * 40
    hub.files["model-00002-of-00002.safetensors"] = b"new" * 8_000
    hub.files[BIG] = b"newer" * 60_000
    folder = fetch(plan_download(HUB_ID))
    assert folder.name == hub.commit
    assert contents(folder) == wanted(hub)


def test_pain_51_a_plan_stays_with_its_commit(hub: FakeHub):
    plan = plan_download(HUB_ID)
    before = wanted(hub)
    hub.old[hub.commit] = dict(hub.files)
    hub.commit, hub.files[BIG] = "b" * 40, b"newer" * 60_000
    assert contents(fetch(plan)) == before


@pytest.mark.parametrize("kind", [fcntl.LOCK_EX, fcntl.LOCK_SH])
def test_pain_51_two_programs_do_not_write_one_file(hub: FakeHub, kind: int):
    plan = plan_download(HUB_ID)
    path = ModelFolder(HUB_ID).lock(plan.files[-1])
    path.parent.mkdir(parents=True)
    with path.open("w") as lock:
        fcntl.flock(lock, kind)  # the second is refused by an exclusive lock of ours alone
        with pytest.raises(ModelNotFoundError, match="another program is fetching"):
            fetch(plan)
    assert contents(fetch(plan)) == wanted(hub)


def test_a_disk_that_is_too_small_is_told_before_the_first_byte(hub: FakeHub, monkeypatch):
    plan = plan_download(HUB_ID)
    usage = shutil.disk_usage("/")._replace(free=3_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ModelNotFoundError, match=r"takes 3\.1 MB more.*has 3\.0 MB left"):
        fetch(plan)
    assert len(hub.asked) == 1


def test_a_full_disk_is_one_error(hub: FakeHub, cache: Path):
    plan = plan_download(HUB_ID)
    blobs = ModelFolder(HUB_ID).path / "blobs"
    blobs.parent.mkdir(parents=True)
    blobs.write_text("a file where a folder must be")
    with pytest.raises(ModelNotFoundError, match="cannot be written"):
        fetch(plan)


@pytest.mark.parametrize(
    ("status", "code", "said", "hint"),
    [
        (401, "RepoNotFound", "no model", "hf auth login"),
        (404, "RepoNotFound", "no model", "spelling"),
        (403, "GatedRepo", "is gated", "accept its licence on https://huggingface.co/"),
        (403, "", "is gated", "accept its licence on https://huggingface.co/"),
        (401, "GatedRepo", "is gated", "hf auth login"),
        (500, "", "could not be fetched", "network"),
    ],
)
def test_a_refusal_says_what_to_do(hub: FakeHub, status: int, code: str, said: str, hint: str):
    plan = plan_download(HUB_ID)
    hub.status = (status, code)
    for ask in (lambda: plan_download(HUB_ID), lambda: fetch(plan)):
        with pytest.raises(ModelNotFoundError, match=said) as error:
            ask()
        assert hint in error.value.hint


def test_other_things_that_are_not_there(hub: FakeHub):
    with pytest.raises(ModelNotFoundError, match="no revision 'v9'"):
        plan_download(HUB_ID, "v9")
    with pytest.raises(ModelNotFoundError, match="no model nobody/nothing"):
        plan_download("nobody/nothing")
    with pytest.raises(ModelNotFoundError, match="is not a hub id"):
        plan_download("a/b--c")
    del hub.files["config.json"]
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        plan_download(HUB_ID)
    hub.files = {"config.json": b"{}", "model.gguf": b""}
    with pytest.raises(CheckpointError, match=r"no model\.safetensors") as error:
        plan_download(HUB_ID)
    assert "GGUF" in error.value.hint


def test_a_file_without_a_hash_is_not_fetched(hub: FakeHub, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server, "blob_id", lambda data: None)
    with pytest.raises(CheckpointError, match=r"neither size nor hash of config\.json"):
        plan_download(HUB_ID)


def test_an_id_that_is_spelled_wrongly_is_answered_with_those_like_it(hub: FakeHub):
    with pytest.raises(ModelNotFoundError) as error:
        plan_download("google/gemma-4-E2B")
    assert "did you mean google/gemma-4-E2B-it or google/gemma-4-E4B-it" in error.value.hint


def test_without_a_network_what_is_here_is_named_as_the_way_on(hub: FakeHub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelNotFoundError, match="HF_HUB_OFFLINE forbids") as error:
        plan_download(HUB_ID)
    assert "models on this disk need no network" in error.value.hint
    assert not hub.asked


def test_a_whole_model_needs_no_network(hub: FakeHub, monkeypatch: pytest.MonkeyPatch):
    folder = obtain(HUB_ID)
    hub.asked.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert find_checkpoint(HUB_ID) == folder
    assert not hub.asked


def test_pain_51_a_model_that_is_not_whole_is_completed(hub: FakeHub):
    folder = obtain(HUB_ID)
    (folder / BIG).resolve().unlink()
    seen = []
    assert find_checkpoint(HUB_ID, on_progress=lambda *bytes_: seen.append(bytes_)) == folder
    assert contents(folder) == wanted(hub)
    assert seen


def test_pain_51_a_model_that_is_not_whole_is_refused_without_a_network(hub: FakeHub, monkeypatch):
    hub.cut_after = [100, 20_000, *([0] * 5)]
    with pytest.raises(ModelNotFoundError):
        obtain(HUB_ID)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelNotFoundError, match=f"lacks .*{BIG}") as error:
        obtain(HUB_ID)
    assert "could not be fetched" in error.value.message


def test_without_a_network_no_number_of_the_system_is_told(hub: FakeHub, monkeypatch):
    def ask(*args, **options):
        raise OSError("[Errno -2] Name or service not known")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", ask)
    with pytest.raises(ModelNotFoundError) as error:
        plan_download(HUB_ID)
    told = "could not be fetched: the hub cannot be reached (Name or service not known)"
    assert error.value.message == f"{HUB_ID} {told}"
