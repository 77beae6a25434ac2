"""The chat line by line: stopping, failing, losing the engine."""

from __future__ import annotations

from gemma4_mlx.engine import DEMO_READY, FakeEngine
from gemma4_mlx.events import (
    Failed,
    LoadProgress,
    TextDelta,
)
from tests.tui.driver import picture
from tests.tui.plain.talk import ANSWER, LOST, Talk, said, talk


def stopping(*pieces: str) -> Talk:
    """A question whose answer is stopped after these pieces; then /retry, and another question."""
    engine = FakeEngine([list(map(TextDelta, pieces)), ANSWER, ANSWER])
    chat = Talk("First?", "/context", "Second?", engine=engine)
    ask = engine.submit

    def interrupted(request) -> None:
        ask(request)
        if len(engine.requests) == 1:
            chat.chat.link.interrupt()

    engine.submit = interrupted
    return chat.run()


def test_ctrl_c_stops_the_answer_and_keeps_what_came():
    chat = stopping("A red ", "st")
    assert "Gemma: A red st\nStopped.\nYou: /context" in chat.text
    told = chat.engine.requests[1].messages
    assert [each["content"] for each in told] == [said("First?"), "A red st", said("Second?")]


def test_what_was_stopped_before_anything_came_can_be_sent_again():
    chat = stopping()
    assert "Your question was not answered; it can be sent again.\nIt is: First?" in chat.text
    assert [each["content"] for each in chat.engine.requests[1].messages] == [said("Second?")]


def test_a_lost_engine_is_said_and_started_again_by_the_next_question(tmp_path):
    engine = FakeEngine([[TextDelta("A red")], ANSWER])
    chat = Talk(f"/image {picture(tmp_path)}", "What is it?", "/retry", lambda: None, engine=engine)
    ask = engine.submit

    def lost(request) -> None:
        ask(request)
        if len(engine.requests) == 1:
            engine.tell(LOST)

    engine.submit = lost
    chat.run()
    assert "Gemma: A red\nBroken off, the model is not told of it." in chat.text
    assert "The model has stopped: the engine was killed (SIGKILL)." in chat.lines
    assert "Log: /logs/engine.log" in chat.lines
    assert chat.text.count("was killed") == 1
    assert engine.restarts == [None]
    assert chat.lines[-2] == "Gemma: A red star and a blue circle."
    assert chat.asked[1][0]["path"].endswith(".png")


def test_an_engine_that_is_lost_while_somebody_types_is_started_again_for_the_question():
    engine = FakeEngine([ANSWER])
    chat = talk(lambda: engine.tell(LOST), "Hi", engine=engine)
    assert chat.text.index("You: Hi") < chat.text.index("The model has stopped")
    assert len(engine.requests) == 1
    assert engine.restarts == [None]
    assert "Gemma: A red star" in chat.text


def test_a_failed_answer_gives_the_question_back():
    failed = Failed("EngineError", "something broke", "try again")
    chat = talk("Hi", "Hi again", turns=[[failed], ANSWER])
    begin = chat.lines.index("You: Hi")
    assert chat.lines[begin + 1 : begin + 5] == [
        "Something broke.",
        "Try again.",
        "Your question was not answered; it can be sent again.",
        "It is: Hi",
    ]
    assert [each["content"] for each in chat.engine.requests[1].messages] == [said("Hi again")]


def test_a_model_that_cannot_be_loaded_gives_the_exit_code_and_another_may_be_loaded():
    missing = Failed("ModelNotFoundError", "no model x", "look at the name", 3)
    chat = talk("Hi", loading=[missing], model="x")
    assert "The model could not be loaded: no model x." in chat.lines
    assert chat.exit_code == 3

    engine = FakeEngine([ANSWER], loading=[missing])
    chat = Talk(lambda: setattr(engine, "loading", [DEMO_READY]), "/model pocket", "Hi",
                engine=engine, model="x")  # fmt: skip
    chat.run()
    assert engine.restarts == ["pocket"]
    assert chat.exit_code == 0
    assert chat.chat.conversation.model == "pocket"


def test_a_question_that_was_asked_early_waits_for_the_model():
    engine = FakeEngine([ANSWER], loading=[LoadProgress(1, 2)])
    chat = Talk("Hi", engine=engine)
    chat.chat.link.interrupt()  # Ctrl+C while it loads: on to the prompt
    ask = engine.submit

    def ready_after(request) -> None:
        ask(request)
        engine.tell(DEMO_READY)

    engine.submit = ready_after
    chat.run()
    assert "Loading goes on; a question waits for it." in chat.lines
    assert chat.text.index("It waits until the model is loaded.") < chat.text.index("This is")
    assert "Gemma: A red star and a blue circle." in chat.lines
