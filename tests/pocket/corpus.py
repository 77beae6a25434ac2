"""Sentences that the tokenizer learns its merges from: a sample of the training conversations."""

import random
from collections.abc import Iterator

from . import pictures, texts
from .conversations import NO_CLIP, NO_PICTURE, SYSTEMS, THOUGHTS, Writer
from .words import WORDS


def sentences(seed: int, count: int = 6000) -> Iterator[str]:
    """Questions and answers as they come in training, then what comes seldom."""
    rng = random.Random(seed)
    writer = Writer(
        rng,
        lambda: (pictures.make_scene(rng, 320, 240), None),
        lambda: (rng.randrange(len(WORDS) + 1), None),
    )
    for _ in range(count):
        for make in (writer.on_pictures, writer.on_clips, writer.in_words, writer.in_words):
            for turn in make().turns:
                yield from (value for kind, value in turn.parts if kind == "text")
                yield turn.answer
    seldom = (*SYSTEMS, *THOUGHTS.values(), *(e["answer"] for e in texts.QUESTIONS))
    for text in (*seldom, NO_CLIP, NO_PICTURE, "user", "model", "system", "thought"):
        yield from [text] * 50
