"""Chats as Markdown, HTML and JSON, and JSON back."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma4_mlx.errors import StoreError, UsageError
from gemma4_mlx.events import Failed, Finished, TextDelta, ThoughtDelta
from tests.tui.store.chats import picture, rich_chat, say
from tui.attachments.attachment import Attachment
from tui.chat.conversation import Conversation, Draft
from tui.export import export_chat, html, import_chat, render_chat

HOSTILE = "<script>alert('x')</script> ![t](http://tracker/x.png) [l](javascript:alert(1)) \x1b[2J"


def hostile_chat(folder: Path) -> Conversation:
    chat = Conversation(f"System {HOSTILE}", model=HOSTILE, title=HOSTILE, created=0.0)
    names = ('<b>"&.png', "a](x).png")
    chat.ask(Draft(f"Question {HOSTILE}", tuple(picture(folder, name) for name in names)))
    chat.hear(ThoughtDelta(f"Thought {HOSTILE}"))
    chat.hear(TextDelta(f"Answer {HOSTILE}\n\n| a |\n|---|\n| 1 |\n\n```\n<int>\n```"))
    chat.hear(Finished("cancelled"))
    return chat


def test_markdown(tmp_path):
    chat = rich_chat(picture(tmp_path, "a b.png"))
    chat.created = 0.0
    target = tmp_path / "chat.md"
    assert export_chat(chat, target) == ()
    assert (
        target.read_text()
        == """\
# What is it?

1970-01-01 00:00 UTC · pocket

## System

Be brief.

## You

![a b.png](chat_files/a%20b.png)

What is it?

## Gemma

A red star, 明るい星, звезда

*stopped*

## You

Sure?

## Gemma

