"""Warm equals cold, whatever is done to a conversation in whatever order."""

from __future__ import annotations

import numpy as np
import pytest

from gemma4_mlx.events import Finished
from gemma4_mlx.session import Session
from tests.session.toy_chat import (
    ChatProcessor,
    clip,
    cold_logits,
    picture,
    question,
    video,
    words,
)

POSITIONS = 150
"""About what the conversations here come to."""


class Play:
    """A conversation that is changed at random; every answer is compared with a cold one."""

    def __init__(self, model, record, path, seed, *, primes):
        self.model, self.record, self.path = model, record, path
        self.processor = ChatProcessor(primes=primes)
        self.draw = np.random.default_rng(seed)
        self.session = Session(model, self.processor)
        self.longest = self.reused = 0
        self.hears = model.config.audio_config is not None

    def question(self):
        media = []
        if self.draw.random() < 0.5:
            media.append(picture(self.draw.integers(3), self.draw.integers(2, 6)))
        if self.hears and self.draw.random() < 0.3:
            media.append(clip(self.draw.integers(3)))
        if self.draw.random() < 0.2:
            media.append(video(self.draw.integers(2), self.draw.integers(1, 4)))
        return question(words(self.draw.integers(99), self.draw.integers(1, 30)), *media)

    def users(self):
        return [at for at, one in enumerate(self.session.messages) if one["role"] == "user"]

    def changed(self, **change):
        """The last question with a picture, changed, and where it stands."""
        for at in reversed(self.users()):
            parts = self.session.messages[at]["content"]
            if "seed" in parts[0] and parts[0]["type"] == "image":
                return at, {"role": "user", "content": [{**parts[0], **change}, *parts[1:]]}
        return None

    def append(self, options):
        return self.session.send(self.question(), **options)

    def stop(self, options):
        asked = iter([False] * int(self.draw.integers(5)))
        return self.session.send(self.question(), **options, should_stop=lambda: next(asked, True))

    def regenerate(self, options):
        return self.session.regenerate(**options) if self.users() else self.append(options)

    def edit(self, options):
        if not self.users():
            return self.append(options)
        return self.session.edit(int(self.draw.choice(self.users())), self.question(), **options)

    def swap_image(self, options):
        changed = self.changed(seed=int(self.draw.integers(10, 99)))
        return self.session.edit(*changed, **options) if changed else self.append(options)

    def change_budget(self, options):
        changed = self.changed(tokens=int(self.draw.integers(6, 9)))
        return self.session.edit(*changed, **options) if changed else self.append(options)

    def save_and_restore(self, options):
        if self.session.saved_bytes:
            self.session.save(self.path)
            again = Session(self.model, self.processor)
            again.restore(self.path, self.session.messages)
            self.session = again
        return self.append(options)

    def run(self, name):
        # A conversation that has become too long for what it is to show begins anew.
        if self.longest and len(self.session.messages) > 8:
            self.session = Session(self.model, self.processor, self.session.messages[:4])
        self.record.clear()
        thinking = bool(self.draw.random() < 0.1)
        options = {"max_tokens": int(self.draw.integers(1, 6)), "thinking": thinking}
        asked = []
        prepare = self.processor.__class__.__call__

        def spy(processor, messages, **given):
            asked.append(prepare(processor, messages, **given))
            return asked[-1]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ChatProcessor, "__call__", spy)
            *_, finished = getattr(self, name)(options)
        assert isinstance(finished, Finished)
        usage = finished.usage
        written = max(0, usage.completion_tokens - 1)
        self.reused += usage.reused_tokens
        self.longest = max(self.longest, usage.prompt_tokens)
        if self.record.logits:
            read = usage.prompt_tokens - usage.reused_tokens
            assert read + written <= self.record.rows <= read + written + 1
            cold = cold_logits(self.model, asked[0])
            np.testing.assert_allclose(np.array(self.record.logits[0]), cold, atol=1e-4)


STEPS = (
    "append", "append", "stop", "regenerate", "append", "edit", "swap_image", "change_budget",
    "save_and_restore",
)  # fmt: skip


@pytest.mark.parametrize("wraps", [0, 1, 5])
@pytest.mark.parametrize("name", ["e2b-like", "26b-like"])
def test_pain_6_warm_equals_cold_in_any_order(load, record, tmp_path, name, wraps):
    window = {0: 1024, 1: 80, 5: 16}[wraps]
    play = Play(load(name, window), record, tmp_path / "a", wraps, primes=name == "26b-like")
    order = [*STEPS, *play.draw.choice(STEPS, 3)]
    for step in order:
        play.run(str(step))
    assert play.longest // window >= wraps
    assert play.reused > POSITIONS
    assert wraps or play.longest < window
