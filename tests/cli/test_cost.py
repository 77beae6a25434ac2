"""`gemma4 cost`: tokens from headers alone."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from PIL import Image

from gemma4_mlx.cli import main


def run(*arguments):
    return CliRunner().invoke(main, ["cost", *map(str, arguments)])


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (1000, 500)).save(path)
    return path


@pytest.mark.parametrize(
    ("options", "tokens"),
    [([], 253), (["--image-tokens", "70"], 55), (["--image-tokens", "auto"], 253)],
)
def test_a_picture_costs_what_its_budget_allows(picture, options, tokens):
    done = run(picture, *options)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.split()[0] == str(tokens)
    assert str(picture) in done.stdout
    assert "1000x500" in done.stdout


def test_a_clip_costs_25_tokens_a_second(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, np.zeros(2 * 44_100), 44_100)
    done = run(path)
    assert done.stdout.split()[0] == "50"
    assert "2.0 s" in done.stdout


def test_files_are_told_in_their_order(picture, tmp_path):
    done = run(picture, tmp_path / "missing.png")
    assert done.exit_code == 5
    assert len(done.stdout.splitlines()) == 1
    assert "missing.png: no such file" in done.stderr


def test_a_name_cannot_steer_the_terminal(tmp_path):
    path = tmp_path / "a\x1b[31m\n.png"
    Image.new("RGB", (100, 50)).save(path)
    done = run(path, tmp_path / "gone\x1b[0m")
    assert "a␛[31m .png" in done.stdout
    assert "gone␛[0m: no such file" in done.stderr
    assert "\x1b" not in done.output


def test_no_file_is_a_usage_error():
    assert run().exit_code == 2
