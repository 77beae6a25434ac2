"""Pictures as sixels: what they decode to, and when they are drawn."""

from __future__ import annotations

import re
from itertools import product

import pytest
from PIL import Image
from textual.app import App
from textual.screen import ModalScreen

from tests.tui.driver import picture
from tui.attachments.sixel_picture import SixelPicture, sixels
from tui.picture_terminal import CELL_SIZE, WHAT_IT_IS, SixelTerminal
from tui.widgets import preview
from tui.widgets.preview import Preview

KNOWS = "\x1b[?62;4;22c"
CELL = "\x1b[6;20;10t"
TOKEN = re.compile(r"#(\d+)(?:;2;(\d+);(\d+);(\d+))?|([-$])|(?:!(\d+))?([?-~])")
TOLERANCE = 12
"""What a colour may lose by the palette and by being told in parts of a hundred."""


def decode(data: str) -> Image.Image:
    """Sixels back to pixels; each must be drawn, and drawn once."""
    head = re.match(r'\x1bP0;1;0q"1;1;(\d+);(\d+)', data)
    assert head and data.endswith("\x1b\\")
    width, height = map(int, head.groups())
    image = Image.new("RGB", (width, height))
    palette: dict[int, tuple[int, ...]] = {}
    drawn: set[tuple[int, int]] = set()
    x = top = colour = 0
    for token in TOKEN.finditer(data[head.end() : -2]):
        number, *rgb, motion, times, sixel = token.groups()
        if number is not None:
            colour = int(number)
            if rgb[0] is not None:
                palette[colour] = tuple(round(int(part) * 2.55) for part in rgb)
        elif motion:
            x, top = 0, top + 6 * (motion == "-")
        else:
            rows = [row for row in range(6) if (ord(sixel) - 63) >> row & 1]
            for place in product(range(x, x + int(times or 1)), (top + row for row in rows)):
                assert place not in drawn
                drawn.add(place)
                image.putpixel(place, palette[colour])
            x += int(times or 1)
    assert len(drawn) == width * height
    return image


def differ(one: Image.Image, other: Image.Image) -> int:
    pairs = zip(one.convert("RGB").tobytes(), other.convert("RGB").tobytes(), strict=True)
    return max(abs(left - right) for left, right in pairs)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (12, 6), (31, 13), (40, 24)])
def test_sixels_are_the_picture_in_every_size(size):
    image = Image.merge(
        "RGB", [Image.linear_gradient("L").rotate(turn).resize(size) for turn in (0, 90, 180)]
    )
    assert differ(decode(sixels(image)), image) <= 2 * TOLERANCE


def test_one_colour_is_counted_not_repeated():
    image = Image.new("RGB", (300, 18), (10, 200, 30))
    assert differ(decode(sixels(image)), image) <= 2
    assert sixels(image).count("!300~") == 3 and len(sixels(image)) < 80


def test_noise_loses_no_pixel():
    decode(sixels(Image.effect_noise((50, 20), 90).convert("RGB")))


def test_what_is_transparent_is_white():
    image = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 10, 20))
    shown = decode(SixelPicture.fit(image, 2, 1, cell=(10, 20)).data)
    assert shown.size == (20, 20)
    assert shown.getpixel((2, 10)) == (0, 0, 255) and shown.getpixel((17, 10)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("size", "room", "covered", "pixels"),
    [
        ((400, 300), (20, 10), (20, 8), (200, 150)),
        ((300, 400), (20, 10), (15, 10), (150, 200)),
        ((1, 1000), (20, 10), (1, 10), (1, 200)),
        ((10, 20), (1, 1), (1, 1), (10, 20)),
    ],
)
def test_a_picture_stays_in_its_room(size, room, covered, pixels):
    fitted = SixelPicture.fit(Image.new("RGB", size, "navy"), *room, cell=(10, 20))
    assert (fitted.columns, fitted.rows) == covered
    assert fitted.data.startswith('\x1bP0;1;0q"1;1;{};{}#'.format(*pixels))


@pytest.mark.parametrize(
    ("answers", "cell"),
    [
        ((KNOWS, CELL), (10, 20)),
        (("\x1b[?62;22;4c", CELL), (10, 20)),
        (("\x1b[?62;22c",), None),
        (("\x1b[?4c",), None),
        (("\x1b[?62;14;44c",), None),
        ((KNOWS, "\x1b[6;0;0t"), None),
        ((KNOWS, "\x1b[6;9999;10t"), None),
    ],
)
def test_a_terminal_shows_what_it_says_it_can(answers, cell):
    sent, done = [], []
    terminal = SixelTerminal(sent.append, lambda call: call())
    terminal.hear(KNOWS)  # nobody has asked
    assert sent == []
    terminal.ask(lambda: done.append(1))
    for answer in answers:
        terminal.hear(answer)
    assert sent == [WHAT_IT_IS] + [CELL_SIZE] * (KNOWS in answers or cell is not None)
    assert (terminal.cell, terminal.shows, len(done)) == (cell, bool(cell), int(bool(cell)))


class Drawing(App[None]):
    """A picture, on a terminal that writes down what it is sent."""

    def __init__(self, path) -> None:
        super().__init__()
        self.shown = Preview(path)
        self.sent: list[str] = []

    def compose(self):
        self._driver.pictures = self.terminal = SixelTerminal(self.sent.append, self.call_later)
        yield self.shown

    @property
    def text(self) -> str:
        return self.shown.render().plain

    @property
    def drawn(self) -> list[str]:
        return [each for each in self.sent if "\x1bP" in each]


async def rest(pilot) -> None:
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause(0.03)
    await pilot.app.workers.wait_for_complete()
    await pilot.pause(0.03)


@pytest.fixture
def at_once(monkeypatch):
    """Nothing waits until the screen is at rest."""
    monkeypatch.setattr(preview, "SETTLED_S", 0.01)


@pytest.mark.usefixtures("at_once")
async def test_sixels_are_drawn_after_the_answer_and_again_whenever_they_were_covered(tmp_path):
    app = Drawing(picture(tmp_path))
    async with app.run_test(size=(20, 9)) as pilot:
        await pilot.pause()
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert app.sent == [WHAT_IT_IS] and "▀" in app.text
        app.terminal.hear(KNOWS)
        app.terminal.hear(CELL)
        await rest(pilot)
        [first] = app.drawn
        assert not app.text.strip()
        place = re.fullmatch("\x1b7\x1b\\[(\\d+);(\\d+)H(\x1bP.*)\x1b8", first, re.DOTALL)
        row, column = int(place[1]), int(place[2])
        width, height = decode(place[3]).size
        assert row - 1 + -(-height // 20) < 9, "the last line stays free"
        assert column - 1 + -(-width // 10) <= 20

        app.push_screen(ModalScreen())
        await pilot.pause()
        app.shown.refresh()
        await pilot.pause(0.03)
        assert app.drawn == [first]
        app.pop_screen()
        await pilot.pause(0.03)
        assert app.drawn == [first, first]

        await pilot.resize_terminal(16, 7)
        await rest(pilot)
        assert app.sent.count(CELL_SIZE) == 2
        assert len(app.drawn) == 3 and app.drawn[2] != first

        app.shown.path = None
        await rest(pilot)
        assert len(app.drawn) == 3 and not app.text.strip()
        count = len(app.sent)
    assert len(app.sent) == count, "nothing is written after the end"
