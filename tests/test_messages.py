"""What is no message is refused by name."""

from __future__ import annotations

import os

import pytest

from gemma4_mlx.errors import MessageError
from gemma4_mlx.messages import parse_messages


@pytest.mark.parametrize("wrap", [str, lambda text: [{"type": "text", "text": text}]])
def test_bytes_that_are_no_text_are_told_from_a_fault_of_the_program(wrap):
    typed = os.fsdecode(b"caf\xe9")  # as Python reads the command line
    with pytest.raises(MessageError, match=r"message 0: a text has half a character.* at place 3"):
        parse_messages([{"role": "user", "content": wrap(typed)}])


def test_a_conversation_without_a_message_is_no_conversation():
    with pytest.raises(MessageError, match="at least one"):
        parse_messages([])


@pytest.mark.parametrize("raw", [None, iter([{"role": "user"}]), {"role": "user", "content": "Hi"}])
def test_what_is_no_list_of_messages_is_refused(raw):
    with pytest.raises(MessageError, match=f"must be a list, not {type(raw).__name__}"):
        parse_messages(raw)
