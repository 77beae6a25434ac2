"""The engine that plays a script keeps the promises of the real one."""

from __future__ import annotations

from gemma4_mlx.engine import DEMO_READY, FakeEngine, TurnRequest
from gemma4_mlx.events import EngineLost, Failed, Finished, LoadProgress, TextDelta

HELLO = TurnRequest([{"role": "user", "content": "Hello"}])
LOST = EngineLost("killed", "restart", "engine.log")


def test_plays_its_script():
    fake, heard = FakeEngine([[TextDelta("a"), Finished("stop")]]), []
    fake.start(heard.append)
    fake.submit(HELLO)
    assert heard == [DEMO_READY, TextDelta("a"), Finished("stop")]
    assert fake.requests == [HELLO]


def test_leaves_a_turn_open_until_told_to_stop():
    fake, heard = FakeEngine([[TextDelta("a")]]), []
    fake.start(heard.append)
    fake.submit(HELLO)
    fake.tell(TextDelta("b"))
    fake.stop()
    fake.stop()
    assert heard[1:] == [TextDelta("a"), TextDelta("b"), Finished("cancelled")]


def test_turns_wait_for_the_model():
    fake, heard = FakeEngine([[Finished("stop")]], loading=[LoadProgress(1, 2)]), []
    fake.start(heard.append)
    fake.submit(HELLO)
    fake.tell(DEMO_READY)
    assert heard == [LoadProgress(1, 2), DEMO_READY, Finished("stop")]


def test_without_a_model_every_turn_tells_why():
    failed = Failed("WeightsError", "torn")
    fake, heard = FakeEngine(loading=[failed]), []
    fake.start(heard.append)
    fake.submit(HELLO)
    assert heard == [failed, failed]


def test_is_silent_when_closed():
    fake, heard = FakeEngine([[TextDelta("a")]]), []
    fake.start(heard.append)
    fake.submit(HELLO)
    fake.close()
    fake.tell(TextDelta("b"))
    assert heard == [DEMO_READY, TextDelta("a")]


def test_a_lost_engine_fails_what_is_open_and_what_comes_until_a_restart():
    fake, heard = FakeEngine([[TextDelta("a")], [Finished("stop")]]), []
    fake.start(heard.append)
    fake.submit(HELLO)
    fake.tell(LOST)
    fake.submit(HELLO)
    failed = Failed("EngineLostError", "killed", "restart")
    assert heard == [DEMO_READY, TextDelta("a"), failed, LOST, failed]
    heard.clear()
    fake.restart("other")
    fake.submit(HELLO)
    assert heard == [DEMO_READY, Finished("stop")]
    assert fake.restarts == ["other"]


def test_a_restart_cancels_what_is_open():
    fake, heard = FakeEngine([[TextDelta("a")]]), []
    fake.start(heard.append)
    fake.submit(HELLO)
    fake.restart()
    assert heard == [DEMO_READY, TextDelta("a"), Finished("cancelled"), DEMO_READY]
    assert fake.restarts == [None]


def test_a_script_may_lose_the_engine_in_a_turn_or_while_it_loads():
    fake, heard = FakeEngine([[TextDelta("a"), LOST]]), []
    fake.start(heard.append)
    fake.submit(HELLO)
    failed = Failed("EngineLostError", "killed", "restart")
    assert heard == [DEMO_READY, TextDelta("a"), failed, LOST]
    fake.loading = [LoadProgress(1, 2), LOST]
    fake.restart()
    assert heard[4:] == [LoadProgress(1, 2), LOST]
