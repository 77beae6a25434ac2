"""Model turns as the published templates write them, cut at every token."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gemma4_mlx.channels import ChannelReader
from gemma4_mlx.events import TextDelta, ThoughtDelta, ToolCall
from gemma4_mlx.tokenizer import Tokenizer
from gemma4_mlx.tools import QUOTE
from tests.test_tools import keys
from tests.tiny_checkpoint import TEMPLATES, write_checkpoint
from tests.toys import all_cuts, joined

QUESTION = {"role": "user", "content": "What now?"}
# Letters, marks and signs of one to four bytes, of which many are spelled in byte tokens; no `<`,
# so that every marker that is told is a fault; no U+2581, which tokenizers read as a space.
SIGNS = st.characters(exclude_characters="<\u2581", exclude_categories=["Cs"])
WORDS = st.text(st.one_of(st.sampled_from("ab é世🐈\n "), SIGNS), max_size=12)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-9, 9),
    st.text(max_size=8).filter(lambda x: QUOTE not in x),
)
CALLS = st.tuples(
    st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.dictionaries(keys, VALUES, max_size=2)
)


@pytest.fixture(scope="module", params=TEMPLATES)
def tokenizer(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("channels") / request.param
    return Tokenizer.from_folder(write_checkpoint(folder, template=request.param))


def turn(tokenizer, answer, *, thinking):
    """Ids in front of a turn of the model, and those of the turn."""
    prompt = tokenizer.encode_chat([QUESTION], thinking=thinking)
    whole = tokenizer.encode_chat(
        [QUESTION, answer], thinking=thinking, add_generation_prompt=False
    )
    last = len(prompt) - 1 - prompt[::-1].index(tokenizer.control.sot_token_id)
    opened = [at for at in range(last, len(prompt)) if prompt[at] == tokenizer.control.soc_token_id]
    start = opened[0] if opened else len(prompt)  # the big ones write an empty thought for it
    assume(whole[:start] == prompt[:start])  # else the turn's first sign is part of another token
    ends = (tokenizer.control.eot_token_id, tokenizer.control.str_token_id)
    stop = next(at for at in range(start, len(whole)) if whole[at] in ends)
    return prompt, whole[start : stop + 1]


def read(tokenizer, tokens, prompt):
    reader = ChannelReader(tokenizer, prompt=prompt)
    events = [event for token in tokens for event in reader.push(token)]
    return events, reader.finish()


def told(events):
    calls = [(each.name, each.arguments) for each in events if isinstance(each, ToolCall)]
    return joined(events, ThoughtDelta), joined(events, TextDelta), calls


@settings(max_examples=40, deadline=None)
@given(thought=WORDS, text=WORDS, calls=st.lists(CALLS, max_size=2), thinking=st.booleans())
def test_pain_14_every_cut_of_a_turn_tells_a_beginning_of_it_without_markers(
    tokenizer, thought, text, calls, thinking
):
    answer = {"role": "assistant", "content": text, "reasoning": thought}
    if calls:
        functions = [{"name": name, "arguments": arguments} for name, arguments in calls]
        answer["tool_calls"] = [{"type": "function", "function": each} for each in functions]
    prompt, tokens = turn(tokenizer, answer, thinking=thinking)
    events, rest = read(tokenizer, tokens, prompt)
    whole = told([*events, *rest])
    assert whole == (thought, text.strip(), calls)
    for cut in all_cuts(tokens):
        before, held = read(tokenizer, cut, prompt)
        shown = told(before)
        assert whole[0].startswith(shown[0]) and whole[1].startswith(shown[1])
        assert shown[2] == whole[2][: len(shown[2])]
        end = told(held)
        assert all(sign == "\ufffd" for sign in end[0] + end[1])  # half a character
        assert len(end[2]) <= 1  # a call that is cut off, told as such
        assert "<" not in shown[0] + shown[1]


CALL = ["<|tool_call>", "call:f{x:", '<|"|>', "<channel|> é", '<|"|>', "}", "<tool_call|>"]
CALLED = ("f", {"x": "<channel|> é"})
BROKEN = {
    "a call inside a thought": (
        ["<|channel>", "thought\nI ask. ", *CALL, "Then 世.", "<channel|>", "Done 🐈."],
        ("I ask. Then 世.", "Done 🐈.", [CALLED]),
    ),
    "a thought without an end": (["<|channel>", "thought\nHm 世"], ("Hm 世", "", [])),
    "an end without a thought": (["Yes", "<channel|>", "!"], ("", "Yes!", [])),
    "an end of a call alone": (["Yes", "<tool_call|>", "!"], ("", "Yes!", [])),
    "a call without an end": (["Go.", *CALL[:-1], "<|tool_response>"], ("", "Go.", [CALLED])),
    "a call in a call": (["<|tool_call>", "call:g{", *CALL], ("", "", [("g", {}), CALLED])),
    "a call and a thought": (
        [*CALL[:-1], "<|channel>", "thought\nOh", "<channel|>", "!"],
        ("Oh", "!", [CALLED]),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_pain_14_what_breaks_the_rules_is_told_apart_all_the_same(tokenizer, name):
    pieces, expected = BROKEN[name]
    names = {tokenizer.decode([i], skip_control=False): i for i in tokenizer.control_ids}
    tokens = [
        token
        for piece in pieces
        for token in ([names[piece]] if piece in names else tokenizer.encode(piece))
    ]
    events, rest = read(tokenizer, tokens, [])
    assert told([*events, *rest]) == expected
    for cut in all_cuts(tokens):
        before, _ = read(tokenizer, cut, [])
        shown = told(before)
        assert expected[0].startswith(shown[0]) and expected[1].startswith(shown[1])
        assert "<" not in shown[0] + shown[1]


def test_pain_39_a_call_that_cannot_be_read_is_flagged_and_not_run(tokenizer):
    names = {tokenizer.decode([i], skip_control=False): i for i in tokenizer.control_ids}
    opening, end = names["<|tool_call>"], names["<tool_call|>"]
    tokens = [opening, *tokenizer.encode("call:rm{path:/}"), end, *tokenizer.encode("Done.")]
    events, rest = read(tokenizer, tokens, [])
    [call] = [event for event in events if isinstance(event, ToolCall)]
    assert (call.name, call.arguments) == ("rm", {})
    assert "strings need quotes" in call.error
    assert joined([*events, *rest], TextDelta) == "Done."


@pytest.mark.parametrize("thinking", [False, True])
def test_pain_14_thinking_is_a_matter_of_each_turn(tokenizer, thinking):
    prompt = tokenizer.encode_chat([QUESTION], thinking=thinking)
    control = tokenizer.control
    assert (control.think_token_id in prompt) == thinking
    primes = "12B" in tokenizer.template.source or tokenizer.folder.name == "big"
    assert (control.soc_token_id in prompt) == (primes and not thinking)
    # An empty thought in the prompt is closed: what follows is the answer.
    events, rest = read(tokenizer, tokenizer.encode("Yes."), prompt)
    assert told([*events, *rest]) == ("", "Yes.", [])
