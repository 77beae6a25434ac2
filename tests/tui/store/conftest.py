"""A store of chats in a folder of its own."""

from __future__ import annotations

import pytest

from tui.store import Store


@pytest.fixture
def store(tmp_path):
    store = Store.open(tmp_path / "data", clock=lambda: 5.0)
    assert not store.trouble
    yield store
    store.close()
