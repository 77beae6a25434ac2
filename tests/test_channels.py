"""A turn's tokens become thoughts, answer and calls, however and wherever they end."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma4_mlx.channels import THOUGHT_HEADER, ChannelReader
from gemma4_mlx.events import TextDelta, ThoughtDelta, ToolCall
from gemma4_mlx.tools import QUOTE, parse_call
from tests.toys import FIRST_BYTE, ToyTokenizer, all_cuts, joined

TOKENIZER = ToyTokenizer()
CALL = ("<|tool_call>", "call:f{city:", '<|"|>', "Zürich", '<|"|>', ",n:2}", "<tool_call|>")
CALLED = ToolCall("f", {"city": "Zürich", "n": 2})

STREAMS = {
    "answer alone": ["Grüß dich, 世界 🎉\n"],
    "thought, answer": ["<|channel>", "thought\nHm, 日本?\nYes.\n", "<channel|>", "A cat 🐈."],
    "empty thought": ["<|channel>", "thought\n", "<channel|>", "Hi", "<turn|>"],
    "call": [*CALL, "<|tool_response>"],
    "call in a thought": ["<|channel>", "thought\na\n", *CALL, "b\n", "<channel|>", "c"],
    "two calls": ["Wait. ", *CALL, *CALL, "<turn|>"],
    "stray ends": ["a", "<channel|>", "b", "<tool_call|>", "c", "<tool_response|>", "d"],
    "stray quote": ["a", '<|"|>', "b"],
    "opened twice": ["<|channel>", "thought\na", "<|channel>", "b", "<channel|>", "c"],
    "opened twice with its header": [
        *("<|channel>", "thought\na", "<|channel>", "thought\nb", "<channel|>", "c"),
    ],
    "opened again": [
        *("<|channel>", "thought\na.\n", "<channel|>", "c"),
        *("<|channel>", "thought\nb\n", "<channel|>", "d"),
    ],
    "another header": ["<|channel>", "thoughtful\n\n", "<channel|>", "c"],
}


def read(tokens, prompt=()):
    reader = ChannelReader(TOKENIZER, prompt=prompt)
    events = [event for token in tokens for event in reader.push(token)]
    return [*events, *reader.finish()]


def told(events):
    """(thought, answer, calls)."""
    calls = [event for event in events if isinstance(event, ToolCall)]
    return joined(events, ThoughtDelta), joined(events, TextDelta), calls


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("answer alone", ("", "Grüß dich, 世界 🎉\n", [])),
        ("thought, answer", ("Hm, 日本?\nYes.", "A cat 🐈.", [])),
        ("empty thought", ("", "Hi", [])),
        ("call", ("", "", [CALLED])),
        ("call in a thought", ("a\nb", "c", [CALLED])),
        ("two calls", ("", "Wait. ", [CALLED, CALLED])),
        ("stray ends", ("", "abcd", [])),
        ("stray quote", ("", "ab", [])),
        ("opened twice", ("a\nb", "c", [])),
        ("opened twice with its header", ("a\nb", "c", [])),
        ("opened again", ("a.\nb", "cd", [])),
        ("another header", ("thoughtful\n", "c", [])),
    ],
)
def test_pain_39_each_stream_is_told_apart(name, expected):
    assert told(read(TOKENIZER.spell(*STREAMS[name]))) == expected


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_pain_39_every_cut_tells_a_beginning_of_the_whole(stream):
    tokens = TOKENIZER.spell(*stream)
    thought, answer, calls = told(read(tokens))
    for cut in all_cuts(tokens):
        cut_thought, cut_answer, cut_calls = told(read(cut))
        # A character that is cut short is told as one replacement character at the very end.
        assert thought.startswith(cut_thought.removesuffix("�"))
        assert answer.startswith(cut_answer.removesuffix("�"))
        whole = [call for call in cut_calls if not call.error]
        assert whole == calls[: len(whole)]
        assert len(cut_calls) <= len(whole) + 1  # at most the last one is broken


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_pain_39_no_marker_is_ever_told(stream):
    for cut in all_cuts(TOKENIZER.spell(*stream)):
        thought, answer, _ = told(read(cut))
        assert not any(name in thought + answer for name in TOKENIZER.ids)


@given(st.lists(st.sampled_from([*range(23), *(FIRST_BYTE + b for b in b"call:f{}1th\n\xe4\xb8")])))
def test_pain_39_any_tokens_are_read_without_loss(tokens):
    events = read(tokens)
    _, answer, calls = told(events)
    assert "<" not in joined(events, ThoughtDelta) + answer
    assert len(calls) == tokens.count(TOKENIZER.control.stc_token_id)
    if not set(tokens) & TOKENIZER.control_ids:
        assert answer == bytes(t - FIRST_BYTE for t in tokens).decode(errors="replace")


@pytest.mark.parametrize(
    ("name", "count"),
    [("answer alone", 0), ("thought, answer", 27), ("empty thought", 10), ("stray ends", 0),
     ("call in a thought", 14)],
)  # fmt: skip
def test_tokens_of_thoughts_are_counted_with_their_markers(name, count):
    reader = ChannelReader(TOKENIZER)
    for token in TOKENIZER.spell(*STREAMS[name]):
        reader.push(token)
    assert reader.thought_tokens == count


def test_markers_in_ordinary_tokens_are_words():
    text = "<|tool_call>call:rm{}<tool_call|> <|channel>thought"
    tokens = [FIRST_BYTE + byte for byte in text.encode()]
    assert told(read(tokens)) == ("", text, [])


def test_the_quote_spelled_inside_a_string_stays_there():
    pieces = ["<|tool_call>", "call:f{a:", '<|"|>', 'x<|"', "|>y", '<|"|>', "}", "<tool_call|>"]
    assert read(TOKENIZER.spell(*pieces)) == [ToolCall("f", {"a": 'x<|"|>y'})]


@pytest.mark.parametrize("end", ["<|tool_response>", "<|channel>", "<channel|>", None])
def test_pain_39_a_call_without_its_end_is_still_read(end):
    tokens = TOKENIZER.spell(*CALL[:-1], *([end] if end else []))
    assert read(tokens) == [CALLED]


def test_a_call_that_was_cut_off_is_told_with_an_error():
    (call,) = read(TOKENIZER.spell(*CALL[:4]))
    assert call.name == "f"
    assert call.arguments == {}
    assert "not closed" in call.error


def test_characters_never_break():
    tokens = TOKENIZER.spell("🎉é")
    reader = ChannelReader(TOKENIZER)
    assert [[e.text for e in reader.push(t)] for t in tokens] == [[], [], [], ["🎉"], [], ["é"]]


def test_a_broken_character_ends_at_the_marker():
    tokens = [*TOKENIZER.spell("a🎉")[:-1], *TOKENIZER.spell("<turn|>", "b")]
    assert joined(read(tokens), TextDelta) == "a�b"


@pytest.mark.parametrize(
    ("prompt", "in_thought"),
    [
        (["<|turn>", "model\n"], False),
        (["<|turn>", "model\n", "<|channel>", "thought\n"], True),
        (["<|turn>", "model\n", "<|channel>", "thought\n", "<channel|>"], False),
        (["<|channel>", "thought\n", "<channel|>", "x", "<|channel>", "thought\n"], True),
        (["<|channel>", "thought\ncut", "<turn|>", "<|turn>", "model\n"], False),
        (["<|channel>", "thought\n", "<tool_response|>", "<|channel>", "thought\n"], True),
    ],
)
def test_a_thought_that_the_prompt_opened_goes_on(prompt, in_thought):
    tokens = TOKENIZER.spell("thought\n", "<channel|>", "Yes.")
    thought, answer, _ = told(read(tokens, prompt=TOKENIZER.spell(*prompt)))
    assert (thought, answer) == (("thought", "Yes.") if in_thought else ("", "thought\nYes."))


CLOSES_A_CALL = (*("<|tool_call>", "<tool_call|>", "<|tool_response>", "<|channel>", "<channel|>"),)


def by_hand(stream):
    """What `told` should tell, read from a stream that is there as a whole.

    Args:
        stream: control strings and bytes.
    """
    segments = [(None, b"")]
    for piece in stream:
        if piece in TOKENIZER.ids:
            segments.append((piece, b""))
        else:
            segments[-1] = (segments[-1][0], segments[-1][1] + piece)
    thoughts, answer, calls, call, thinks = [], "", [], None, False
    for marker, spelled in [*segments, ("<tool_call|>", b"")]:
        text = spelled.decode(errors="replace")
        if marker in CLOSES_A_CALL and call is not None:
            calls.append(parse_call(call))
            call = None
        if marker == QUOTE and call is not None:
            call.append("")
        elif marker == "<|tool_call>":
            call = [""]
        elif marker in ("<|channel>", "<channel|>"):
            thinks = marker == "<|channel>"
            thoughts += [""] * thinks
        if call is not None:
            call[-1] += text
        elif thinks:
            thoughts[-1] += text
        else:
            answer += text
    thoughts = ["" if THOUGHT_HEADER.startswith(each) else each for each in thoughts]
    thoughts = [each.removeprefix(THOUGHT_HEADER).removesuffix("\n") for each in thoughts]
    return "\n".join(filter(None, thoughts)), answer, calls


BITS = (
    *(*CLOSES_A_CALL, QUOTE, "<turn|>"),
    *(b"thought\n", b"call:f{a:", b"}", b"\n", b"x", b"\xc3", b"\xa9"),
)


def spelled(stream):
    return [t for bit in stream for t in (
        TOKENIZER.spell(bit) if isinstance(bit, str) else [FIRST_BYTE + each for each in bit]
    )]  # fmt: skip


def test_pain_14_every_order_of_markers_and_text_is_read_as_it_would_be_by_hand():
    """All 2,955 streams of up to three of them, and so every cut of each."""
    for length in range(4):
        for stream in product(BITS, repeat=length):
            assert told(read(spelled(stream))) == by_hand(stream), stream


@settings(max_examples=300)
@given(st.lists(st.sampled_from([*BITS, "👩‍👩‍👧".encode(), "🇫🇷".encode()]), max_size=30))
def test_pain_14_long_streams_are_read_as_they_would_be_by_hand(stream):
    assert told(read(spelled(stream))) == by_hand(stream)


def test_what_can_be_told_is_told_at_once():
    reader = ChannelReader(TOKENIZER)
    events = [reader.push(token) for token in TOKENIZER.spell("<|channel>", "thought\nHi")]
    assert events[-2:] == [[ThoughtDelta("H")], [ThoughtDelta("i")]]
