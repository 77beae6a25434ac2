"""Loops end, and what repeats itself for a purpose is left alone."""

from __future__ import annotations

import random
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma4_mlx.loading import find_checkpoint
from gemma4_mlx.loop_guard import LONGEST_ECHO, LONGEST_STRETCH
from gemma4_mlx.tokenizer import Tokenizer
from tests.repetition import HONEST, LOOPS, MATRICES, WordPieces, loop, stopped_after

POCKET = Tokenizer.from_folder(find_checkpoint("pocket"))
IDS = st.integers(0, POCKET.vocab_size - 1)
WORDS = sorted({i for i in range(POCKET.vocab_size) if POCKET.decode([i]).strip().isalpha()})


@cache
def pieces() -> WordPieces:
    return WordPieces()


@pytest.mark.parametrize("text", [*MATRICES.values(), *HONEST.values()], ids=[*MATRICES, *HONEST])
def test_pain_36_what_repeats_itself_for_a_purpose_is_left_alone(text):
    assert stopped_after(pieces(), pieces().encode(text)) is None
    assert stopped_after(POCKET, POCKET.encode(text)) is None  # of shorter tokens


LATE = {"numbered rows", "numbered code", "numbers", "two numbers", "growing lists"}
"""Signs enough that they could be data; words that grow and change end at the half of it."""


@pytest.mark.parametrize("name", LOOPS)
def test_pain_36_every_kind_of_loop_ends(name):
    found = stopped_after(pieces(), loop(name, pieces(), 16_384))
    assert found is not None
    assert name in LATE or found <= 8192


@pytest.mark.parametrize(
    ("name", "tokens"),
    [
        ("a word", 256),
        ("a phrase", 1024),
        ("a sentence", 1024),
        ("two sentences", 1024),
        ("a paragraph", 1024),
        ("sums", 1024),
        ("a thought", 768),
    ],
)
def test_pain_36_words_end_soon(name, tokens):
    found = stopped_after(pieces(), loop(name, pieces(), 2_000))
    assert found is not None
    assert tokens <= found <= tokens + 100  # and the first round, of which the longest has 87


@settings(deadline=None, max_examples=30)
@given(
    stretch=st.lists(IDS, min_size=1, max_size=LONGEST_STRETCH),
    before=st.lists(IDS, max_size=2000),
)
def test_pain_36_every_loop_ends_within_a_bounded_number_of_tokens(stretch, before):
    tokens = before + stretch * ((LONGEST_STRETCH + 5120) // len(stretch) + 1)
    found = stopped_after(POCKET, tokens)
    assert found is not None
    assert found <= len(before) + len(stretch) + 5120


@settings(deadline=None, max_examples=30)
@given(
    stretch=st.lists(st.sampled_from(WORDS), min_size=1, max_size=LONGEST_STRETCH),
    before=st.lists(IDS, max_size=2000),
)
def test_pain_36_every_loop_of_words_ends_sooner(stretch, before):
    length = len(stretch)
    enough = max(min(256 * length, 1024), 6 * length)
    found = stopped_after(POCKET, before + stretch * (enough // length + 2))
    assert found is not None
    assert found <= len(before) + length + enough


@settings(deadline=None, max_examples=3)
@given(seed=st.integers(), length=st.integers(LONGEST_STRETCH + 1, LONGEST_ECHO))
def test_pain_36_a_loop_of_long_stretches_ends_too(seed, length):
    rng = random.Random(seed)
    stretch = [rng.randrange(POCKET.vocab_size) for _ in range(length)]
    found = stopped_after(POCKET, stretch * (16_384 // length + 2))
    assert found is not None
    assert found <= length + 16_384


@settings(deadline=None, max_examples=20)
@given(stretch=st.lists(IDS, min_size=30, max_size=LONGEST_STRETCH), times=st.integers(2, 6))
def test_pain_36_five_repetitions_are_no_loop(stretch, times):
    within = min(times, 1 + 1024 // len(stretch))
    assert stopped_after(POCKET, random.Random(7).sample(WORDS, 50) + stretch * within) is None


COUNTING_ALONG = {
    "attempts": "Attempt {0}: let me try that once more.\n",
    "numbers that grow": "So {0} is not it, and {1} is not it; let me look at the next one. ",
    "a sentence": "Wait, number {0} may be wrong, so I should check it again, and all before it.\n",
}


@pytest.mark.parametrize("verse", COUNTING_ALONG.values(), ids=COUNTING_ALONG)
def test_pain_36_sentences_that_count_end_after_128(verse):
    """And what closes the loop, and not at the change from 99 to 100."""
    verses = [verse.format(number, number * number) for number in range(90, 240)]
    found = stopped_after(POCKET, POCKET.encode("".join(verses)))
    assert found is not None
    assert len(POCKET.encode("".join(verses[:100]))) < found
    assert found < len(POCKET.encode("".join(verses[:140])))


def test_noise_is_no_loop():
    rng = random.Random(3)
    assert stopped_after(POCKET, [rng.randrange(3) for _ in range(8_000)]) is None
    signs = POCKET.encode("#.")
    assert stopped_after(POCKET, [rng.choice(signs) for _ in range(12_000)]) is None


def test_what_the_documents_say_of_sizes():
    """32 x 32, a hundred times and five hundred rows are among the texts above."""
    assert stopped_after(pieces(), pieces().encode("hello " * 500)) == 258  # "hello" and " hello"
    assert stopped_after(pieces(), pieces().encode("I must not tell any lies.\n" * 100)) is None
    zeros = pieces().encode(("0 " * 63 + "0\n") * 64)
    assert stopped_after(pieces(), zeros) == 128 + 5120
