"""Options that mean the same in every command."""

from __future__ import annotations

from gemma4_mlx.cli.ask import ask
from tui.cli.chat import chat


def test_ask_and_chat_take_the_same_options_and_a_few_of_their_own():
    of_ask, of_chat = ({option.name for option in command.params} for command in (ask, chat))
    assert of_ask - of_chat == {"prompt", "split", "as_json"}
    assert of_chat - of_ask == {"continue_last", "plain", "keep_chats"}
