"""What was typed before."""

from __future__ import annotations

import json
import stat

from tui.store.prompt_history import MOST, PromptHistory


def test_leafing_there_and_back_keeps_what_was_being_written():
    history = PromptHistory()
    assert history.previous("draft") is None
    for text in ("one", "two"):
        history.add(text)
    assert [history.previous("draft"), history.previous("two")] == ["two", "one"]
    assert history.previous("one") is None
    assert [history.next(), history.next(), history.next()] == ["two", "draft", None]


def test_the_same_twice_and_nothing_are_remembered_once_and_not_at_all():
    history = PromptHistory()
    for text in ("one", "one", "  ", "", "two", "one"):
        history.add(text)
    assert [history.previous("") for _ in range(4)] == ["one", "two", "one", None]


def test_search_finds_each_text_once_the_newest_first():
    history = PromptHistory()
    for text in ("red star", "blue star", "green tree", "red star"):
        history.add(text)
    assert history.search("STAR") == ["red star", "blue star"]
    assert history.search("star blue") == ["blue star"]


def test_it_outlives_the_chat_and_is_for_its_owner_alone(tmp_path):
    path = tmp_path / "state" / "prompts.jsonl"
    first, second = PromptHistory(path), PromptHistory(path)
    first.add("two\nlines, “quoted” \udcff")
    second.add("from another window")
    again = PromptHistory(path)
    assert again.previous("") == "from another window"
    assert again.previous("") == "two\nlines, “quoted” \udcff"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_long_file_is_cut(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps({"text": str(n)}) + "\n" for n in range(2 * MOST + 1)))
    assert PromptHistory(path).previous("") == str(2 * MOST)
    lines = path.read_text().splitlines()
    assert (len(lines), json.loads(lines[0])["text"]) == (MOST, str(MOST + 1))


def test_whatever_is_in_the_file_leafing_works(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_bytes(b'{"text": "good"}\n[1]\nnull\n{"text": 5}\n\xff\xfe\n{"text": "cut of')
    history = PromptHistory(path)
    assert history.previous("") == "good"
    for hopeless in (tmp_path, tmp_path / "prompts.jsonl" / "x"):
        history = PromptHistory(hopeless)
        history.add("one")
        assert history.previous("") == "one"


def test_a_very_long_text_is_not_put_on_disk(tmp_path):
    path = tmp_path / "prompts.jsonl"
    history = PromptHistory(path)
    history.add("x" * 200_000)
    assert history.previous("") == "x" * 200_000
    assert not path.exists()
