"""Recordings and pasted pictures that the chat made: they go when nobody needs them."""

from __future__ import annotations

import os

from tests.tui.driver import clip, picture
from tui.attachments.attachment import Attachment
from tui.attachments.scratch import KEPT_FOR_S, scratch_folder
from tui.chat.conversation import Conversation, Draft
from tui.store import Store, caches_folder

NOW_S = 2_000_000_000.0


def open_store(folder, *, keep_media):
    return Store.open(folder, caches=caches_folder(), keep_media=keep_media, clock=lambda: NOW_S)


def made(name, make, *, age_s):
    scratch_folder(name).mkdir(parents=True, exist_ok=True)
    path = make(scratch_folder(name), f"{age_s:.0f}{'.wav' if make is clip else '.png'}")
    os.utime(path, (NOW_S - age_s, NOW_S - age_s))
    return path


def test_what_is_older_than_a_week_goes(tmp_path):
    kinds = (("clipboard", picture), ("recordings", clip))
    old = [made(name, make, age_s=KEPT_FOR_S + 60) for name, make in kinds]
    new = [made(name, make, age_s=KEPT_FOR_S - 60) for name, make in kinds]
    open_store(tmp_path, keep_media=True).close()
    assert [path.exists() for path in (*old, *new)] == [False, False, True, True]


def test_what_a_chat_still_reads_from_stays(tmp_path):
    needed, copied = made("clipboard", picture, age_s=0), made("recordings", clip, age_s=0)
    for path, keep_media in ((needed, False), (copied, True)):
        conversation = Conversation("", model="pocket")
        conversation.ask(Draft("What is it?", (Attachment.of(path),)))
        store = open_store(tmp_path, keep_media=keep_media)
        store.write(conversation.take_changes())
        store.close()
    for path in (needed, copied):
        os.utime(path, (1, 1))
    open_store(tmp_path, keep_media=True).close()
    assert [needed.exists(), copied.exists()] == [True, False]
