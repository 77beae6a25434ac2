"""The chat line by line: what is said, in which order, and what becomes of it."""

from __future__ import annotations

import io
import os
from collections.abc import Callable

import pytest

from gemma4_mlx.engine import DEMO_READY, FakeEngine
from gemma4_mlx.events import (
    EngineLost,
    Failed,
    Finished,
    LoadProgress,
    MediaReceipt,
    ModelReady,
    PromptProgress,
    TextDelta,
    ThoughtDelta,
    Timings,
    ToolCall,
    Usage,
)
from gemma4_mlx.folders import data_folder
from tests.processing.video_files import write_video
from tests.tui.driver import clip, picture
from tui.commands import COMMANDS
from tui.plain.chat import PlainChat
from tui.plain.commands import commands_here
from tui.plain.console import BELL, Console
from tui.plain.loop import Loop
from tui.settings.options import ChatOptions
from tui.settings.preferences import Preferences
from tui.settings.schema import setting
from tui.store import Store

FINISHED = Finished("stop", Usage(281, 0, 9), Timings(0.0, 0.24, 800.0, 118.0))
ANSWER = (TextDelta("A red star "), TextDelta("and a blue circle."), FINISHED)
SHAPES = MediaReceipt("image", "shapes.png", 266, 266, 640, 480, 912, 672, 280)
VOICE = MediaReceipt("audio", "voice.wav", 18, 18, seconds=0.7)
LOST = EngineLost("the engine was killed (SIGKILL)", "the conversation is kept", "/logs/engine.log")
OUT_OF_MEMORY = Failed("MemoryLimitError", "there is not enough memory", "use less", 4)

Step = str | Exception | type[BaseException] | Callable[[], object]


class Clock:
    """Goes on by a step each time somebody looks."""

    def __init__(self, step_s: float = 0.0) -> None:
        self.now, self.step_s = 0.0, step_s

    def __call__(self) -> float:
        self.now += self.step_s
        return self.now


class Talk:
    """A whole chat: what is typed, and all that is to be read at the end.

    Args:
        steps: lines; exceptions, as Ctrl+C and Ctrl+D are; functions, called before the next line.
    """

    def __init__(
        self,
        *steps: Step,
        engine: FakeEngine | None = None,
        preferences: Preferences | None = None,
        clock: Clock | None = None,
        is_terminal: bool = False,
        **options,
    ) -> None:
        self.steps = list(steps)
        self.out = io.StringIO()
        self.engine = engine or FakeEngine()
        console = Console(self._read, self.out, is_terminal=is_terminal)
        self.chat = PlainChat(
            self.engine,
            ChatOptions(**options),
            console,
            preferences,
            clock=clock or Clock(),
        )

    def run(self) -> Talk:
        self.exit_code = Loop(self.chat).run()
        return self

    def _read(self, prompt: str) -> str:
        self.out.write(prompt)
        while self.steps:
            step = self.steps.pop(0)
            if isinstance(step, str):
                return step
            if isinstance(step, Exception) or (
                isinstance(step, type) and issubclass(step, BaseException)
            ):
                raise step
            step()
        raise EOFError

    @property
    def text(self) -> str:
        return self.out.getvalue()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def asked(self) -> list:
        """What the engine was asked, each time."""
        return [request.messages[-1]["content"] for request in self.engine.requests]


def talk(*steps: Step, turns=(), **options) -> Talk:
    """A chat in which the engine plays these turns."""
    engine = options.pop("engine", None) or FakeEngine(turns, loading=options.pop("loading", None))
    return Talk(*steps, engine=engine, **options).run()


def said(text: str) -> list:
    return [{"type": "text", "text": text}]


# A turn


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


# What is typed


def test_lines_that_end_in_a_backslash_go_on():
    chat = talk("One\\", "two\\", "", "three", turns=[ANSWER, ANSWER])
    assert chat.asked == [said("One\ntwo\n".strip()), said("three")]
    assert "more: two\\" in chat.text


