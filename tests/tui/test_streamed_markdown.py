"""No text is lost, and drawing keeps to its pace."""

from __future__ import annotations

import random

import pytest
from textual.app import App
from textual.widgets import Markdown, Static

from tui.widgets.streamed_markdown import StreamedMarkdown, parser

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
    ("this", "<think>this stays</think>"),
    ("generic", "std::vector<int>"),
    ("block", "<div>a block</div>"),
    ("reference", '[1]: http://see.above "not a reference"'),
    ("thought", "<think> of several lines </think>"),
    ("cell", "circle <b>x</b>"),
    ("code", "    return 3.14 * r ** 2"),
    ("nested", "nested <int>"),
    ("box", "[x] done"),
    ("entity", "1 < 2 & <x>"),
]


class Page(App[None]):
    def compose(self):
        yield StreamedMarkdown()


def words(markdown: Markdown) -> list[str]:
    """What is on the screen, block by block."""
    leaves = (node for node in markdown.walk_children(Static) if not node.children)
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


@pytest.mark.parametrize(("text"), [text for _, text in SHOWN], ids=[name for name, _ in SHOWN])
async def test_text_that_looks_like_markup_is_shown(whole, text):
    assert text in "\n".join(whole)


@pytest.mark.parametrize("seed", range(6))
async def test_however_it_is_cut_the_same_is_drawn(whole, seed):
    cut = random.Random(seed)
    async with Page().run_test(size=(80, 100)) as pilot:
        markdown = pilot.app.query_one(StreamedMarkdown)
        rest = DOCUMENT
        while rest:
            size = cut.randint(1, 40)
            markdown.write(rest[:size])
            rest = rest[size:]
            await markdown.flush()
        await pilot.pause()
        assert words(markdown) == whole
        assert markdown.source == DOCUMENT


async def test_appends_are_gathered(monkeypatch):
    appended = []
    real = StreamedMarkdown.append
    monkeypatch.setattr(
        StreamedMarkdown, "append", lambda self, text: (appended.append(text), real(self, text))[1]
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
