r"""Token ids to thoughts, answer and tool calls, told apart by token ids alone.

The model writes thoughts as `<|channel>thought\n...<channel|>` and calls as
`<|tool_call>...<tool_call|>`; everything else is the answer. Only the ids of those tokens count:
the same signs spelled in ordinary tokens are words. No special token ever reaches the text, and
a character whose bytes come in several tokens is told in one piece.

A model may break its own rules. A call may open inside a thought, which then goes on after it;
an end without a beginning is dropped; a thought that is opened once more goes on in a new line;
whatever is still open at the end is closed there, and a call that cannot be read comes as a
`ToolCall` with an `error`.
"""

from __future__ import annotations

from collections.abc import Sequence

from gemma4_mlx.events import TextDelta, ThoughtDelta, ToolCall
from gemma4_mlx.tokenizer import Tokenizer
from gemma4_mlx.tools import parse_call

ChannelEvent = ThoughtDelta | TextDelta | ToolCall

THOUGHT_HEADER = "thought\n"
"""The line that names the channel; it is not part of the thought."""


class ChannelReader:
    """Reads one model turn, token by token.

    Args:
        tokenizer: of the model that writes.
        prompt: the token ids in front of the turn. After a tool's result the prompt may already
            have opened a thought; one that an earlier turn left open is over.

    Attributes:
        calls: how many tool calls were told so far.
        thought_tokens: how many tokens were those of thoughts, their markers among them.
    """

    def __init__(self, tokenizer: Tokenizer, *, prompt: Sequence[int] = ()) -> None:
        self._ids = ids = tokenizer.control
        self._control_ids = tokenizer.control_ids
        # A call ends with its own end, or where something else begins or ends.
        self._call_ends = {
            ids.stc_token_id,
            ids.etc_token_id,
            ids.str_token_id,
            ids.soc_token_id,
            ids.eoc_token_id,
        }
        self.calls = self.thought_tokens = 0
        self._decoder = tokenizer.stream_decoder()
        self._call: list[str] | None = None  # cut at the quotes, as `parse_call` takes it
        self._thought = _Thought(header="") if self._ends_in_thought(prompt) else None
        self._has_thought = False  # whether anything of a thought was told

    def push(self, token: int) -> list[ChannelEvent]:
        """What one more token tells: often one event, or none yet."""
        was_thinking = self._is_thinking
        events = self._read(token)
        is_marker = token in (self._ids.soc_token_id, self._ids.eoc_token_id)
        both = (was_thinking, self._is_thinking)  # a call's markers are the call's
        self.thought_tokens += any(both) if is_marker else all(both)
        return events

    def finish(self) -> list[ChannelEvent]:
        """What was held back when the tokens ended."""
        return self._text(self._decoder.flush()) + self._end_call()

    @property
    def _is_thinking(self) -> bool:
        return self._thought is not None and self._call is None

    def _read(self, token: int) -> list[ChannelEvent]:
        if token not in self._control_ids:
            return self._text(self._decoder.feed(token))
        events = self._text(self._decoder.flush())
        if token in self._call_ends:
            events += self._end_call()
        if token == self._ids.escape_token_id and self._call is not None:
            self._call.append("")
        elif token == self._ids.stc_token_id:
            self._call = [""]
        elif token == self._ids.soc_token_id:
            self._thought = _Thought(before="\n" if self._has_thought else "")
        elif token == self._ids.eoc_token_id:
            self._thought = None
        return events

    def _text(self, text: str) -> list[ChannelEvent]:
        if self._call is not None:
            self._call[-1] += text
            return []
        if self._thought is not None:
            text = self._thought.push(text)
            self._has_thought |= bool(text)
            return [ThoughtDelta(text)] if text else []
        return [TextDelta(text)] if text else []

    def _end_call(self) -> list[ChannelEvent]:
        if self._call is None:
            return []
        call, self._call = self._call, None
        self.calls += 1
        return [parse_call(call)]

    def _ends_in_thought(self, prompt: Sequence[int]) -> bool:
        opening = self._ids.soc_token_id
        borders = (opening, self._ids.eoc_token_id, self._ids.sot_token_id, self._ids.eot_token_id)
        return next((token == opening for token in reversed(prompt) if token in borders), False)


class _Thought:
    """An open thought: drops the header in front and the newline that the template adds behind.

    Args:
        header: to be dropped.
        before: told in front of the first text.
    """

    def __init__(self, header: str = THOUGHT_HEADER, before: str = "") -> None:
        self._header = header  # what of it is still to come, or may be
        self._before = before
        self._held = ""

    def push(self, text: str) -> str:
        """Take more text; return what can be shown of it."""
        text = self._held + text
        if self._header:
            if self._header.startswith(text):
                self._held = text
                return ""
            text = text.removeprefix(self._header)
            self._header = ""
        shown = text.removesuffix("\n")
        self._held = text[len(shown) :]
        if shown:
            shown, self._before = self._before + shown, ""
        return shown
