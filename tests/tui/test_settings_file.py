"""settings.toml: read with all that can be wrong in it, written without losing a comment."""

from __future__ import annotations

import math
import os
import tomllib

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from gemma4_mlx.errors import UsageError
from tui.settings import toml_file
from tui.settings.schema import SETTINGS, find_setting
from tui.settings.values import Settings

TEMPERATURE = find_setting("temp")
THEME = find_setting("theme")
SYSTEM = find_setting("system")


def file(folder, text):
    path = folder / "settings.toml"
    path.write_text(text)
    return path


def test_without_a_file_everything_has_its_default(tmp_path):
    settings = toml_file.read(tmp_path / "settings.toml")
    assert settings == Settings()
    assert settings.get("model") == "pocket"
    assert settings.get("sampling.temperature") is None


def test_a_new_file_says_nothing_and_names_every_setting():
    text = toml_file.new_file()
    assert tomllib.loads(text) == {"sampling": {}, "look": {}, "chats": {}, "keys": {}}
    for setting in SETTINGS:
        assert f"# {setting.name} = " in text
        assert setting.summary in text


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.path)
def test_every_setting_can_be_written_read_and_taken_back(tmp_path, setting):
    path = tmp_path / "deep" / "settings.toml"
    value = setting.default if setting.default is not None else setting.example
    toml_file.write_setting(path, setting, value)
    settings = toml_file.read(path)
    assert (settings.values, settings.problems) == ({setting.path: value}, ())
    toml_file.write_setting(path, setting, None)
    assert toml_file.read(path) == Settings()
    assert path.read_text().count("\n") == toml_file.new_file().count("\n")


def test_a_value_takes_the_place_of_its_commented_line(tmp_path):
    path = tmp_path / "settings.toml"
    toml_file.write_setting(path, THEME, "light")
    assert path.read_text() == toml_file.new_file().replace('# theme = "auto"', 'theme = "light"')


OWN = """\
# mine
model = "pocket"  # small

[sampling]
# careful
temperature = 0.3 # low
future = [1, 2] # of a later version

[keys]
"""


def test_comments_and_unknown_fields_survive(tmp_path):
    path = file(tmp_path, OWN)
    toml_file.write_setting(path, TEMPERATURE, 0.9)
    toml_file.write_setting(path, find_setting("top_k"), 5)
    toml_file.write_keys(path, "chat.stop", "f9")
    toml_file.write_preset(path, "brief", {"system": "Be brief.", "temperature": 0.0})
    text = path.read_text()
    for line in ("# mine", '"pocket"  # small', "# careful", "temperature = 0.9 # low"):
        assert line in text
    assert "future = [1, 2] # of a later version" in text
    settings = toml_file.read(path)
    assert settings.get("sampling.top_k") == 5
    assert settings.keys == {"chat.stop": "f9"}
    assert settings.presets["brief"].choices == {"system": "Be brief.", "temperature": 0.0}
    toml_file.write_keys(path, "chat.stop", None)
    toml_file.write_preset(path, "brief", None)
    settings = toml_file.read(path)
    assert (settings.keys, settings.presets) == ({}, {})


