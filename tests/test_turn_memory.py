"""A turn is planned before it is read: it fits, in smaller pieces if need be, or is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import gemma4_mlx as g4
from gemma4_mlx import loading, turn
from gemma4_mlx.cli import main
from gemma4_mlx.errors import MemoryLimitError
from gemma4_mlx.events import Finished, MediaReceipt, PromptProgress, TextDelta
from gemma4_mlx.memory import Choice, Machine, plan_turn
from gemma4_mlx.messages import AudioPart
from gemma4_mlx.towers import VISION

LONG = [{"role": "user", "content": "Who are you? " * 70}]


@pytest.fixture(scope="module")
def pocket():
    return g4.load("pocket")


def with_room_for(model, choice: Choice, **what) -> None:
    """Make the machine so small that a turn needs that choice."""
    roomy = replace(model.plan.machine, ram_bytes=10**12, usable_bytes=10**12)
    plan = plan_turn(replace(model.plan, machine=roomy), **what)
    needed = replace(plan, choice=choice).total_bytes
    small = replace(roomy, usable_bytes=needed)
    model.plan = replace(model.plan, machine=small)


@pytest.fixture
def small(pocket):
    """The model, whose plan is put back afterwards."""
    model, processor = pocket
    before = model.plan
    yield model, processor
    model.plan = before


def told(model, processor, messages):
    return list(g4.stream(model, processor, messages, max_tokens=4, temperature=0.0))


def test_pain_22_a_prompt_is_read_in_the_pieces_that_were_planned(small):
    model, processor = small
    whole = told(model, processor, LONG)
    total = next(event.total for event in whole if isinstance(event, PromptProgress))
    with_room_for(model, Choice(chunk=128), context=total + 4, new=total)
    pieces = told(model, processor, LONG)
    done = [event.done for event in pieces if isinstance(event, PromptProgress)]
    assert done == [*range(0, total, 128), total]
    texts = [[e for e in one if isinstance(e, TextDelta)] for one in (whole, pieces)]
    assert texts[0] == texts[1]


def test_pain_22_a_turn_that_does_not_fit_is_refused_before_it_is_read(small):
    model, processor = small
    model.plan = replace(model.plan, machine=Machine(5 * 10**7, 5 * 10**7, item_bytes=4))
    with pytest.raises(MemoryLimitError, match=r"the model takes 0.\d\d GB, this machine has 0.05"):
        told(model, processor, LONG)


def test_pain_22_all_pixels_of_a_conversation_are_planned_for(pocket):
    model, _ = pocket
    video = MediaReceipt("video", "a.mp4", 32 * 63, 32 * 63, image_tokens=70, frames=32)
    picture = MediaReceipt("image", "a.png", 266, 266, image_tokens=280)
    of_a_token = 9 * 16 * 16 * 3 * 4  # patches, pixels, colours, bytes of each
    told = []
    for media in ([], [video], [replace(video, cached=True), picture, picture]):
        plan = turn.plan_answer(model, media, new=3000, context=3100)
        assert plan is not None
        nbytes = sum(line.nbytes for line in plan.lines if line.key == "media")
        told.append((plan.demand.image_tokens, plan.demand.prepared_bytes, nbytes))
    assert [tokens for tokens, *_ in told] == [0, 63, 266]
    wanted = [0, 32 * 63 * of_a_token, (32 * 63 + 2 * 266) * of_a_token]
    assert [pixels for _, pixels, _ in told] == wanted
    assert told[2][2] - told[1][2] > 266 * of_a_token


def test_pain_22_a_long_recording_is_planned_for(pocket):
    model, processor = pocket
    sound = np.zeros(65 * 16_000, np.float32)
    inputs = processor([{"role": "user", "content": [AudioPart(sound, 16_000)]}])
    plan = turn.plan_answer(model, inputs.media, new=2000, context=2100)
    assert plan is not None and inputs.input_features is not None
    stated = plan.demand.prepared_bytes
    assert 0 <= stated - inputs.input_features.nbytes < 0.01 * stated
    one_part = turn.plan_answer(model, inputs.media[:1], new=2000, context=2100)
    assert one_part is not None and plan.total_bytes > one_part.total_bytes


def test_towers_are_let_go_of_where_the_plan_says_so(pocket, tmp_path, monkeypatch):
    model, processor = pocket
    path = tmp_path / "a.png"
    Image.new("RGB", (64, 64), "red").save(path)
    picture = {"type": "image", "path": str(path), "image_tokens": 70}
    seen = [{"role": "user", "content": [picture, {"type": "text", "text": "Which colour?"}]}]
    kept = told(model, processor, seen)
    assert model.towers.present
    leaner = replace(model.plan, choice=Choice(keeps_towers=False))
    monkeypatch.setattr(turn, "plan_turn", lambda plan, **_: leaner)
    let_go = told(model, processor, seen)
    assert not model.towers.present
    texts = [[e for e in one if isinstance(e, TextDelta)] for one in (kept, let_go)]
    assert texts[0] == texts[1]
    assert isinstance(let_go[-1], Finished)


@pytest.mark.parametrize("spare_bytes", [-2, 0])
def test_towers_of_an_earlier_turn_are_let_go_of_where_there_is_no_room(
    pocket, tmp_path, monkeypatch, spare_bytes
):
    model, processor = pocket
    path = tmp_path / "a.png"
    Image.new("RGB", (64, 64), "red").save(path)
    told(model, processor, [{"role": "user", "content": [{"type": "image", "path": str(path)}]}])
    assert model.towers.present == frozenset(VISION)
    plan = turn.plan_turn(model.plan, context=99, new=95)
    tower_bytes = plan.weights.nbytes(plan.machine.item_bytes, "vision")
    usable_bytes = plan.total_bytes + 2 * tower_bytes + spare_bytes
    small = replace(plan, machine=replace(plan.machine, usable_bytes=usable_bytes))
    monkeypatch.setattr(turn, "plan_turn", lambda plan, **_: small)
    assert tower_bytes and small.choice.keeps_towers
    told(model, processor, LONG)
    assert bool(model.towers.present) == (spare_bytes >= 0)


def test_pain_22_ask_ends_with_4_where_the_model_does_not_fit(monkeypatch):
    tiny = Machine(5 * 10**7, 5 * 10**7, item_bytes=4)
    monkeypatch.setattr(loading, "this_machine", lambda info: tiny)
    done = CliRunner().invoke(main, ["ask", "Who are you?"])
    assert done.exit_code == 4
    assert done.stdout == ""
    assert "this machine has 0.05 GB to use" in done.stderr
    assert "gemma4 plan" in done.stderr
