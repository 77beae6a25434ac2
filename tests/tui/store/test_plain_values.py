"""Our values as JSON and back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gemma4_mlx.errors import StoreError
from tests.tui.store.chats import picture, rich_chat
from tui.chat.entry import Entry
from tui.store.plain_values import from_plain, to_plain


def plain_entry(tmp_path) -> dict:
    entry = rich_chat(picture(tmp_path)).branch()[0]
    entry.finished, entry.failed = None, None
    return json.loads(json.dumps(to_plain(entry)))


def test_an_entry_comes_back(tmp_path):
    for entry in rich_chat(picture(tmp_path)).entries.values():
        plain = json.loads(json.dumps(to_plain(entry)))
        assert from_plain(Entry, plain, where="", strict=True) == entry


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("text",), 5, "entry.text: expected text, found 5"),
        (("text",), None, "entry.text: expected text, found None"),
        (("parent",), 5, "entry.parent: expected text, found 5"),
        (("role",), "system", "entry.role: expected one of user, assistant, found 'system'"),
        (("state",), [], "entry.state: expected one of writing, done, stopped, failed, found"),
        (("left_out",), 1, "entry.left_out: expected true or false, found 1"),
        (("created",), True, "entry.created: expected a number, found True"),
        (("attachments",), {}, "entry.attachments: expected a list, found {}"),
        (("attachments", 0, "width"), 1.5, "entry.attachments[0].width: expected a whole number"),
        (("attachments", 0, "path"), 1, "entry.attachments[0].path: expected text, found 1"),
        (("attachments", 0, "image_tokens"), "most", "entry.attachments[0].image_tokens: expected"),
        (("receipts", 0, 0, "kind"), "x", "entry.receipts[0][0].kind: expected one of"),
        (("finished",), "done", "entry.finished: expected an object, found 'done'"),
        (("more",), 1, "entry: unknown field 'more'"),
        (("text",), "x" * 100, None),
    ],
)
def test_errors_name_the_field(tmp_path, path, value, message):
    plain = plain_entry(tmp_path)
    place = plain
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    if message is None:
        assert from_plain(Entry, plain, where="entry", strict=True).text == value
        return
    with pytest.raises(StoreError) as error:
        from_plain(Entry, plain, where="entry", strict=True)
    assert error.value.message.startswith(message)


def test_a_missing_field_is_named_unless_it_has_a_default(tmp_path):
    plain = plain_entry(tmp_path)
    del plain["thought"]
    assert from_plain(Entry, plain, where="", strict=True).thought == ""
    del plain["role"]
    with pytest.raises(StoreError, match=r"^role is missing$"):
        from_plain(Entry, plain, where="", strict=True)


def test_our_own_files_may_have_fields_of_a_later_version(tmp_path):
    plain = {**plain_entry(tmp_path), "mood": "good"}
    entry = from_plain(Entry, plain, where="", strict=False)
    assert entry == replace(entry)
