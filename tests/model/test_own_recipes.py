"""Recipes of one's own: what a file says, and what is refused of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gemma4_mlx.config import ModelConfig, PackedFormat
from gemma4_mlx.errors import UsageError
from gemma4_mlx.loading import find_checkpoint
from gemma4_mlx.recipes import find_recipe, read_recipe
from tests.model.test_recipes import PUBLISHED, by_role, config_of

MANUAL = Path(__file__).parents[2] / "convert" / "README.md"

OWN = """
name = "own.v1"
[[rules]]
pattern = "language_model.model.embed_tokens"
packed = false
[[rules]]
pattern = "*.self_attn.*_proj"
bits = 6
group_size = 32
layers = "ends"
[[rules]]
pattern = "*.mlp.*_proj"
bits = 4
group_size = 32
mode = "mxfp4"
"""


def own(tmp_path: Path, text: str = OWN) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(text)
    return path


def test_a_recipe_of_ones_own(tmp_path):
    recipe = find_recipe(own(tmp_path))
    assert recipe == find_recipe(str(own(tmp_path))) == read_recipe(own(tmp_path))
    roles = by_role(recipe.formats(config_of("E2B")))
    assert roles["q_proj"] == "6/32 x4"
    assert roles["up_proj"] == "4/32 x35"
    assert roles.keys() == {f"{letter}_proj" for letter in "qkvo"} | {
        "gate_proj",
        "up_proj",
        "down_proj",
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "own.v1"', "", "name is missing"),
        ('name = "own.v1"', "name = 1", "name is 1: expected a string"),
        ('name = "own.v1"', 'name = "own.v1"\nrule = 1', "rule is unknown: expected description"),
        ('name = "own.v1"', "name", "not valid TOML"),
        ("bits = 6", "", r"rules\[1\].bits is missing"),
        ("bits = 6", "bits = 7", r"rules\[1\].bits is 7: affine knows"),
        ("bits = 6", 'bits = "6"', r"rules\[1\].bits is '6': affine knows"),
        ("bits = 6", "bit = 6", r"rules\[1\].bit is unknown"),
        ('mode = "mxfp4"', 'mode = "fp4"', r"rules\[2\].mode is 'fp4': expected one of affine"),
        ('layers = "ends"', 'layers = "first"', r"rules\[1\].layers is 'first': expected all"),
        ('pattern = "*.mlp.*_proj"', "", r"rules\[2\].pattern is missing"),
        ("packed = false", "packed = false\nbits = 4", r"rules\[0\].packed is false, but bits is"),
        ("packed = false", "packed = 4", r"rules\[0\].packed is 4: expected true or false"),
        ("packed = false", "", r"rules\[0\].bits is missing"),
    ],
)
def test_every_mistake_in_it_is_named(old, new, message, tmp_path):
    with pytest.raises(UsageError, match=message) as error:
        read_recipe(own(tmp_path, OWN.replace(old, new)))
    assert str(tmp_path / "own.toml") in error.value.message


def test_a_file_without_rules_or_without_a_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="expected at least one"):
        read_recipe(own(tmp_path, 'name = "own"'))
    with pytest.raises(UsageError, match="rules is"):
        read_recipe(own(tmp_path, 'name = "own"\nrules = 3'))
    with pytest.raises(UsageError, match=r"rules\[0\] is 3: expected a table"):
        read_recipe(own(tmp_path, 'name = "own"\nrules = [3]'))
    with pytest.raises(UsageError, match="cannot be read"):
        find_recipe(tmp_path / "none.toml")


@pytest.mark.parametrize("variant", ["pocket", *PUBLISHED])
def test_the_sample_of_the_manual_is_for_every_model(variant, tmp_path):
    (sample,) = re.findall(r"```toml\n(.*?)```", MANUAL.read_text(encoding="utf-8"), re.DOTALL)
    folder = find_checkpoint("pocket")
    config = ModelConfig.from_folder(folder) if variant == "pocket" else config_of(variant)
    formats = read_recipe(own(tmp_path, sample)).formats(config)
    assert formats.pop("language_model.model.embed_tokens") == PackedFormat(64, 8)
    assert set(formats.values()) == {PackedFormat(32, 6)}


@pytest.mark.parametrize("pattern", ["*.mlp.up_prj", "vision_tower.*", "*norm*", "*.experts.*"])
def test_a_rule_of_ones_own_that_covers_nothing_is_refused(pattern, tmp_path):
    recipe = read_recipe(own(tmp_path, OWN.replace("*.mlp.*_proj", pattern)))
    with pytest.raises(UsageError, match="covers no module of this model"):
        recipe.formats(config_of("E2B"))


def test_a_rule_of_ones_own_that_does_not_fit_is_refused(tmp_path):
    text = OWN.replace("group_size = 32\nlayers", "group_size = 128\nlayers").replace("ends", "all")
    with pytest.raises(UsageError, match=r"q_proj has rows of 64 values, no multiple of the group"):
        read_recipe(own(tmp_path, text)).formats(config_of("e2b-like"))
