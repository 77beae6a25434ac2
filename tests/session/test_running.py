"""A session runs as the plan says: in pieces, with keys and values kept in another way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gemma4_mlx import parts
from gemma4_mlx.errors import MemoryLimitError
from gemma4_mlx.events import PromptProgress, TextDelta
from gemma4_mlx.kv_format import KVFormat
from gemma4_mlx.memory import Choice
from gemma4_mlx.session import session as session_module
from gemma4_mlx.turn import stream
from tests.session.test_session import ANSWER, Talk
from tests.session.toy_chat import clip, picture, question, words


@pytest.fixture
def run_by(monkeypatch):
    """Have every turn run by that choice."""

    def choose(choice):
        def plan(model, media, *, new, context, kv=None):
            return replace(model.plan, choice=replace(choice, kv=kv or choice.kv))

        monkeypatch.setattr(session_module, "plan_answer", plan)

    return choose


@pytest.mark.parametrize("stops", range(1, 7))
def test_pain_23_a_turn_stopped_anywhere_in_its_media_is_gone_on_with(load, record, run_by, stops):
    run_by(Choice(chunk=5, keeps_towers=False))
    talk = Talk(load("e2b-like"), record)
    asked = iter([False] * (4 + stops))  # three media are encoded first
    messages = question("", clip(1, frames=60), picture(1), clip(2))
    talk("send", messages, should_stop=lambda: next(asked, True))
    was_read = talk.session._trunk.offset
    assert 4 * stops <= was_read <= 5 * stops
    assert talk("send", messages, writes=ANSWER[:2]).reused_tokens == was_read
    assert talk.is_cold()


@pytest.mark.parametrize("stops", [1, 2])
def test_a_turn_is_stopped_between_its_pictures(load, record, run_by, stops):
    run_by(Choice(keeps_towers=False))
    model = load("e2b-like")
    talk, asked = Talk(model, record), iter([False] * (1 + stops))
    message = question(words(1, 20), picture(1), picture(2), picture(3))
    talk("send", message, should_stop=lambda: next(asked, True))
    assert (record.encoded, talk.session._trunk.offset) == (stops, 0)
    assert not model.towers.present
    talk("send", message, writes=ANSWER[:2])
    assert record.encoded == (left := 3 - stops)
    progress = [event for event in talk.events if isinstance(event, PromptProgress)]
    told = [(each.encoded, each.to_encode) for each in progress if each.to_encode]
    assert told == [(done, left) for done in range(left + 1)]
    assert talk.is_cold()


def test_a_turn_is_stopped_within_a_picture_that_takes_long(load, record, monkeypatch):
    monkeypatch.setattr(parts, "PART_S", 0.0)
    monkeypatch.setattr(parts, "FEW_ROWS", 0)
    model = load("e2b-like")
    layers = len(model.vision_tower.encoder.layers)
    talk, asked = Talk(model, record), iter([False] * 2)
    message = question(words(1, 20), picture(1))
    talk("send", message, should_stop=lambda: next(asked, True))
    assert talk.events[-1].reason == "cancelled"
    assert talk.session.nbytes == 0  # nothing is kept of a picture not looked at to its end
    monkeypatch.setattr(parts, "FEW_ROWS", 100)
    talk("send", message, writes=ANSWER[:2])
    told = [event for event in talk.events if isinstance(event, PromptProgress) and event.to_encode]
    assert [each.encoded for each in told] == [0, 1]
    assert talk.is_cold()
    monkeypatch.setattr(parts, "FEW_ROWS", 0)
    talk("send", question(words(2, 3), picture(2)), writes=ANSWER[:2])
    told = [event for event in talk.events if isinstance(event, PromptProgress) and event.to_encode]
    assert [each.encoded for each in told] == [0] * layers + [1]
    assert talk.is_cold()


def test_pain_16_keys_and_values_that_are_folded_are_saved_and_restored(
    load, record, run_by, tmp_path
):
    run_by(Choice(kv=KVFormat(folded=True)))
    talk = Talk(load("26b-like"), record)
    talk("send", question(words(1, 40), picture(1)), writes=ANSWER[:3])
    talk.session.save(tmp_path / "a")
    run_by(Choice())
    talk.session.restore(tmp_path / "a", talk.session.messages)
    assert talk("send", words(2, 5), writes=ANSWER[:3]).reused_tokens > 40
    assert talk.session._trunk.kv.folded
    assert talk.is_cold()


def test_what_no_longer_fits_is_kept_in_another_way_and_read_anew(load, record, monkeypatch):
    def plan(model, media, *, new, context, kv=None):
        if kv is not None:
            raise MemoryLimitError("full")
        return replace(model.plan, choice=Choice(kv=KVFormat(folded=context > 70)))

    monkeypatch.setattr(session_module, "plan_answer", plan)
    talk = Talk(load("26b-like"), record)
    talk("send", words(1, 40), writes=ANSWER[:3])
    assert talk("send", words(2, 40), writes=ANSWER[:3]).reused_tokens == 0
    assert talk.session._trunk.kv.folded
    assert talk.is_cold()


def test_pain_22_a_turn_that_does_not_fit_leaves_the_session_as_it_was(load, record, monkeypatch):
    talk = Talk(load("e2b-like"), record)
    first = talk("send", words(1, 40), writes=ANSWER[:3])

    def full(*_, **__):
        raise MemoryLimitError("full")

    with monkeypatch.context() as patch, pytest.raises(MemoryLimitError):
        patch.setattr(session_module, "plan_answer", full)
        talk("send", words(2, 40))
    assert talk("regenerate").reused_tokens == first.prompt_tokens - 1


def test_snapshots_take_no_memory_that_the_plan_has_not_left(load, record, monkeypatch):
    model = load("e2b-like")
    talk = Talk(model, record)

    def leave_free(nbytes):
        usable = replace(model.plan.machine, usable_bytes=model.plan.total_bytes + nbytes)
        tight = replace(model.plan, machine=usable)
        monkeypatch.setattr(session_module, "plan_answer", lambda *_, **__: tight)

    for seed in range(3):
        talk("send", words(seed, 40), writes=ANSWER[:3])
    snapshots = talk.session._trunk.snapshots
    nbytes = sum(one.nbytes for windows in snapshots.values() for one in windows)
    leave_free(nbytes)
    talk("regenerate", writes=ANSWER[:3])
    assert 0 < len(talk.session._trunk.snapshots) <= len(snapshots) // 2
    leave_free(0)
    talk("regenerate", writes=ANSWER[:3])
    assert not talk.session._trunk.snapshots
    talk("send", words(2, 40), writes=ANSWER[:3])
    assert not talk.session._trunk.snapshots
    talk("regenerate", writes=ANSWER[:3])
    assert talk.is_cold()


def test_a_session_tells_what_a_stream_tells(load, record):
    talk = Talk(load("26b-like"), record)
    talk("send", question(words(1, 40), picture(1)))
    talk("send", words(2, 40), writes=(), max_tokens=5)
    told = stream(talk.model, talk.processor, talk.session.messages[:-1], max_tokens=5)
    texts = [[e for e in events if isinstance(e, TextDelta)] for events in (talk.events, told)]
    assert texts[0] == texts[1] != []
