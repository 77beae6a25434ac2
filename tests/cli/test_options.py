"""Options mean the same in every command."""

from __future__ import annotations

import pytest

from gemma4_mlx.cli.ask import ask
from tui.cli.chat import chat

ASK = {option.name: option for option in ask.params if option.param_type_name == "option"}
CHAT = {option.name: option for option in chat.params if option.param_type_name == "option"}


def meaning(option):
    """All that a user can tell of an option but its help, which may name the command."""
    return {key: value for key, value in option.to_info_dict().items() if key != "help"}


def test_the_chat_takes_all_options_of_ask_but_for_json():
    assert set(ASK) - set(CHAT) == {"as_json"}


@pytest.mark.parametrize("name", sorted(set(ASK) & set(CHAT)))
def test_an_option_means_the_same(name):
    assert meaning(CHAT[name]) == meaning(ASK[name])
