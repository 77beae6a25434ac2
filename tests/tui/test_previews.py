"""Pictures before they are sent: half-blocks, and sharp where the terminal says that it can."""

from __future__ import annotations

import base64
import io
import re

import pytest
from PIL import Image
from textual.app import App

from gemma4_mlx.engine import DEMO_READY, FakeEngine
from tests.processing.video_files import write_video
from tests.tui.driver import chatting, picture
from tests.tui.test_terminal import Window
from tui.attachments.kitty_picture import ACCENTS, CELL, CHUNK, KittyPicture
from tui.picture_terminal import AFFIRMATIVE, QUERY, PictureTerminal, may_show_pictures
from tui.screens.preview import PreviewScreen
from tui.widgets.preview import Preview

KITTY = {"TERM": "xterm-kitty", "COLORTERM": "truecolor"}
PLACE = "\U0010eeee"


@pytest.mark.parametrize(
    ("environ", "may"),
    [
        (KITTY, True),
        ({**KITTY, "TERM": "xterm-ghostty"}, True),
        ({**KITTY, "TERM": "xterm-256color"}, False),
        ({**KITTY, "TERM": "dumb"}, False),
        ({**KITTY, "TMUX": "/tmp/tmux"}, False),
        ({**KITTY, "STY": "1.screen"}, False),
        ({**KITTY, "NO_COLOR": "1"}, False),
        ({**KITTY, "COLORTERM": ""}, False),
        ({}, False),
    ],
)
def test_only_terminals_that_know_the_question_are_asked(environ, may):
    assert may_show_pictures(environ) == may


def test_a_picture_is_sent_in_pieces_and_drawn_in_place_of_characters():
    image = Image.effect_noise((640, 480), 90).convert("RGB")
    sharp = KittyPicture.fit(image, 40, 30)
    assert (sharp.columns, sharp.rows) == (40, 15)
    messages = re.findall("\x1b_G([^;]*);([^\x1b]*)\x1b\\\\", sharp.sending)
    assert "".join(f"\x1b_G{keys};{data}\x1b\\" for keys, data in messages) == sharp.sending
    assert messages[0][0] == f"a=T,U=1,q=2,f=100,i={sharp.number},c=40,r=15,m=1"
    assert {keys for keys, _ in messages[1:]} == {"q=2,m=1", "q=2,m=0"}
    assert messages[-1][0] == "q=2,m=0"
    assert {len(data) for _, data in messages[:-1]} == {CHUNK}
    file = base64.b64decode("".join(data for _, data in messages), validate=True)
    assert Image.open(io.BytesIO(file)).size == (640, 480)
    first, *_, last = sharp.lines
    assert first.plain.startswith(f"{PLACE}\u0305\u0305{PLACE}\u0305\u030d")
    assert last.plain.endswith(f"{PLACE}{ACCENTS[14]}{ACCENTS[39]}")
    assert {line.cell_length for line in sharp.lines} == {40}
    colour = first.spans[0].style.foreground
    assert (colour.r << 16 | colour.g << 8 | colour.b) == sharp.number


def test_no_more_is_sent_than_can_be_seen_and_counted():
    image = Image.new("RGB", (1200, 300))
    small = KittyPicture.fit(image, 10, 10)
    data = "".join(re.findall(";([^\x1b]*)\x1b", small.sending))
    assert Image.open(io.BytesIO(base64.b64decode(data))).size[0] <= 10 * CELL[0]
    wide = KittyPicture.fit(image, 1000, 1000)
    assert wide.columns == len(ACCENTS) == len(set(ACCENTS))


class Previewing(App[None]):
    """A picture, on a terminal that writes down what it is sent."""

    def __init__(self, path, previews="auto") -> None:
        super().__init__()
        self.shown = Preview(path, previews)
        self.sent: list[str] = []

    def compose(self):
        self._driver.pictures = self.terminal = PictureTerminal(self.sent.append, self.call_later)
        yield self.shown

    @property
    def text(self) -> str:
        strips = self.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def rest(pilot) -> None:
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause(0.25)
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def test_blocks_until_the_terminal_answers_then_the_picture_itself(tmp_path):
    app = Previewing(picture(tmp_path))
    async with app.run_test(size=(40, 12)) as pilot:
        await rest(pilot)
        assert app.sent == [QUERY]
        assert "▀" in app.text and PLACE not in app.text
        app.terminal.hear(AFFIRMATIVE)
        await rest(pilot)
        assert app.sent[1].startswith("\x1b_Ga=T,U=1,")
        assert PLACE in app.text and "▀" not in app.text
        await pilot.resize_terminal(30, 10)
        await rest(pilot)
        assert [each[3:6] for each in app.sent[1:]] == ["a=T", "a=d", "a=T"]
        app.shown.path = None
        await rest(pilot)
        assert app.sent[-1].startswith("\x1b_Ga=d,d=I,") and PLACE not in app.text


