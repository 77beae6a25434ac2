"""No text is lost, and drawing keeps to its pace."""

from __future__ import annotations

import random

import pytest
from textual.app import App
from textual.widget import Widget
from textual.widgets import Markdown, Static

from tui.text.markdown_pieces import parser
from tui.widgets.streamed_markdown import MarkdownPiece, StreamedMarkdown

DOCUMENT = """\
# A title

Use `std::vector<int>` and **bold**. <think>this stays</think> 1 < 2 &amp; \\<x>
<div>a block</div>

[1]: http://see.above "not a reference"

<think>
of several lines
</think>

| shape | colour |
|---|---|
| star | red |
| circle <b>x</b> | blue |

```python
def area(r: float) -> float:

    return 3.14 * r ** 2
```

1. one
2. two
   - nested <int>

   and more
3. three

> quoted
> twice

Underlined
==========

- [x] done

    indented

the end"""

SHOWN = [
    "<think>this stays</think>",
    "std::vector<int>",
    "<div>a block</div>",
    '[1]: http://see.above "not a reference"',
    "<think> of several lines </think>",
    "circle <b>x</b>",
    "    return 3.14 * r ** 2",
    "nested <int>",
    "[x] done",
    "1 < 2 & <x>",
]


class Page(App[None]):
    def compose(self):
        yield StreamedMarkdown()


def words(markdown: Widget) -> list[str]:
    """What is on the screen, block by block."""
    leaves = (node for node in markdown.walk_children(Static) if not node.children)
    leaves = (leaf for leaf in leaves if "growing-table" not in leaf.classes)
    return [text for leaf in leaves if (text := str(leaf.visual))]


@pytest.fixture
async def whole():
    """The document, drawn at once."""

    class Whole(App[None]):
        def compose(self):
            yield Markdown(DOCUMENT, parser_factory=parser)

    async with Whole().run_test(size=(80, 100)) as pilot:
        await pilot.pause()
        yield words(pilot.app.query_one(Markdown))


async def test_text_that_looks_like_markup_is_shown(whole):
    missing = [text for text in SHOWN if text not in "\n".join(whole)]
    assert missing == []


@pytest.mark.parametrize("seed", range(2))
async def test_however_it_is_cut_the_same_is_drawn(whole, seed):
    cut = random.Random(seed)
    async with Page().run_test(size=(80, 100)) as pilot:
        markdown = pilot.app.query_one(StreamedMarkdown)
        rest = DOCUMENT
        while rest:
            size = cut.randint(1, 60)
            markdown.write(rest[:size])
            rest = rest[size:]
            await markdown.flush(last=not rest)
        await pilot.pause()
        assert words(markdown) == whole
        assert markdown.source == DOCUMENT


async def test_appends_are_gathered(monkeypatch):
    appended = []
    real = MarkdownPiece.append
    monkeypatch.setattr(
        MarkdownPiece, "append", lambda self, text: (appended.append(text), real(self, text))[1]
    )
    async with Page().run_test() as pilot:
        markdown = pilot.app.query_one(StreamedMarkdown)
        for _ in range(200):
            markdown.write("word ")
        await markdown.flush()
        assert appended == ["word " * 200]
        markdown.write("late")
        assert len(appended) == 1
        while len(appended) < 2:  # comes by itself
            await pilot.pause(0.02)
        assert appended[1] == "late"
        await markdown.flush()
        assert markdown.source == "word " * 200 + "late"


async def test_a_long_list_is_drawn_in_pieces_without_a_gap():
    items = [f"{number}. point" for number in range(1, 41)]
    async with Page().run_test(size=(40, 60)) as pilot:
        markdown = pilot.app.query_one(StreamedMarkdown)
        for item in items:
            markdown.write(f"{item}\n")
            if item.endswith("5. point"):
                await markdown.flush()
        await markdown.flush()
        await pilot.pause()
        assert len(markdown.query(MarkdownPiece)) > 2
        strips = pilot.app.screen._compositor.render_strips()
        lines = ["".join(segment.text for segment in strip).strip() for strip in strips]
        assert lines[:40] == items


async def test_a_stop_in_the_middle_of_code_shows_all_of_it():
    async with Page().run_test(size=(40, 40)) as pilot:
        markdown = pilot.app.query_one(StreamedMarkdown)
        markdown.write("So:\n\n```python\nfirst = 1\nsec")
        await markdown.flush(last=True)
        await pilot.pause()
        assert words(markdown)[-1] == "first = 1\nsec"


async def test_a_source_is_shown_as_it_opens(whole):
    class Opened(App[None]):
        def compose(self):
            yield StreamedMarkdown(DOCUMENT)

    async with Opened().run_test(size=(80, 100)) as pilot:
        await pilot.pause()
        assert words(pilot.app.query_one(StreamedMarkdown)) == whole


async def test_only_links_to_the_web_are_followed():
    opened = []
    async with Page().run_test() as pilot:
        pilot.app.open_url = opened.append
        piece = pilot.app.query_one(MarkdownPiece)
        for address in ("https://a.b/c", "file:///etc/passwd", "javascript:x", "/etc/passwd"):
            piece.post_message(Markdown.LinkClicked(piece, address))
        await pilot.pause()
    assert opened == ["https://a.b/c"]