def test_a_path_alone_is_attached_if_that_is_wanted(tmp_path):
    shapes = str(picture(tmp_path))
    wanted = talk(f"'{shapes}'", "", "What is it?", turns=[ANSWER], is_terminal=True)
    assert "Attach shapes.png? Enter attaches, n sends it as text: " in wanted.text
    assert wanted.asked[0][0]["path"].endswith("/shapes.png")
    unwanted = talk(shapes, "n", turns=[ANSWER], is_terminal=True)
    assert unwanted.asked == [said(shapes)]
    piped = talk(shapes, "What is it?", turns=[ANSWER])
    assert piped.asked[0][0]["path"].endswith("/shapes.png")


def test_a_file_that_cannot_be_used_is_said_and_not_attached(tmp_path):
    (tmp_path / "broken.png").write_text("no picture")
    chat = talk(f"/image {tmp_path / 'broken.png'}", "/image nowhere.png", "/drop")
    assert any(line.startswith("broken.png ") for line in chat.lines)
    assert not any(line.startswith("Attached") for line in chat.lines)
    assert "No such file: nowhere.png." in chat.lines
    assert "/drop: nothing is attached." in chat.lines


def test_a_model_that_does_not_hear_is_given_no_clip(tmp_path):
    deaf = ModelReady("deaf", True, False, 280, 4096)
    chat = talk(f"/audio {clip(tmp_path)}", loading=[deaf])
    assert "voice.wav: deaf cannot hear clips." in chat.lines


def test_a_video_is_told_with_what_its_sound_costs_if_that_is_heard(tmp_path):
    film = write_video(tmp_path / "film.mp4", 20, 10, sound_s=2.0)
    heard = talk(str(film), "What happens?", turns=[ANSWER])
    deaf = talk(str(film), loading=[ModelReady("deaf", True, False, 280, 4096)])
    both, frames = (
        next(line for line in chat.lines if line.startswith("Attached 1. film.mp4: "))
        for chat in (heard, deaf)
    )
    assert heard.asked[0][0]["type"] == "video"
    assert int(both.split()[3]) == int(frames.split()[3]) + 50
    assert "0:02, 20 frames" in both


def test_budgets_and_drops(tmp_path):
    chat = talk(
        "/budget 70",
        f"/image {picture(tmp_path, 'a.png')} {picture(tmp_path, 'b.png')}",
        "/budget 1120 2",
        "/drop 1",
        "/budget 3000",
        "What?",
        turns=[ANSWER],
    )
    assert [part.get("image_tokens") for part in chat.asked[0]] == [1120, None]
    assert "1. b.png: 1064 tokens, 640x480 seen as" in chat.text
    assert "/budget takes one of 70, 140, 280, 560, 1120, auto." in chat.lines


def test_ctrl_c_at_the_prompt_leaves_the_second_time():
    chat = talk("half\\", KeyboardInterrupt, "Hi", KeyboardInterrupt, KeyboardInterrupt, "never")
    assert chat.asked == [said("Hi")]
    assert chat.text.count("Ctrl+C once more leaves, and so does Ctrl+D.") == 2
    assert chat.steps == ["never"]


def test_what_is_no_text_is_said_and_nothing_is_asked():
    error = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid")
    chat = talk(error, "Hi", turns=[ANSWER])
    assert "That was no text in UTF-8." in chat.lines
    assert chat.asked == [said("Hi")]


# Stopping, failing, losing


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


# A full context

SMALL = ModelReady("small", True, True, 280, 400)
FULL = Finished("stop", Usage(300, 0, 40), Timings())
LONG = "word " * 60


def test_pain_15_a_full_context_is_said_and_nothing_is_sent_unless_room_is_made(tmp_path):
    chat = talk(
        f"/image {picture(tmp_path)}",
        "What is it?",
        LONG,
        "",
        "/context",
        turns=[(TextDelta("A star."), FULL)],
        loading=[SMALL],
    )
    assert (
        "This would not fit. The conversation takes 340 of 400 tokens, this about 75" in chat.text
    )
    assert "1. Show it the pictures at lower budgets, which saves 136 tokens." in chat.lines
    assert "2. Have it summarised, and go on in a new chat." in chat.lines
    assert f"It is: {LONG.strip()}" in chat.text
    assert len(chat.engine.requests) == 1


