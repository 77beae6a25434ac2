"""The rarer sides of `gemma4 convert`: a card made later, a calibration text."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from convert import measuring
from convert.cli import convert
from convert.conversion import Settings, convert_checkpoint
from convert.progress import Step
from convert.quality import Quality
from gemma4_mlx.errors import CheckpointError, ConversionError, Gemma4Error, UsageError
from gemma4_mlx.loading import find_checkpoint
from tests.convert.small_probes import small_probes


def run(*arguments: object) -> Result:
    done = CliRunner().invoke(convert, [str(argument) for argument in arguments])
    if isinstance(done.exception, Gemma4Error):
        raise done.exception
    return done


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dest = tmp_path_factory.mktemp("convert") / "pocket-4bit"
    assert run("pocket", dest, "--recipe", "plain-4", "--no-card").exit_code == 0
    return dest


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    probes = small_probes("algebra", "word")
    monkeypatch.setattr(measuring, "probes_for", lambda processor: probes)


def test_without_a_card_nothing_is_measured(converted: Path):
    assert Quality.read(converted).logits_missing == "it was not asked for."
    assert "Not measured: it was not asked for." in (converted / "README.md").read_text()


def test_with_a_card_the_result_is_measured_at_once(tmp_path: Path, short: None):
    dest = tmp_path / "pocket-4bit"
    assert run("pocket", dest, "--recipe", "plain-4").exit_code == 0
    figures = Quality.read(dest).logits["all"]
    assert f"| {figures['mean_kld']:.4f} |" in (dest / "README.md").read_text()


def test_a_card_can_be_made_later(converted: Path, tmp_path: Path, short: None):
    folder = shutil.copytree(converted, tmp_path / "pocket-4bit")
    done = run("--card-only", folder, "--against", "pocket", "--json")
    assert done.exit_code == 0, done.output
    assert {json.loads(line)["step"] for line in done.stdout.splitlines()} == {"card"}
    figures = Quality.read(folder).logits
    assert set(figures) == {"all", "text", "audio"}
    assert 0 < figures["all"]["mean_kld"] < 1
    row = next(
        line for line in (folder / "README.md").read_text().splitlines() if line.startswith("| all")
    )
    assert f"{figures['all']['mean_kld']:.4f}" in row


def test_a_card_of_a_source_on_the_hub_can_be_made_from_a_copy(
    converted: Path, tmp_path: Path, short: None
):
    folder = Path(shutil.copytree(converted, tmp_path / "pocket-4bit"))
    replace(Quality.read(folder), source="somebody/pocket", revision="0123abc").write(folder)
    run("--card-only", folder, "--against", find_checkpoint("pocket"), "--json")
    assert Quality.read(folder).revision == "0123abc"
    assert Quality.read(folder).logits


def test_pain_18_a_card_against_another_base_is_refused(converted: Path, tmp_path: Path):
    folder = shutil.copytree(converted, tmp_path / "pocket-4bit")
    with pytest.raises(UsageError, match="has the fingerprint"):
        run("--card-only", folder, "--against", folder)


def test_a_card_against_another_base_can_be_forced(converted: Path, tmp_path: Path, short: None):
    folder = Path(shutil.copytree(converted, tmp_path / "pocket-4bit"))
    run("--card-only", folder, "--against", folder, "--force")
    assert Quality.read(folder).logits["all"]["mean_kld"] == 0


def test_what_another_command_left_can_be_thrown_away(tmp_path: Path):
    def on_step(step: Step) -> None:
        if step.step == "tensor":
            raise KeyboardInterrupt

    dest = tmp_path / "dest"
    with pytest.raises(KeyboardInterrupt):
        convert_checkpoint("pocket", dest, Settings(card=False), on_step=on_step)
    again = ["pocket", dest, "--bits", "8", "--group-size", "32", "--no-card"]
    with pytest.raises(ConversionError, match="another conversion"):
        run(*again)
    assert "recipe affine-8-g32" in run(*again, "--force").stdout


def test_only_what_is_on_the_hub_has_revisions(tmp_path: Path):
    with pytest.raises(UsageError, match="pocket has no revision 'main'"):
        run("pocket", tmp_path / "dest", "--revision", "main")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_the_hub_cache_is_named_after_its_page(tmp_path: Path):
    folder = tmp_path / "models--somebody--pocket-it" / "snapshots" / "0123abc"
    shutil.copytree(find_checkpoint("pocket"), folder)
    dest = tmp_path / "dest"
    run(folder, dest, "--recipe", "bf16", "--no-card")
    made = Quality.read(dest)
    assert (made.source, made.revision) == ("somebody/pocket-it", "0123abc")
    assert "base_model: somebody/pocket-it" in (dest / "README.md").read_text()


def test_a_card_of_what_another_program_made_is_refused():
    with pytest.raises(CheckpointError, match=r"quality\.json does not exist"):
        run("--card-only", find_checkpoint("pocket"), "--against", "pocket")


def errors(folder: Path) -> dict[str, float]:
    return {path: item.relative_error for path, item in Quality.read(folder).tensors.items()}


def test_a_search_is_better_on_every_tensor(converted: Path, tmp_path: Path):
    dest = tmp_path / "dest"
    assert run("pocket", dest, "--recipe", "plain-4", "--no-card", "--search").exit_code == 0
    plain, searched = errors(converted), errors(dest)
    assert all(searched[path] <= plain[path] for path in plain)
    assert sum(searched.values()) < 0.96 * sum(plain.values())


@pytest.mark.parametrize(
    ("content", "says"), [(None, "cannot be read"), (b"\xff\xfe", "UTF-8"), (b" \n", "is empty")]
)
def test_a_calibration_text_that_is_none(tmp_path: Path, content: bytes | None, says: str):
    text = tmp_path / "text.txt"
    if content is not None:
        text.write_bytes(content)
    before = list(tmp_path.iterdir())
    with pytest.raises(UsageError, match=rf"text\.txt .*{says}"):
        run("pocket", tmp_path / "dest", "--calibrate", text)
    assert list(tmp_path.iterdir()) == before


def test_a_calibration_text_changes_what_is_kept_best(tmp_path: Path):
    text = tmp_path / "text.txt"
    text.write_text("How do I attach a picture? Type /image and the path. " * 20)
    dests = [tmp_path / "alike", tmp_path / "weighted"]
    common = ["--recipe", "plain-4", "--no-card", "--search"]
    run("pocket", dests[0], *common)
    done = run("pocket", dests[1], *common[:-1], "--calibrate", text)
    assert done.exit_code == 0, done.output
    alike, weighted = map(errors, dests)
    # Counted alike, the error of weights that matter less is larger now.
    assert sum(weighted.values()) > sum(alike.values())
    assert max(weighted.values()) < 0.3
