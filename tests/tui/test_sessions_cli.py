"""`gemma4 sessions`: what it prints where, and how it ends."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from gemma4_mlx.cli import main
from tests.tui.store.chats import picture, say
from tui.chat.conversation import Conversation
from tui.cli.sessions import complete_id
from tui.store import Store

TITLES = {"aaaa1111": "First [b]chat[/b] \x1b[2J", "aaaa2222": "Second", "bbbb3333": "Third"}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command over three chats; a store of their own."""
    monkeypatch.setenv("GEMMA4_HOME", str(tmp_path / "home"))
    now = 0.0
    store = Store.open(tmp_path / "home" / "data", clock=lambda: now)
    for id, title in TITLES.items():
        now += 86400
        chat = Conversation(title=title, created=now)
        chat.id = id
        say(chat, f"Question of {title}", f"The answer to {title}", picture(tmp_path))
        store.write(chat.take_changes())
    store.close()

    def invoke(*arguments: str, answer: str = ""):
        return CliRunner().invoke(main, ["sessions", *arguments], input=answer)

    return invoke


def ids(run) -> list[str]:
    return [row["id"] for row in json.loads(run("list", "--json").stdout)["sessions"]]


def test_list_is_what_it_does_without_a_command(run):
    for result in (run(), run("list")):
        assert result.exit_code == 0
        lines = result.stdout.splitlines()
        assert [line.split()[0] for line in lines] == ["bbbb3333", "aaaa2222", "aaaa1111"]
        assert lines[2].endswith("First [b]chat[/b] ␛[2J  (1 question)")
        assert "\x1b" not in result.output


def test_list_searches_and_shows_where(run):
    result = run("list", "answer", "second")
    assert result.stdout.splitlines()[1].strip() == "The answer to Second"
    assert len(result.stdout.splitlines()) == 2
    nothing = run("list", "nowhere")
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert "no chat has these words" in nothing.stderr


def test_list_says_that_there_is_more(run):
    result = run("list", "--limit", "2")
    assert len(result.stdout.splitlines()) == 2
    assert "there are more" in result.stderr


def test_list_as_json(run):
    (row,) = json.loads(run("list", "Second", "--json").stdout)["sessions"]
    assert (row["id"], row["title"], row["questions"]) == ("aaaa2222", "Second", 1)
    assert row["snippet"]["match"] == "Second"


def test_show(run):
    result = run("show", "bbbb")
    assert result.stdout.startswith("# Third\n")
    assert "## Gemma\n\nThe answer to Third\n" in result.stdout
    assert json.loads(run("show", "last", "--json").stdout)["title"] == "Third"
    assert "\x1b" not in run("show", "aaaa1").output


def test_an_id_that_is_not_there_or_not_the_only_one_is_a_usage_error(run):
    for id, message in (("zzz", "there is no chat 'zzz'"), ("aaaa", "2 chats begin with 'aaaa'")):
        for command in ("show", "export", "rm"):
            result = run(command, id)
            assert result.exit_code == 2
            assert message in result.stderr


def test_a_shell_completes_ids_with_their_titles(run):
    found = complete_id(None, None, "aaaa")
    assert [(item.value, item.help) for item in found] == [
        ("aaaa2222", "Second"),
        ("aaaa1111", "First [b]chat[/b] ␛[2J"),
    ]


def test_export_to_a_file_and_back(run, tmp_path):
    target = tmp_path / "chat.json"
    result = run("export", "aaaa2", "-o", str(target))
    assert (result.exit_code, result.stdout) == (0, "")
    assert (tmp_path / "chat_files" / "photo.png").exists()
    taken = run("import", str(target), "--json")
    new = json.loads(taken.stdout)["id"]
    assert new in ids(run)
    assert new != "aaaa2222"
    exported = json.loads(run("show", new, "--json").stdout)
    assert exported == json.loads(run("show", "aaaa2222", "--json").stdout)


def test_export_to_a_pipe(run):
    assert run("export", "last").stdout.startswith("# Third")
    assert run("export", "last", "--format", "html").stdout.startswith("<!DOCTYPE html>")
    assert json.loads(run("export", "last", "--format", "json").stdout)["title"] == "Third"


def test_export_and_import_say_what_is_wrong(run, tmp_path):
    assert run("export", "last", "-o", str(tmp_path / "x.pdf")).exit_code == 2
    (tmp_path / "bad.json").write_text('{"format": "gemma4-chat", "version": 1}')
    result = run("import", str(tmp_path / "bad.json"))
    assert result.exit_code == 1
    assert "title is missing" in result.stderr


def test_rm_asks(run):
    result = run("rm", "bbbb", answer="n\n")
    assert result.exit_code == 1
    assert "Third" in result.stderr
    assert len(ids(run)) == 3
    assert run("rm", "bbbb", answer="y\n").stdout == "deleted bbbb3333\n"
    assert ids(run) == ["aaaa2222", "aaaa1111"]


def test_rm_of_several_without_asking(run):
    result = run("rm", "aaaa1", "aaaa2", "aaaa1111", "--yes", "--json")
    assert json.loads(result.stdout) == {"deleted": ["aaaa1111", "aaaa2222"]}
    assert ids(run) == ["bbbb3333"]


def test_nothing_is_deleted_if_one_id_is_wrong(run):
    assert run("rm", "aaaa1", "zzz", "--yes").exit_code == 2
    assert len(ids(run)) == 3


def test_trouble_is_said(run, tmp_path):
    data = tmp_path / "home" / "data"
    for path in data.glob("chats.db*"):
        path.unlink()
    (data / "chats.db").mkdir()
    result = run("list")
    assert result.exit_code == 0
    assert "chats.db is left alone: it is not a file" in result.stderr
    assert result.stdout == ""
