"""Room in the prompt for soft tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.processing.placeholders import Slots, expand_placeholders, token_types
from gemma4_mlx.tokenizer import PUBLISHED_NAMES, ControlIds

CONTROL = ControlIds(**{f"{name}_id": 100 + i for i, name in enumerate(PUBLISHED_NAMES)})
TOKENS = {"image": CONTROL.image_token_id, "audio": CONTROL.audio_token_id}
FRAMES = {
    "image": (CONTROL.boi_token_id, CONTROL.eoi_token_id),
    "audio": (CONTROL.boa_token_id, CONTROL.eoa_token_id),
}

slots = st.builds(Slots, st.sampled_from(["image", "audio"]), st.just("file"), st.integers(1, 1120))
texts = st.lists(st.integers(0, 99), max_size=4)


@given(texts, st.lists(st.tuples(slots, texts), max_size=5))
def test_pain_57_every_attachment_gets_its_room_in_order(
    start: list[int], rest: list[tuple[Slots, list[int]]]
) -> None:
    ids, wanted = list(start), list(start)
    for slot, text in rest:
        begin, end = FRAMES[slot.kind]
        ids += [TOKENS[slot.kind], *text]
        wanted += [begin, *[TOKENS[slot.kind]] * slot.tokens, end, *text]
    expanded = expand_placeholders(ids, [slot for slot, _ in rest], CONTROL)
    assert expanded == wanted
    types = token_types(expanded, CONTROL).tolist()
    kinds = {CONTROL.image_token_id: 1, CONTROL.audio_token_id: 3}
    assert types == [kinds.get(token, 0) for token in expanded]


@pytest.mark.parametrize(
    ("kinds", "attached"),
    [("", "a"), ("i", ""), ("i", "ii"), ("ii", "i"), ("i", "a"), ("ia", "ai")],
)
def test_pain_01_placeholders_and_attachments_must_pair_up(kinds: str, attached: str) -> None:
    names = {"i": "image", "a": "audio"}
    ids = [7, *(TOKENS[names[kind]] for kind in kinds), 8]
    given_slots = [Slots(names[kind], f"file {kind}", 3) for kind in attached]
    with pytest.raises(AttachmentError, match="the chat template made room for") as error:
        expand_placeholders(ids, given_slots, CONTROL)
    assert error.value.hint


def test_video_positions_have_a_type_of_their_own() -> None:
    assert CONTROL.video_token_id is not None
    assert token_types([5, CONTROL.video_token_id], CONTROL).tolist() == [0, 2]
