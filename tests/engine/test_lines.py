"""The lines between a face and its engine: what goes in comes out, and nothing else does."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma4_mlx import events as ev
from gemma4_mlx.engine import TurnRequest, lines
from gemma4_mlx.engine.lines import (
    COMMANDS,
    LINE_BYTES,
    PROTOCOL,
    Alive,
    Ask,
    Bye,
    Hello,
    Left,
    LineBuffer,
    Ping,
    Save,
    Saved,
    Start,
    Stop,
    Told,
    decode_command,
    decode_reply,
    encode,
)
from gemma4_mlx.errors import EngineError

EVENTS = [
    ev.LoadProgress(1, 2),
    ev.ModelReady("m", True, False, 280, 4096, memory_bytes=5, limit_bytes=9),
    ev.MediaReceipt("image", "ä\u202f\udcff.png", 258, 256, width=3, seen_width=48, cached=True),
    ev.PromptProgress(3, 4),
    ev.PromptProgress(0, 4, encoded=1, to_encode=2),
    ev.ThoughtDelta("hm\n"),
    ev.TextDelta('"\u2028\x1b[31m\x00 <b>\ud83d'),
    ev.ToolCall("f", {"a": [1, 2.5, None, {"b": True}]}),
    ev.ToolCall("", {}, error="torn"),
    ev.Finished("loop", ev.Usage(3, 2, 1), ev.Timings(0.1, 0.2, 30.0, 4.0), 7),
    ev.Failed("ContextFullError", "too long", "start anew", 6),
]
REPLIES = [
    Hello(),
    Saved("kept"),
    Alive(),
    Left(),
    *(Told(event, 3) for event in EVENTS),
    Told(EVENTS[0]),
]
ASKED = Ask(9, {"messages": [{"role": "user", "content": "Hi\n"}], "top_p": 0.5})


def only_line(data: bytes) -> bytes:
    [line] = LineBuffer().feed(data)
    return line


def test_every_event_has_an_example():
    assert {type(event).__name__ for event in EVENTS} == set(lines.EVENTS)


@pytest.mark.parametrize("event", [ev.EngineLost("killed"), ev.EngineSilent(5.0)], ids=str)
def test_that_an_engine_is_lost_or_silent_is_not_for_itself_to_tell(event):
    with pytest.raises(EngineError, match="is no line"):
        decode_reply(encode(Told(event)))


def test_the_tables_in_the_docs_are_whole():
    told = (Path(__file__).parents[2] / "docs" / "engine.md").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f'| `{{"do":"{name}"' not in told] == []
    assert [name for name in lines.EVENTS if f'"event":"{name}"' not in told] == []
    assert [field.name for field in fields(TurnRequest) if f"`{field.name}`" not in told] == []
    assert f'"protocol":{PROTOCOL}' in told and f"{LINE_BYTES // 2**20} MiB" in told


@pytest.mark.parametrize("said", REPLIES, ids=str)
def test_replies_survive_the_line(said):
    assert decode_reply(only_line(encode(said))) == said


@pytest.mark.parametrize("said", [Start("pocket"), ASKED, Stop(), Save(), Ping(), Bye()], ids=str)
def test_commands_survive_the_line(said):
    assert decode_command(only_line(encode(said))) == said
    assert json.loads(encode(said))["do"] in COMMANDS


def test_no_event_has_a_field_that_the_line_needs():
    for event in EVENTS:
        assert {"turn", "event"}.isdisjoint(getattr(type(event), "__slots__", ()))


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_no_number_that_json_has_not_is_on_the_wire(number):
    timings = decode_reply(encode(Told(ev.Finished("stop", timings=ev.Timings(number)), 1)))
    assert timings.event.timings == ev.Timings(0.0)
    call = decode_reply(encode(Told(ev.ToolCall("f", {"a": [number]}), 1))).event
    assert call.arguments == {} and "infinite" in call.error
    with pytest.raises(ValueError, match="JSON"):
        encode(Ask(1, {"temperature": number}))


def test_a_line_is_ascii_and_one_line():
    for said in REPLIES:
        assert encode(said).isascii() and encode(said).count(b"\n") == 1


GARBAGE = [
    b"", b"libc++abi: terminating", b"{", b"[]", b"7", b"null", b"\xff\xfe", b'{"event":7}',
    b"[" * 100_000, b'{"event":"Nonsense"}', b'{"event":"TextDelta"}', b'{"event":"hello"}',
    b'{"event":"hello","protocol":"1"}', b'{"event":"TextDelta","text":"a","turn":"1"}',
    b'{"event":"TextDelta","text":"a","more":1}', b'{"event":"LoadProgress","done_bytes":NaN}',
    b'{"event":"Finished","reason":"stop","usage":3}', b'{"do":"stop"}', b'{"event":"saved"}',
    b'{"event":["TextDelta"]}', b'{"event":"Finished","reason":"stop","usage":{},"timings":[]}',
]  # fmt: skip


@pytest.mark.parametrize("line", GARBAGE, ids=lambda line: repr(line[:40]))
def test_what_is_no_reply_is_refused(line):
    with pytest.raises(EngineError, match="is no line of the engine's protocol"):
        decode_reply(line)


@pytest.mark.parametrize(
    "line",
    [
        b"", b"{}", b'{"do":"dance"}', b'{"do":"stop","turn":1}', b'{"do":"turn","turn":1}',
        b'{"do":"turn","request":{}}', b'{"do":"turn","turn":true,"request":{}}', b'{"do":[]}',
        b'{"do":"turn","turn":1,"request":[]}', b'{"do":"start"}', b'{"event":"bye"}',
        b'{"do":"start","protocol":1,"model":7}',
        b'{"do":"turn","turn":1,"request":{"temperature":Infinity}}',
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_command_is_refused(line):
    with pytest.raises(EngineError, match="is no line of the engine's protocol"):
        decode_command(line)


def test_the_hello_of_another_version_is_understood_as_far_as_its_number():
    line = b'{"event":"hello","protocol":99,"program":"7","mood":"fine"}'
    assert decode_reply(line) == Hello(99, "7", (), ())


def test_lines_have_a_limit_both_ways(monkeypatch):
    monkeypatch.setattr(lines, "LINE_BYTES", 64)
    with pytest.raises(EngineError, match="64 at most"):
        encode(Told(ev.TextDelta("x" * 64), 1))
    buffer = LineBuffer()
    assert list(buffer.feed(b"x" * 60)) == []
    with pytest.raises(EngineError, match="more than 64"):
        list(buffer.feed(b"x" * 60 + b"\n"))
    buffer = LineBuffer()
    with pytest.raises(EngineError, match="more than 64"):
        list(buffer.feed(b"x" * 60)), list(buffer.feed(b"x" * 60))


SCRIPT = b"".join(map(encode, REPLIES))


@given(st.lists(st.integers(0, len(SCRIPT)), max_size=30))
def test_any_cut_of_the_stream_gives_the_same_lines(cuts):
    places = [0, *sorted(cuts), len(SCRIPT)]
    pieces = [SCRIPT[a:b] for a, b in pairwise(places)]
    buffer = LineBuffer()
    heard = [decode_reply(line) for piece in pieces for line in buffer.feed(piece)]
    assert heard == REPLIES
    assert buffer.begun == b""


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data):
    for line in LineBuffer().feed(data + b"\n"):
        for decode in (decode_reply, decode_command):
            try:
                decode(line)
            except EngineError as error:
                assert len(error.message) < 400
