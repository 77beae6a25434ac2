"""What is said of a turn line by line, and in which order."""

from __future__ import annotations

from gemma4_mlx.engine import DEMO_READY, FakeEngine
from gemma4_mlx.events import (
    Finished,
    LoadProgress,
    PromptProgress,
    TextDelta,
    ThoughtDelta,
    ToolCall,
    Usage,
)
from tests.tui.driver import clip, picture
from tests.tui.plain.talk import ANSWER, FINISHED, SHAPES, VOICE, Clock, Talk, talk
from tui.plain.console import BELL
from tui.settings.preferences import Preferences
from tui.settings.schema import setting


def test_pain_20_a_turn_is_lines_with_labels_and_nothing_that_moves(tmp_path):
    shapes, voice = picture(tmp_path), clip(tmp_path)
    chat = talk(
        f"/image {shapes}",
        f"/audio {voice}",
        "What is this?",
        turns=[(SHAPES, VOICE, *ANSWER)],
    )
    after = chat.lines[chat.lines.index(f"You: /image {shapes}") :]
    assert after == [
        f"You: /image {shapes}",
        "Attached 1. shapes.png: 266 tokens, 640x480 seen as 912x672, budget 280",
        f"You: /audio {voice}",
        "Attached 2. voice.wav: 18 tokens, 0.70 s",
        "You: What is this?",
        "shapes.png: 266 tokens, 640x480 seen as 912x672, budget 280",
        "voice.wav: 18 tokens, 0.70 s",
        "Gemma: A red star and a blue circle.",
        "You: ",
    ]
    assert chat.exit_code == 0
    assert not set(chat.text) & set("\x1b\r\b·×…▰⠋")
    content = chat.asked[0]
    assert [part["type"] for part in content] == ["image", "audio", "text"]
    assert content[0]["image_tokens"] == 280


def test_whole_words_are_written_as_they_come():
    engine = FakeEngine([[TextDelta("A tri")]])
    chat = Talk("Well?", engine=engine)
    seen = []
    engine.submit = lambda request: _told(chat, seen, request)
    chat.run()
    assert seen == ["A ", "A triangle "]
    assert "Gemma: A triangle and a s-t-a-r.\n" in chat.text


def _told(chat: Talk, seen: list[str], request) -> None:
    """Hand out pieces one by one, and look at what is written after each."""
    write = chat.chat.console.write

    def looked_at(text: str) -> None:
        write(text)
        if chat.text.count("Gemma: ") and len(seen) < 2 and text.strip() not in ("", "Gemma:"):
            seen.append(chat.text.rpartition("Gemma: ")[2])

    chat.chat.console.write = looked_at
    chat.engine.requests.append(request)
    chat.engine._open_turns += 1
    for piece in ("A tri", "angle ", "and a ", "s-t-a-r."):
        chat.engine.tell(TextDelta(piece))
    chat.engine.tell(FINISHED)


def test_text_without_spaces_is_not_held_back():
    long = "星" * 40
    engine = FakeEngine([[TextDelta(long)]])
    chat = Talk("What?", lambda: None, engine=engine)
    ask = engine.submit

    def stop_after(request) -> None:
        ask(request)
        chat.chat.link.interrupt()

    engine.submit = stop_after
    chat.run()
    assert f"Gemma: {long}\nStopped.\n" in chat.text


def test_control_characters_of_an_answer_never_reach_the_terminal():
    chat = talk("Hi", turns=[(TextDelta("a\x1b[2Jb \x9b\u202ec"), FINISHED)])
    assert "Gemma: a␛[2Jb ��c" in chat.text


def test_thoughts_are_counted_and_shown_when_they_are_asked_for():
    turn = (ThoughtDelta("Two shapes, I see."), TextDelta("Two."), FINISHED)
    chat = talk("How many?", "/thoughts", turns=[turn], thinking=True)
    assert chat.engine.requests[0].thinking
    begin = chat.lines.index("You: How many?")
    assert chat.lines[begin + 1 : begin + 3] == [
        "Gemma is thinking.",
        "Thought, 4 words; /thoughts shows them.",
    ]
    assert chat.text.count("I see") == 1
    assert "Thoughts: Two shapes, I see.\n" in chat.text


def test_phases_are_said_every_few_seconds_at_most():
    loading = [LoadProgress(each * 10**8, 52 * 10**8) for each in range(0, 52, 2)]
    reading = [PromptProgress(done, 1240) for done in range(0, 1240, 40)]
    chat = talk(
        "Hi",
        turns=[(*reading, *ANSWER)],
        loading=[*loading, DEMO_READY],
        clock=Clock(0.5),
        keep_chats=False,
    )
    loaded = [line for line in chat.lines if line.startswith("Loading ")]
    assert loaded == ["Loading pocket."] + [
        f"Loading {each} of 5.2 GB." for each in (1.2, 2.8, 4.4)
    ]
    read = [line for line in chat.lines if line.startswith("Reading")]
    assert 2 <= len(read) <= len(reading) // 4
    assert read[0].endswith("of 1240 tokens.")


def test_the_bell_rings_when_an_answer_is_done_unless_the_settings_say_no():
    quiet = Preferences()
    quiet.choose(setting("look.bell"), False)
    assert talk("Hi", turns=[ANSWER], is_terminal=True).text.count(BELL) == 1
    assert BELL not in talk("Hi", turns=[ANSWER], is_terminal=True, preferences=quiet).text
    assert BELL not in talk("Hi", turns=[ANSWER]).text


def test_how_an_answer_ended_is_said_if_not_well():
    cut = Finished("length", Usage(20, 0, 5))
    chat = talk("Go on", turns=[(TextDelta("One two"), ToolCall("look", {}), cut)])
    assert "Gemma: One two\nGemma asks for a tool, look; nobody runs it." in chat.text
    assert "Cut off after 5 tokens." in chat.text