@pytest.mark.parametrize("answer", ["i=1;ENOTSUPPORTED", "i=7;OK", ""])
async def test_another_answer_changes_nothing(tmp_path, answer):
    app = Previewing(picture(tmp_path))
    async with app.run_test(size=(40, 12)) as pilot:
        app.terminal.hear(answer)
        await rest(pilot)
        assert app.sent == [QUERY] and "▀" in app.text


async def test_blocks_or_nothing_where_the_settings_say_so(tmp_path):
    for previews, seen in (("blocks", "▀"), ("off", "previews are off")):
        app = Previewing(picture(tmp_path), previews)
        async with app.run_test(size=(40, 12)) as pilot:
            await rest(pilot)
            assert app.sent == [] and seen in app.text


async def test_without_colours_it_is_said_why_there_is_no_picture(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    async with chatting() as chat:
        await chat.enter(f"/image {picture(tmp_path)}")
        await chat.press("up", "space")
        assert "no preview: NO_COLOR is set" in chat.text and "▀" not in chat.text
        assert "640×480 · 266 tokens" in chat.text


async def test_who_looks_before_the_model_is_known_keeps_its_budget(tmp_path):
    engine = FakeEngine(loading=[])
    async with chatting(engine) as chat:
        await chat.enter(f"/image {picture(tmp_path)}")
        await chat.press("up", "space")
        await chat.tell(DEMO_READY)
        await chat.press("escape")
        assert chat.rows[0].holds.image_tokens == 280
        assert "send ≈ 266" in chat.lines[-1]


async def test_the_setting_reaches_the_screens(tmp_path):
    async with chatting(preview="off") as chat:
        await chat.enter(f"/image {picture(tmp_path)}")
        await chat.press("up", "space")
        assert isinstance(chat.app.screen, PreviewScreen)
        assert "previews are off" in chat.text and "266 tokens" in chat.text


async def test_a_video_shows_how_it_begins(tmp_path):
    path = write_video(tmp_path / "clip.mp4")
    async with chatting() as chat:
        await chat.paste(str(path))
        await chat.press("up")
        assert "space look" in chat.lines[-1]
        await chat.press("space")
        assert isinstance(chat.app.screen, PreviewScreen)
        assert "▀▀▀▀" in chat.text and "frames" in chat.text and "[280]" not in chat.text
        await chat.press("right", "escape")
        assert chat.rows[0].has_focus


async def test_one_budget_for_all_is_said_as_it_holds_for_those_to_come(tmp_path):
    async with chatting() as chat:
        await chat.paste(str(picture(tmp_path)))
        await chat.press("up", "left", "equals_sign")
        assert "all pictures, and those to come: 140" in chat.lines[-1]
        await chat.press("left")
        assert chat.rows[0].holds.image_tokens == 70
        await chat.press("down")
        await chat.enter("/drop")
        await chat.enter("/budget 560")
        assert "all pictures, and those to come: 560" in chat.lines[-1]
        await chat.paste(str(picture(tmp_path)))
        await chat.press("up")
        assert chat.rows[0].holds.image_tokens == 560


def test_a_real_terminal_is_asked_drawn_on_and_left_clean(tmp_path, monkeypatch):
    for name in ("TMUX", "STY", "ZELLIJ"):
        monkeypatch.delenv(name, raising=False)
    for name, value in KITTY.items():
        monkeypatch.setenv(name, value)
    window = Window()
    try:
        window.wait_for(b"ready")
        window.type(b"\x1b[200~" + str(picture(tmp_path)).encode() + b"\x1b[201~")
        window.wait_for(b"266 tok")
        assert b"\x1b_G" not in window.seen
        window.type(b"\x1b[A")
        window.wait_for(b"look")
        window.type(b" ")
        window.wait_for(QUERY.encode())
        window.type(b"\x1b_Gi=1;OK\x1b\\")
        window.wait_for(PLACE.encode())
        window.type(b"\x11")
        assert window.end() == 0
        assert window.seen.count(b"a=T,U=1") == window.seen.count(b"a=d,d=I") == 1
        window.assert_restored()
    finally:
        window.close()
