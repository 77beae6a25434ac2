"""What the engine is asked for: a conversation, with what was chosen for the chat."""

from __future__ import annotations

from gemma4_mlx.engine import TurnRequest
from tui.chat.entry import ChatForm
from tui.settings.options import ChatOptions


def turn_request(
    messages: tuple[ChatForm, ...], options: ChatOptions, state_path: str | None
) -> TurnRequest:
    """A turn.

    Args:
        messages: of the conversation, the question last.
        options: what was chosen.
        state_path: where the engine keeps what it has read of the conversation.
    """
    return TurnRequest(
        messages,
        image_tokens=options.image_tokens,
        thinking=options.thinking,
        max_tokens=options.max_tokens,
        temperature=options.temperature,
        top_p=options.top_p,
        top_k=options.top_k,
        seed=options.seed,
        state_path=state_path,
    )