def test_lower_budgets_make_room(tmp_path):
    steps = (f"/image {picture(tmp_path)}", "What is it?", LONG, "1")
    chat = talk(*steps, turns=[(TextDelta("A star."), FULL), ANSWER], loading=[SMALL])
    pictures = chat.engine.requests[1].messages[0]["content"]
    assert pictures[0]["image_tokens"] == 140
    assert chat.asked[1] == said(LONG.strip())


def test_pictures_that_were_sent_get_another_budget(tmp_path):
    shown = MediaReceipt("image", "shapes.png", 266, 266, 640, 480, 912, 672, 280)
    steps = ("/budget 70 sent", f"/image {picture(tmp_path)}", "What?", "/budget 70 sent", "And?")
    chat = talk(*steps, turns=[(shown, *ANSWER), ANSWER])
    assert "No picture has been sent in this chat." in chat.text
    assert "Frees 203 tokens" in chat.text and "1 turn is read again" in chat.text
    assert chat.engine.requests[1].messages[0]["content"][0]["image_tokens"] == 70


def test_the_oldest_turns_make_room():
    half = Finished("stop", Usage(150, 0, 20), Timings())
    turns = [(TextDelta("One."), half), (TextDelta("Two."), FULL), ANSWER]
    chat = talk("First?", "Second?", LONG, "1", turns=turns, loading=[SMALL])
    assert "1. Leave out the oldest turn, which saves about 170 tokens." in chat.lines
    assert [each["content"] for each in chat.engine.requests[2].messages] == [
        said("Second?"), "Two.", said(LONG.strip()),
    ]  # fmt: skip


def test_a_summary_makes_room_in_a_new_chat():
    turns = [(TextDelta("One."), FULL), (TextDelta("A star was seen."), FULL), ANSWER]
    chat = talk("First?", LONG, "1", turns=turns, loading=[SMALL])
    told = chat.engine.requests[2].messages
    assert told[0]["role"] == "system"
    assert told[0]["content"].endswith("A star was seen.")
    assert told[1:] == ({"role": "user", "content": said(LONG.strip())},)
    store = Store.open(data_folder())
    assert [row.title for row in store.sessions()] == ["First? (continued)", "First?"]
    store.close()


def test_after_out_of_memory_room_can_be_made_too(tmp_path):
    steps = (f"/image {picture(tmp_path)}", "What is it?", "1")
    chat = talk(*steps, turns=[[OUT_OF_MEMORY], ANSWER])
    assert "There is not enough memory." in chat.lines
    assert [asked[0]["image_tokens"] for asked in chat.asked] == [280, 140]
    assert "Gemma: A red star and a blue circle." in chat.lines


# Commands


def test_the_help_names_every_command_that_is_there():
    chat = talk("/help")
    for command in commands_here():
        assert any(line.startswith(f"/{command.name}") for line in chat.lines)
        for alias in command.aliases:
            assert any(line.endswith(f"/{alias}") or f"/{alias}," in line for line in chat.lines)
    assert any(line.startswith("/open WORDS|N: ") for line in chat.lines)
    assert "Ctrl+D leaves." in chat.lines
    names = {command.name for command in commands_here()}
    wanted = "image audio budget drop model think system preset set retry edit stop save new"
    assert names >= {*wanted.split(), "sessions", "open", "context", "help", "quit", "thoughts"}


def test_other_commands_say_where_they_are():
    chat = talk("/nonsense x", "/settings", "/stop", "/quit", "never")
    assert "No command /nonsense: /help lists all." in chat.lines
    assert "/settings needs the screen: gemma4 chat without --plain." in chat.lines
    assert "Nothing is being written; Ctrl+C stops an answer." in chat.lines
    assert chat.steps == ["never"]
    assert chat.engine.requests == []


@pytest.mark.parametrize("command", [each for each in COMMANDS if each not in commands_here()])
def test_commands_that_are_left_out_need_a_screen(command):
    assert command.name in {"record", "copy", "theme", "settings"}


def test_sampling_system_and_thinking_hold_from_the_next_answer_on():
    chat = talk(
        "/set temp 0.7", "/system Be brief.", "/think on", "Hi", "/system off", "Hi",
        "/set temp 900",
        turns=[ANSWER, ANSWER],
    )  # fmt: skip
    first, second = chat.engine.requests
    assert (first.temperature, first.thinking) == (0.7, True)
    assert first.messages[0] == {"role": "system", "content": "Be brief."}
    assert second.messages[0]["role"] == "user"
    assert "Expected a number from 0 to 100, found 900.0." in chat.lines


