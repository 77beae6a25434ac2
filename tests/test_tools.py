"""Gemma's tool notation: read back what it writes, and survive what is broken."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma4_mlx.events import ToolCall
from gemma4_mlx.tools import DEEPEST, LONGEST_SHOWN, QUOTE, parse_call

WEATHER = {
    "city": "Paris",
    "unit": "C",
    "days": 2,
    "f": 1.5,
    "flag": True,
    "none": None,
    "tags": ["a", "b"],
    "o": {"z": 1, "b": "x"},
}
# As the published template renders it.
WEATHER_TEXT = (
    'call:get_weather{city:<|"|>Paris<|"|>,days:2,f:1.5,flag:true,none:null,'
    'o:{b:<|"|>x<|"|>,z:1},tags:[<|"|>a<|"|>,<|"|>b<|"|>],unit:<|"|>C<|"|>}'
)

keys = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]*", fullmatch=True)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text().filter(lambda text: QUOTE not in text),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


def notation(value) -> str:
    """A value as the template writes it."""
    match value:
        case str():
            return f"{QUOTE}{value}{QUOTE}"
        case dict():
            return "{" + ",".join(f"{key}:{notation(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ",".join(map(notation, value)) + "]"
    return json.dumps(value)


def test_reads_what_the_template_writes():
    assert parse_call(WEATHER_TEXT) == ToolCall("get_weather", WEATHER)
    assert parse_call("call:now{}") == ToolCall("now", {})


@given(name=keys, arguments=st.dictionaries(keys, values, max_size=5))
def test_reading_undoes_writing(name, arguments):
    assert parse_call(f"call:{name}{notation(arguments)}") == ToolCall(name, arguments)


@pytest.mark.parametrize(
    "text",
    ['quote " and \\n', "}{][,:", "true", "12", "", " spaced ", "line\nline", "call:x{}", "日本語"],
)
def test_nothing_inside_a_string_is_notation(text):
    assert parse_call(f"call:f{{a:{QUOTE}{text}{QUOTE}}}").arguments == {"a": text}


def test_pieces_keep_a_string_that_spells_the_quote():
    pieces = ["call:f{a:", f"x{QUOTE},b:1", "}"]
    assert parse_call(pieces).arguments == {"a": f"x{QUOTE},b:1"}


def test_space_between_signs_and_quoted_keys_are_read():
    text = f" call:f {{ a : 1 , {QUOTE}b c{QUOTE} : [ 2 , -3.5e2 ] }} "
    assert parse_call(text) == ToolCall("f", {"a": 1, "b c": [2, -350.0]})


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "must start with 'call:'"),
        ("get_weather{}", "must start with 'call:'"),
        ("call:{}", "names no tool"),
        ("call:get the\nweather{}", "has spaces"),
        ("call:f", "expected '{', found the end"),
        ("call:f{", "expected a key, found the end"),
        ("call:f{a", "expected ':', found the end"),
        ("call:f{a:", "expected a value, found the end"),
        ("call:f{a:1", "expected ',', found the end"),
        ("call:f{a:1 b:2}", "is no number"),
        ("call:f{a:1,}", "expected a key, found '}'"),
        ("call:f{a:1}}", "unexpected '}'"),
        ("call:f{a:Paris}", "strings need quotes"),
        ("call:f{a:01}", "is no number"),
        ("call:f{a:NaN}", "is no number"),
        ("call:f{a:[1,2}", "expected ',', found '}'"),
        ("call:f{a:1,a:2}", "'a' comes twice"),
        (f"call:f{{a:{QUOTE}open}}", "string is not closed"),
        ("call:f{a:1e999}", "too large"),
        ("call:f{a:" + "9" * 5000 + "}", "too large"),
        ("call:f{a:" + "[" * 100_000, f"deeper than {DEEPEST}"),
    ],
)
def test_pain_39_broken_notation_is_a_value_not_a_crash(text, error):
    call = parse_call(text)
    assert error in call.error
    assert call.arguments == {}


@pytest.mark.parametrize(
    "text",
    [
        *("call:{}", "call:{} x{{}}", "call:f{{a:{}}}", "call:f{{a:1,{}:2", "call:f{{a:1}}{}"),
        *("call:f{{a:1 {}", "call:f{{{}:1,{}:1}}"),
    ],
)
def test_pain_39_an_error_repeats_no_more_than_the_beginning(text):
    call = parse_call(text.replace("{}", "x" * 5000).replace("{{", "{").replace("}}", "}"))
    assert call.error
    assert len(call.error) < 150
    assert len(call.name) <= LONGEST_SHOWN


@given(st.text(alphabet='call:f{}[],"<|>1e-.truenl \n', max_size=40))
def test_pain_39_any_text_is_read_or_explained(text):
    for source in (text, "call:" + text, f"call:f{{a:{text}}}"):
        call = parse_call(source)
        assert call.error == "" or call.arguments == {}
