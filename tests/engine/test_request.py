"""A turn to answer, on its way to another process."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gemma4_mlx.engine import TurnRequest
from gemma4_mlx.errors import UsageError

QUESTION = [{"role": "user", "content": [{"type": "text", "text": "\udcff"}]}]


def test_a_request_survives_the_way():
    request = TurnRequest(
        QUESTION, image_tokens="auto", thinking=True, max_tokens=3, temperature=0.0,
        top_p=0.5, top_k=0, seed=0, state_path="a.safetensors",
    )  # fmt: skip
    assert TurnRequest.from_json(json.loads(json.dumps(request.to_json()))) == request
    assert TurnRequest.from_json(TurnRequest(QUESTION).to_json()) == TurnRequest(QUESTION)


def test_paths_and_tuples_become_what_json_has():
    content = ({"type": "image", "path": Path("a.png")},)
    sent = TurnRequest([{"role": "user", "content": content}]).to_json()
    assert sent["messages"][0]["content"] == [{"type": "image", "path": "a.png"}]


def test_where_the_state_is_kept_is_no_option_of_an_answer():
    assert TurnRequest(QUESTION, state_path="a").options() == {"thinking": False}


@pytest.mark.parametrize("thing", [np.zeros(3), b"bytes", {1, 2}, object(), float("nan")])
def test_what_cannot_leave_the_process_is_named(thing):
    with pytest.raises(UsageError, match="cannot be handed to the engine") as caught:
        TurnRequest([{"role": "user", "content": [{"type": "image", "image": thing}]}]).to_json()
    assert "paths" in caught.value.hint


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [], "mood": "fine", "topp": 1}, "unknown fields: mood, topp"),
        ({"messages": [], "state_path": 7}, "'state_path' is 7, expected a str"),
        ({"messages": [], "thinking": "no"}, "'thinking' is 'no', expected a bool"),
    ],
)
def test_what_is_no_request_is_refused(raw, said):
    with pytest.raises(UsageError, match=said):
        TurnRequest.from_json(raw)