def test_presets_are_kept_and_taken():
    preferences = Preferences()
    talk("/set temp 0.2", "/preset save cold", preferences=preferences)
    chat = talk("/preset cold", "Hi", "/preset warm", turns=[ANSWER], preferences=preferences)
    assert chat.engine.requests[0].temperature == 0.2
    assert "No preset 'warm'; there are cold." in chat.lines


def test_retry_and_edit_make_other_versions(tmp_path):
    chat = talk(
        f"/image {picture(tmp_path)}",
        "What is it?",
        "/retry",
        "/edit",
        "And how many?",
        "/edit",
        "",
        turns=[ANSWER, ANSWER, ANSWER],
    )
    assert [asked[-1]["text"] for asked in chat.asked] == ["What is it?"] * 2 + ["And how many?"]
    assert all(len(request.messages) == 1 for request in chat.engine.requests)
    assert chat.asked[2][0]["type"] == "image"
    assert "The question stays as it was." in chat.lines
    assert chat.chat.files.attachments == ()
    assert len(chat.chat.conversation.entries) == 5


def test_stats_and_context(tmp_path):
    chat = talk(f"/image {picture(tmp_path)}", "What?", "/stats", "/context",
                turns=[(SHAPES, *ANSWER)])  # fmt: skip
    assert "1 answer: 281 tokens read, 0 reused, 9 written." in chat.lines
    assert "The last one: 281 in, 9 out, 118 tok/s, first token 0.24 s." in chat.lines
    assert "290 tokens of 4096 are taken." in chat.lines
    assert "picture shapes.png: 266." in chat.lines


# Chats


def test_chats_are_kept_found_and_gone_on_with(tmp_path):
    talk("What is the total?", turns=[(TextDelta("€47.80"), FINISHED)])
    talk("Which trees are these?", turns=[(TextDelta("Oaks."), FINISHED)])
    chat = talk("/sessions", "/open 2", "And the tip?", "/open oaks", "/new", "/rename x",
                turns=[ANSWER])  # fmt: skip
    listed = [line for line in chat.lines if line.startswith(("1. ", "2. "))]
    assert [line.partition(",")[0] for line in listed] == [
        "1. Which trees are these?",
        "2. What is the total?",
    ]
    assert "You: What is the total?\nGemma: €47.80\n" in chat.text
    asked = [each["content"] for each in chat.engine.requests[0].messages]
    assert asked == [said("What is the total?"), "€47.80", said("And the tip?")]
    assert "Which trees are these?: 1 question." in chat.lines

    last = talk(continue_last=True)  # where something was said last, not what was looked at
    assert "You: And the tip?\nGemma: A red star and a blue circle.\n" in last.text


def test_a_chat_is_saved_and_read_again(tmp_path):
    file = tmp_path / "chat.json"
    chat = talk("Hi", f"/save {file}", f"/save {file}", "/new", f"/import {file}", turns=[ANSWER])
    assert f"Written to {file}." in chat.lines
    assert f"{file} exists." in chat.lines
    assert chat.lines[-3:-1] == ["You: Hi", "Gemma: A red star and a blue circle."]


def test_the_question_is_on_the_disk_before_the_answer():
    engine = FakeEngine()
    found = []

    def look(request) -> None:
        store = Store.open(data_folder())
        found.extend(row.title for row in store.sessions())
        store.close()
        engine._open_turns += 1
        engine.tell(FINISHED)

    engine.submit = look
    talk("Where are you?", engine=engine)
    assert found == ["Where are you?"]


def test_nothing_is_kept_if_that_was_asked_for():
    talk("Hi", turns=[ANSWER], keep_chats=False)
    assert not (data_folder() / "chats.db").exists()


def test_a_folder_that_cannot_be_written_is_said_once(home, monkeypatch):
    monkeypatch.setenv("GEMMA4_HOME", os.devnull)
    chat = talk("Hi", "Hi", turns=[ANSWER, ANSWER])
    assert chat.text.count("Chats are not kept as they should be") == 1
    assert chat.text.count("Gemma: A red star") == 2
