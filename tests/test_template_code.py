from __future__ import annotations

from pathlib import Path

import jinja2
import pytest
from jinja2.exceptions import SecurityError

from gemma4_mlx import template_code
from gemma4_mlx.folders import state_folder
from gemma4_mlx.template_code import compile_template

GREETING = "{% for name in names %}\n    Hello {{ name|tojson }}!\n{% endfor %}"
GREETED = 'Hello "you"!\nHello "ö"!\n'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GEMMA4_HOME", str(tmp_path))
    compile_template.cache_clear()
    yield
    compile_template.cache_clear()


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sources that were really compiled."""
    sources: list[str] = []
    compile_source = jinja2.Environment.compile

    def noted(self, source, *args, **options):
        sources.append(source)
        return compile_source(self, source, *args, **options)

    monkeypatch.setattr(jinja2.Environment, "compile", noted)
    return sources


def start_anew(source: str = GREETING) -> jinja2.Template:
    """The template as a new process would get it."""
    compile_template.cache_clear()
    return compile_template(source)


def greet(template: jinja2.Template) -> str:
    return "".join(
        line.lstrip(" ") for line in template.render(names=["you", "ö"]).splitlines(True)
    )


def kept_file() -> Path:
    (path,) = (state_folder() / "templates").iterdir()
    return path


def test_the_second_start_compiles_nothing(compiled: list[str]):
    assert greet(start_anew()) == GREETED
    assert greet(start_anew()) == GREETED
    assert compiled == [GREETING]


def test_each_template_is_kept_by_itself(compiled: list[str]):
    for source in ("one", "two", "one", "two"):
        assert start_anew(source).render() == source
    assert compiled == ["one", "two"]


@pytest.mark.parametrize("place", [0, 31, 32, 40, -1])
def test_a_damaged_file_counts_for_nothing(place: int, compiled: list[str]):
    start_anew()
    kept = bytearray(kept_file().read_bytes())
    kept[place] ^= 0x55
    kept_file().write_bytes(kept)
    assert greet(start_anew()) == GREETED
    start_anew()
    assert compiled == [GREETING] * 2  # and was replaced


@pytest.mark.parametrize("length", [0, 31, 32, 100])
def test_a_file_that_was_cut_short_counts_for_nothing(length: int, compiled: list[str]):
    start_anew()
    kept_file().write_bytes(kept_file().read_bytes()[:length])
    assert greet(start_anew()) == GREETED
    assert compiled == [GREETING] * 2


def test_what_another_version_wrote_is_replaced(
    compiled: list[str], monkeypatch: pytest.MonkeyPatch
):
    start_anew()
    with monkeypatch.context() as patch:
        patch.setattr(template_code, "_WRITTEN_BY", "a later Jinja")
        start_anew()
        start_anew()
    start_anew()
    assert compiled == [GREETING] * 3
    kept_file()  # still one


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_can_write_is_not_trusted(mode: int, compiled: list[str]):
    start_anew()
    kept_file().chmod(mode)
    start_anew()
    assert compiled == [GREETING] * 2
    assert kept_file().stat().st_mode & 0o777 == 0o600


def test_a_file_of_another_user_is_not_trusted(
    compiled: list[str], monkeypatch: pytest.MonkeyPatch
):
    start_anew()
    user = kept_file().stat().st_uid
    monkeypatch.setattr(template_code.os, "getuid", lambda: user + 1)
    start_anew()
    assert compiled == [GREETING] * 2


def test_a_disk_that_cannot_be_written_to_is_no_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GEMMA4_HOME", "/dev/null")
    assert greet(start_anew()) == GREETED


def test_nothing_is_left_beside_it_where_writing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(self: Path, target: Path):
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", full)
    assert greet(start_anew()) == GREETED
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_kept_code_stays_in_the_sandbox():
    for _ in range(2):
        with pytest.raises(SecurityError):
            start_anew("{{ names.__class__.__mro__ }}").render(names=[])
        with pytest.raises(SecurityError):
            start_anew("{% set _ = names.append(1) %}").render(names=[])


def test_what_is_no_template_is_not_kept():
    for _ in range(2):
        with pytest.raises(jinja2.TemplateError):
            start_anew("{% for %}")
    assert not (state_folder() / "templates").exists()


def test_half_a_character_is_no_reason_to_stop():
    assert start_anew("a\ud800").render() == "a\ud800"
