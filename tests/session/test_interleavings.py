"""Warm equals cold, whatever is done to a conversation in whatever order.

`python -m pytest -q -s tests/session/test_interleavings.py` prints what was tried.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gemma4_mlx.errors import MemoryLimitError
from gemma4_mlx.events import MediaReceipt, PromptProgress
from gemma4_mlx.kv_format import KVFormat
from gemma4_mlx.memory import Choice
from gemma4_mlx.session import Session
from gemma4_mlx.session import session as session_module
from gemma4_mlx.session.prompt_key import PromptKey, common_length
from gemma4_mlx.session.session import ENCODER_BYTES, SNAPSHOT_BYTES
from tests.session.toy_chat import (
    ChatProcessor,
    ChatTokenizer,
    clip,
    cold_logits,
    picture,
    question,
    video,
    words,
)

POSITIONS = 150
"""About what the conversations here come to."""

FORMATS = {"e2b-like": [KVFormat(), KVFormat(8)], "26b-like": [KVFormat(), KVFormat(folded=True)]}
TOLERANCES = {None: 1e-4, 8: 2e-2}
"""By bits: where numbers are rounded, the last digit of one may tip another over."""


class KeepingProcessor(ChatProcessor):
    """Remembers what it was asked last."""

    def __call__(self, messages, thinking=False):
        self.made = super().__call__(messages, thinking)
        return self.made


class Play:
    """A conversation that is changed at random; every answer is compared with a cold one."""

    def __init__(self, model, record, path, seed, *, formats):
        self.model, self.record, self.path, self.formats = model, record, path, formats
        self.processor = KeepingProcessor(primes=model.config.audio_config is None)
        self.draw = np.random.default_rng(seed)
        self.session = self.new_session()
        self.choice, self.is_full = Choice(), False
        self.longest = self.reused = 0
        self.tried, self.worst = [], 0.0
        self.hears = model.config.audio_config is not None

    def new_session(self, messages=()):
        """One that may keep much, little or nothing."""
        return Session(
            self.model,
            self.processor,
            messages,
            snapshot_bytes=int(self.draw.choice([0, 60_000, SNAPSHOT_BYTES])),
            encoder_bytes=int(self.draw.choice([0, 1500, ENCODER_BYTES])),
        )

    def plan(self, model, media, *, new, context, kv=None):
        if kv is not None and self.is_full:
            raise MemoryLimitError("full")
        return replace(model.plan, choice=replace(self.choice, kv=kv or self.choice.kv))

    def media(self):
        media = []
        if self.draw.random() < 0.5:
            media.append(picture(self.draw.integers(3), self.draw.integers(2, 6)))
        if self.hears and self.draw.random() < 0.3:
            media.append(clip(self.draw.integers(3)))
        if self.draw.random() < 0.2:
            media.append(video(self.draw.integers(2), self.draw.integers(1, 4)))
        return media

    def question(self):
        return question(words(self.draw.integers(99), self.draw.integers(1, 40)), *self.media())

    def users(self):
        return [at for at, one in enumerate(self.session.messages) if one["role"] == "user"]

    def changed(self, change):
        """A question with media, of any turn, with others; and where it stands."""
        shown = [at for at in self.users() if len(self.session.messages[at]["content"]) > 1]
        if not shown:
            return None
        at = int(self.draw.choice(shown))
        *media, text = self.session.messages[at]["content"]
        return at, {"role": "user", "content": [*change(media), text]}

    def edit_media(self, change, options):
        changed = self.changed(change)
        return self.session.edit(*changed, **options) if changed else self.append(options)

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

    def swap(self, options):
        seed = int(self.draw.integers(10, 99))
        return self.edit_media(lambda media: [{**media[0], "seed": seed}, *media[1:]], options)

    def change_budget(self, options):
        def change(media):
            budget = {"tokens": int(self.draw.integers(6, 9))}
            return [one if one["type"] == "audio" else {**one, **budget} for one in media]

        return self.edit_media(change, options)

    def remove(self, options):
        return self.edit_media(lambda media: media[1:], options)

    def show_again(self, options):
        return self.edit_media(lambda media: [*reversed(media), media[0]], options)

    def swap_far_back(self, options):
        """What was said after it stays."""
        changed = self.changed(lambda media: [picture(int(self.draw.integers(10, 99))), *media])
        if not changed:
            return self.append(options)
        at, message = changed
        messages = self.session.messages
        return self.session.answer([*messages[:at], message, *messages[at + 1 : -1]], **options)

    def result_of_a_tool(self, options):
        result = {"role": "tool", "content": words(self.draw.integers(9), 12)}
        return self.session.send(result, **options) if self.users() else self.append(options)

    def think(self, options):
        tokenizer, control = ChatTokenizer(), ChatTokenizer.control
        thought = tokenizer.encode(words(self.draw.integers(9), self.draw.integers(1, 30)))
        thought = [control.soc_token_id, *thought, control.eoc_token_id]
        self.record.script = [*thought, *tokenizer.encode(words(1, 5)), control.eot_token_id]
        options["max_tokens"] = int(self.draw.integers(1, len(self.record.script) + 1))
        return self.append(options)

    def ask_elsewhere(self, options):
        return self.session.answer([self.question()], **options)

    def save_and_restore(self, options):
        if self.session.saved_bytes:
            self.session.save(self.path)
            again = self.new_session()
            again.restore(self.path, self.session.messages)
            self.session = again
        return self.append(options)

    def run(self, name):
        # A conversation that has become too long for what it is to show begins anew.
        if self.longest and len(self.session.messages) > 8:
            self.session = self.new_session(self.session.messages[:4])
        self.record.clear()
        chunk, kv = self.draw.choice([7, 30, 1024]), self.draw.choice(self.formats)
        self.choice = Choice(int(chunk), keeps_towers=bool(self.draw.random() < 0.5), kv=kv)
        self.is_full = bool(self.draw.random() < 0.1)
        thinking = bool(self.draw.random() < 0.1)
        events = getattr(self, name)(
            {"max_tokens": int(self.draw.integers(1, 6)), "thinking": thinking}
        )
        before = self.session._trunk
        held = before.positions if before else np.zeros(0, np.int64)
        can_trim = not before or all(one.is_trimmable() for one in before.caches)
        left, heard = int(self.draw.choice([5, 9, 99, 99])), []
        for event in events:
            heard.append(event)
            if len(heard) == left:
                events.close()
        self.check_receipts([event for event in heard if isinstance(event, MediaReceipt)])
        progress = [event for event in heard if isinstance(event, PromptProgress)]
        if progress:
            self.check_rows(progress[0], held, can_trim)
        self.tried.append(f"{name} {progress[0].done}/{progress[0].total}" if progress else name)
        self.check_logits()

    def check_receipts(self, receipts):
        fed = self.processor.made.media
        assert [replace(each, cached=False) for each in receipts] == list(fed[: len(receipts)])
        if len(receipts) == len(fed):
            new = sum(each.frames or 1 for each in receipts if not each.cached)
            assert self.record.encoded <= new

    def check_rows(self, first, held, can_trim):
        prompt = PromptKey.of(self.processor.made, self.model.config).positions
        common, reused = common_length(held, prompt[:-1]), first.done
        assert first.total == len(prompt)
        assert reused <= common
        if not self.is_full and (can_trim or common == len(held)):
            assert reused == common
        assert self.record.rows == self.session._trunk.offset - reused
        self.reused += reused
        self.longest = max(self.longest, len(prompt))

    def check_logits(self):
        warm, trunk = self.record.logits, self.session._trunk
        if warm:
            written = trunk._written[: len(warm) - 1]
            cold = cold_logits(self.model, self.processor.made, written, trunk.kv)
            warm = np.concatenate([np.array(row) for row in warm])
            allowed = TOLERANCES[trunk.kv.bits]
            np.testing.assert_allclose(warm[: len(cold)], cold, atol=allowed)
            self.worst = max(self.worst, float(np.abs(warm[: len(cold)] - cold).max()) / allowed)


STEPS = (
    "append", "append", "stop", "regenerate", "append", "edit", "swap", "change_budget", "remove",
    "show_again", "swap_far_back", "think", "result_of_a_tool", "save_and_restore",
    "ask_elsewhere", "append",
)  # fmt: skip


@pytest.mark.parametrize("wraps", [0, 1, 5])
@pytest.mark.parametrize("name", ["e2b-like", "26b-like"])
def test_pain_6_warm_equals_cold_in_any_order(load, record, tmp_path, monkeypatch, name, wraps):
    window = {0: 1024, 1: 80, 5: 16}[wraps]
    play = Play(load(name, window), record, tmp_path / "a", wraps, formats=FORMATS[name])
    monkeypatch.setattr(session_module, "plan_answer", play.plan)
    for step in [*STEPS, *play.draw.choice(STEPS, 2)]:
        play.run(str(step))
    assert play.longest // window >= wraps
    assert play.reused > POSITIONS
    assert wraps or play.longest < window
    told = f"{name}, wrapped {play.longest // window} times, worst {play.worst:.2f}"
    print(f"\n{told}", *play.tried, sep=", ")  # noqa: T201 - what was tried is asked for by `-s`