Yes.
"""
    )
    assert (tmp_path / "chat_files" / "a b.png").read_bytes() == b"not a picture"


def test_thoughts_are_quoted_and_control_characters_shown(tmp_path):
    text = render_chat(hostile_chat(tmp_path), "md")
    assert "> *Thoughts*\n>\n> Thought <script>" in text
    assert "\x1b" not in text
    assert "␛[2J" in text
    assert "*a\\](x).png*" in text


class Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data

    def of(self, *tags: str) -> list[dict]:
        return [attributes for tag, attributes in self.tags if tag in tags]


def test_html_is_one_page_without_scripts_and_calls_nobody(tmp_path):
    export_chat(hostile_chat(tmp_path), tmp_path / "chat.html")
    text = (tmp_path / "chat.html").read_text()
    page = Page(text)
    assert page.of("script", "iframe", "link", "object") == []
    assert [image["src"][:22] for image in page.of("img")] == ["data:image/png;base64,"] * 2
    assert [link for link in page.of("a") if "script" in link["href"]] == []
    for said in ("System", "Question", "Thought", "Answer"):
        assert f"{said} <script>alert('x')</script>" in page.words
    assert "<int>" in page.words
    assert '<b>"&.png' in page.words
    assert "\x1b" not in text
    assert "stopped" in page.words
    (policy,) = (each["content"] for each in page.of("meta") if "http-equiv" in each)
    assert policy.startswith("default-src 'none'")
    assert [each["href"] for each in page.of("a")] == ["http://tracker/x.png"]  # a link, no picture


def test_html_has_large_pictures_and_sounds_beside(tmp_path, monkeypatch):
    monkeypatch.setattr(html, "EMBEDDED_BYTES", 3)
    photo, heic = picture(tmp_path, "a.png"), picture(tmp_path, "b.heic")
    clip = Attachment("audio", picture(tmp_path, "c.wav").path)
    export_chat(rich_chat(photo, heic, clip), tmp_path / "chat.html")
    page = Page((tmp_path / "chat.html").read_text())
    assert [each["src"] for each in page.of("img")] == ["chat_files/a.png"]
    assert [each["href"] for each in page.of("a")] == ["chat_files/b.heic"]
    assert [each["src"] for each in page.of("audio")] == ["chat_files/c.wav"]
    names = {path.name for path in (tmp_path / "chat_files").iterdir()}
    assert names == {"a.png", "b.heic", "c.wav"}


def test_two_files_of_one_name_are_both_there(tmp_path):
    one, two = picture(tmp_path / "1", "a.png", b"1"), picture(tmp_path / "2", "a.png", b"2")
    export_chat(rich_chat(one, two), tmp_path / "chat.md")
    text = (tmp_path / "chat.md").read_text()
    assert re.findall(r"\((.*)\)", text) == ["chat_files/a.png", "chat_files/a-2.png"]
    assert (tmp_path / "chat_files" / "a-2.png").read_bytes() == b"2"


@pytest.mark.parametrize(
    ("first", "second", "its_name"),
    [
        ("a.png", "A.PNG", "A-2.PNG"),
        ("caf\u00e9.png", "cafe\u0301.png", "cafe\u0301-2.png"),
        ("stra\u00dfe.png", "STRASSE.png", "STRASSE-2.png"),
    ],
)
def test_names_that_are_one_on_a_mac_are_two_everywhere(tmp_path, first, second, its_name):
    one, two = picture(tmp_path / "1", first, b"1"), picture(tmp_path / "2", second, b"2")
    export_chat(rich_chat(one, two), tmp_path / "chat.md")
    kept = {path.name: path.read_bytes() for path in (tmp_path / "chat_files").iterdir()}
    assert kept == {first: b"1", its_name: b"2"}


def test_what_is_gone_is_named(tmp_path):
    attachment = picture(tmp_path)
    attachment.path.unlink()
    for form in ("md", "html", "json"):
        assert export_chat(rich_chat(attachment), tmp_path / f"chat.{form}") == ("photo.png",)
    assert not (tmp_path / "chat_files").exists()


def test_nothing_is_overwritten_and_other_names_are_refused(tmp_path):
    taken = tmp_path / "chat.md"
    taken.write_text("mine")
    with pytest.raises(UsageError, match=r"chat.md exists"):
        export_chat(rich_chat(), taken)
    assert taken.read_text() == "mine"
    with pytest.raises(UsageError, match=r"\.md, \.html or \.json"):
        export_chat(rich_chat(), tmp_path / "chat.pdf")
    with pytest.raises(StoreError, match="No such file or directory"):
        export_chat(rich_chat(), tmp_path / "nowhere" / "chat.md")


# JSON and back


def plain(chat: Conversation) -> dict:
    return json.loads(render_chat(chat, "json"))


def test_json_comes_back_with_its_files(tmp_path):
    chat = rich_chat(picture(tmp_path / "photos"))
    export_chat(chat, tmp_path / "chat.json")
    (tmp_path / "photos" / "photo.png").unlink()
    read = import_chat(tmp_path / "chat.json")
    assert read.id != chat.id
    assert read.is_new
    assert plain(read) == plain(chat)
    path = read.branch()[0].attachments[0].path
    assert path == tmp_path / "chat_files" / "photo.png"
    assert path.exists()
    changes = read.take_changes()
    assert [entry.id for entry in changes.entries] == list(chat.entries)


WORDS = st.text(max_size=8)
TURNS = st.lists(
    st.tuples(
        WORDS, WORDS, WORDS,
        st.sampled_from([Finished("stop"), Finished("cancelled"), Failed("EngineError", "x", "y")]),
        st.integers(0, 5),
    ),
    min_size=1, max_size=5,
)  # fmt: skip


@given(TURNS, WORDS)
@settings(max_examples=50)
def test_any_chat_comes_back(tmp_path_factory, turns, system):
    chat = Conversation(system)
    for question, thought, answer, end, where in turns:
        branch = chat.branch()
        versions = [entry for entry in branch if entry.role == "user"]
        if where < len(versions):
            chat.edit(versions[where], Draft(question))
        else:
            chat.ask(Draft(question))
        for event in (ThoughtDelta(thought), TextDelta(answer), end):
            chat.hear(event)
    target = tmp_path_factory.getbasetemp() / "any.json"
    target.unlink(missing_ok=True)
    export_chat(chat, target)
    read = import_chat(target)
    assert list(read.entries.values()) == list(chat.entries.values())
    assert (read.head, read.title, read.system) == (chat.head, chat.title, chat.system)


def changed(path: tuple, value: object) -> dict:
    raw = plain(rich_chat())
    place = raw
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return raw


PICTURE = {"kind": "image", "path": "../../secret.png"}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([], "expected an object"),
        ({}, "format is missing"),
        (changed(("format",), "other"), "format: expected one of gemma4-chat"),
        (changed(("version",), 2), "version 2 is newer than this program's, 1"),
        (changed(("mood",), "good"), "unknown field 'mood'"),
        (changed(("head",), "nobody"), "head: no entry is 'nobody'"),
        (changed(("entries", 1, "role"), "robot"), r"entries\[1\].role: expected one of"),
        (changed(("entries", 1, "parent"), "x"), r"entries\[1\].parent: no entry before it is 'x'"),
        (changed(("entries", 1, "parent"), None), r"entries\[1\].parent: an answer needs a quest"),
        (changed(("entries", 0, "id"), ""), r"entries\[0\].id: expected one that no other has"),
        (changed(("entries", 0, "attachments"), [PICTURE]), r"entries\[0\].attachments\[0\].path"),
        (
            changed(("entries", 0, "attachments"), [{**PICTURE, "path": "/etc/passwd"}]),
            r"expected a file beside this one, found '/etc/passwd'",
        ),
    ],
)
def test_a_file_that_is_not_ours_is_refused_by_its_field(tmp_path, raw, message):
    path = tmp_path / "chat.json"
    path.write_text(json.dumps(raw))
    with pytest.raises(StoreError, match=message) as error:
        import_chat(path)
    assert str(path) in error.value.message


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_no_json_is_refused(tmp_path, content):
    path = tmp_path / "chat.json"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="is not JSON"):
        import_chat(path)
    with pytest.raises(StoreError, match="No such file"):
        import_chat(tmp_path / "nowhere.json")


def test_an_open_answer_comes_back_as_a_stopped_one(tmp_path):
    chat = Conversation()
    say(chat, "one", "1")
    chat.ask(Draft("two"))
    export_chat(chat, tmp_path / "chat.json")
    assert import_chat(tmp_path / "chat.json").head.state == "stopped"
