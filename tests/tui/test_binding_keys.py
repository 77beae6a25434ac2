"""Keys: every binding has a name, and what somebody puts in its place is checked."""

from __future__ import annotations

import pytest

from tui import keys

ALL = keys.all_keys()
OWN = {key.id: key.keys for key in ALL}


def test_every_binding_has_an_id_and_says_what_it_does():
    assert [key for key in ALL if not key.id or "." not in key.id or not key.description] == []


def test_no_binding_takes_a_key_that_never_arrives():
    taken = {one for key in ALL for one in key.keys.split(",")}
    assert taken & keys.NEVER_ARRIVE.keys() == set()


def test_an_id_is_one_action_on_one_place():
    owners = {}
    for key in ALL:
        owners.setdefault(key.id, set()).add(key.owner)
    assert [name for name, found in owners.items() if len(found) > 1] == []


@pytest.mark.parametrize(
    "binding_id",
    [
        *("app.new", "app.sessions", "app.models", "app.palette", "app.help", "app.settings"),
        *("app.editor", "app.quit", "app.interrupt", "app.suspend"),
        *("chat.thinking", "chat.stop", "chat.files", "chat.record"),
        *("prompt.send", "prompt.newline", "prompt.quit", "prompt.paste"),
    ],
)
def test_the_usual_keys_are_there(binding_id):
    usual = {
        "app.new": "ctrl+n",
        "app.sessions": "ctrl+s",
        "app.models": "ctrl+o",
        "app.palette": "ctrl+p",
        "app.help": "f1",
        "app.settings": "f2",
        "app.editor": "ctrl+g",
        "app.quit": "ctrl+q",
        "app.interrupt": "ctrl+c",
        "app.suspend": "ctrl+z",
        "chat.thinking": "ctrl+t",
        "chat.stop": "escape",
        "chat.files": "ctrl+f",
        "chat.record": "ctrl+r",
        "prompt.send": "enter",
        "prompt.newline": "ctrl+j,shift+enter",
        "prompt.quit": "ctrl+d",
        "prompt.paste": "ctrl+v",
    }
    assert OWN[binding_id] == usual[binding_id]


@pytest.mark.parametrize(
    ("pressed", "named"),
    [
        ("enter", "enter"),
        ("escape", "esc"),
        ("ctrl+j,shift+enter", "ctrl+j, shift+enter"),
        ("alt+up", "alt+↑"),
        ("ctrl+underscore", "ctrl+_"),
        ("slash", "/"),
        ("space", "space"),
        ("pagedown", "page down"),
        ("left_square_bracket", "["),
        ("delete", "del"),
    ],
)
def test_names_that_people_know(pressed, named):
    assert keys.named(pressed) == named


@pytest.mark.parametrize(
    ("chosen", "problem"),
    [
        ({"chat.thinkin": "f5"}, "keys.chat.thinkin: no such binding; did you mean chat.thinking?"),
        ({"nonsense": "f5"}, "keys.nonsense: no such binding"),
        ({"chat.thinking": "ctlr+t"}, "no key is called 'ctlr+t'"),
        ({"chat.thinking": "hedge"}, "no key is called 'hedge'"),
        ({"chat.thinking": "f5,"}, "no key is called ''"),
        ({"chat.thinking": "ctrl+i"}, "ctrl+i reaches no program: terminals send it as tab"),
        ({"chat.thinking": "ctrl+["}, "ctrl+[ reaches no program: terminals send it as escape"),
        (
            {"chat.thinking": "alt+enter"},
            "alt+enter reaches no program: terminals send it as enter",
        ),
        ({"chat.thinking": "x"}, "x is typed into the prompt"),
        ({"app.help": "slash"}, "slash is typed into the prompt"),
        ({"chat.thinking": "ctrl+n"}, "ctrl+n is already app.new (new chat)"),
        ({"chat.thinking": "enter"}, "enter is already prompt.send (send)"),
        ({"prompt.newline": "enter"}, "enter is already prompt.send (send)"),
        ({"app.new": "f5", "app.help": "f5"}, "keys.app.new: f5 is already app.help (help)"),
    ],
)
def test_a_bad_key_is_said(chosen, problem):
    assert [line for line in keys.problems(chosen) if problem in line]


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"chat.thinking": "f5"},
        {"chat.thinking": "F5, ctrl+x"},
        {"turn.copy": "c"},  # where letters do something, another one may
        {"app.new": "ctrl+t", "chat.thinking": "ctrl+n"},  # changed places
        {"prompt.send": "ctrl+j", "prompt.newline": "enter"},
        {"models.download": "y"},  # turn.copy is never wanted there
    ],
)
def test_a_good_key_is_not_complained_of(chosen):
    assert keys.problems(chosen) == []


def test_only_what_can_be_had_is_put_into_force():
    chosen = {"chat.thinking": "F5, Ctrl+X", "app.new": "hedge", "nonsense": "f6"}
    assert keys.fit(chosen) == {"chat.thinking": "f5,ctrl+x"}


def test_what_shares_a_key_with_a_moved_binding_stays():
    assert keys.keymap({}) == {}
    moved = keys.keymap({"prompt.send": "ctrl+j"})
    assert moved["prompt.send"] == "ctrl+j"
    assert moved["suggestions.take"] == "enter"


def test_enter_and_ctrl_j_change_places():
    swapped = keys.keymap({}, enter_sends=False)
    assert swapped["prompt.send"] == "ctrl+j"
    assert swapped["prompt.newline"] == "enter,shift+enter"
    assert keys.keymap({"prompt.send": "f5"}, enter_sends=False)["prompt.send"] == "f5"