@examples(max_examples=20)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_text_comes_back_as_it_was(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("settings") / "settings.toml"
    toml_file.write_setting(path, SYSTEM, text)
    assert toml_file.read(path).values == {"system": text}
    toml_file.write_setting(path, SYSTEM, "short")
    assert toml_file.read(path).values == {"system": "short"}


def test_text_of_several_lines_is_replaced_whole(tmp_path):
    path = file(tmp_path, 'system = """\none\ntwo"""\nmodel = "x"\n')
    toml_file.write_setting(path, SYSTEM, "three")
    assert tomllib.loads(path.read_text()) == {"system": "three", "model": "x"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("model = 3", "line 1: model: expected a folder or a hub id in quotes, found 3"),
        ('model = " "', "line 1: model: expected a folder or a hub id in quotes"),
        ("image_tokens = 300", "line 1: image_tokens: expected one of 70, 140"),
        ("thinking = 1", "line 1: thinking: expected true or false, found 1"),
        ("[sampling]\n\ntop_p = 2", "line 3: sampling.top_p: expected a number from 0 to 1"),
        ("sampling.top_p = nan", "line 1: sampling.top_p: expected a number from 0 to 1"),
        ("sampling.top_k = true", "sampling.top_k: expected a whole number, 0 or more, found true"),
        ("sampling.top_k = 1.0", "sampling.top_k: expected a whole number, 0 or more, found 1.0"),
        ("sampling = 1", "line 1: sampling: expected a table, [sampling], found 1"),
        ("[sampling]\ntemprature = 1", "no such setting; did you mean sampling.temperature?"),
        ('[look]\ntheme = "blue"', "look.theme: expected one of auto, dark, light, ansi"),
        ("[presets.a]\ntop_k = 1\nx = 1", "line 3: presets.a.x: no such setting"),
        ("[presets]\na = 1", "line 2: presets.a: expected a table"),
        ("presets = 1", "line 1: presets: expected a table"),
        ('[keys]\n"chat.stop" = 1', 'line 2: keys.chat.stop: expected keys, as in "ctrl+t"'),
        ("a = = 1", "is not TOML: Invalid value (at line 1, column 5)"),
    ],
)
def test_a_mistake_is_named_and_the_rest_holds(tmp_path, text, problem):
    path = file(tmp_path, text)
    settings = toml_file.read(path)
    assert len(settings.problems) == 1
    assert str(path) in settings.problems[0]
    assert problem in settings.problems[0]
    assert settings.values == {}


def test_what_is_right_beside_a_mistake_holds(tmp_path):
    settings = toml_file.read(file(tmp_path, 'model = "a/b"\n[sampling]\ntop_k = -1\nseed = 7'))
    assert settings.values == {"model": "a/b", "sampling.seed": 7}


def test_keys_may_be_written_in_three_ways(tmp_path):
    text = '[keys]\n"chat.stop" = "f9"\nchat.find = ["f7", "f8"]\nprompt.send = "f6,f5"'
    assert toml_file.read(file(tmp_path, text)).keys == {
        "chat.stop": "f9",
        "chat.find": "f7,f8",
        "prompt.send": "f6,f5",
    }


def test_a_file_that_is_not_text_is_said(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_bytes(b"\xff\xfe")
    assert "not text in UTF-8" in toml_file.read(path).problems[0]


def test_a_folder_in_its_place_is_said(tmp_path):
    assert "cannot be read" in toml_file.read(tmp_path).problems[0]


@pytest.mark.parametrize("broken", ["a = = 1", "model = 'x"])
def test_a_broken_file_is_never_written(tmp_path, broken):
    path = file(tmp_path, broken)
    for write in (
        lambda: toml_file.write_setting(path, TEMPERATURE, 0.5),
        lambda: toml_file.write_setting(path, TEMPERATURE, None),
        lambda: toml_file.write_keys(path, "chat.stop", "f9"),
        lambda: toml_file.write_preset(path, "a", {}),
    ):
        with pytest.raises(UsageError, match="left as it is"):
            write()
    assert path.read_text() == broken


def test_a_link_stays_a_link_and_the_mode_stays(tmp_path):
    real = file(tmp_path, 'model = "x"\n')
    real.chmod(0o600)
    link = tmp_path / "link.toml"
    link.symlink_to(real)
    toml_file.write_setting(link, THEME, "dark")
    assert link.is_symlink()
    assert tomllib.loads(real.read_text())["look"] == {"theme": "dark"}
    assert real.stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(tmp_path)) == ["link.toml", "settings.toml"]


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    blocked = file(tmp_path, "") / "settings.toml"
    with pytest.raises(UsageError, match="cannot be"):
        toml_file.write_setting(blocked, THEME, "dark")


@pytest.mark.parametrize(
    ("word", "text", "value"),
    [
        ("temp", "0.7", 0.7),
        ("sampling.top_k", "40", 40),
        ("think", "ON", True),
        ("budget", "auto", "auto"),
        ("image_tokens", "560", 560),
        ("system", "Be brief.", "Be brief."),
    ],
)
def test_typed_values(word, text, value):
    read = find_setting(word).kind.read(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("word", "text"), [("temp", "warm"), ("temp", "-1"), ("temp", "inf"), ("k", "1.5"), ("p", "2")]
)
def test_typed_mistakes_say_what_is_expected(word, text):
    with pytest.raises(UsageError, match="expected a"):
        find_setting(word).kind.read(text)


def test_numbers_that_are_none_are_no_numbers():
    with pytest.raises(UsageError):
        TEMPERATURE.kind.check(math.nan)
