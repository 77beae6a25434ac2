"""Attachments of different size never mix, and slots are counted for each of them."""

from __future__ import annotations

import dataclasses

import mlx.core as mx
import numpy as np
import pytest

from gemma4_mlx.errors import PlaceholderMismatchError
from tests.parity import ours
from tests.parity.cases import Case, Clip, Image, Text
from tests.parity.configs import CONFIGS

HEARING = [name for name, config in CONFIGS.items() if config["audio_config"] is not None]

every_checkpoint = pytest.mark.parametrize("checkpoint", HEARING)


IMAGES = (Image(9, 6), Image(3, 12), Image(6, 6))
CLIPS = (Clip(97), Clip(41), Clip(6))


def prompt(checkpoint: str, *pieces: Image | Clip) -> Case:
    """A text, then each attachment with a text behind it."""
    behind = [part for piece in pieces for part in (piece, Text(2))]
    return Case(checkpoint, "media", (Text(3), *behind), salt=0)


def alone(case: Case, index: int) -> dict[str, np.ndarray]:
    """The prompt of one attachment of `case`, with its own pixels or frames and no padding."""
    media = [piece for piece in case.pieces if not isinstance(piece, Text)]
    inputs = prompt(case.checkpoint, media[index]).inputs()
    everything, piece = case.inputs(), media[index]
    is_image = isinstance(piece, Image)
    names, size = ours.MEDIA[1 if is_image else 3], piece.patches if is_image else piece.frames
    return inputs | {name: everything[name][index : index + 1, :size] for name in names}


@pytest.mark.parametrize(
    ("checkpoint", "stage", "pieces"),
    [
        *(
            pytest.param(name, "vision.projector", IMAGES, id=f"pain_54_three_images-{name}")
            for name in CONFIGS
        ),
        *(
            pytest.param(name, "audio.projector", CLIPS, id=f"pain_12_three_clips-{name}")
            for name in HEARING
        ),
    ],
)
def test_attachments_of_different_size_are_each_as_alone(checkpoint, stage, pieces, load):
    model, case = load(checkpoint), prompt(checkpoint, *pieces)
    together = ours.stages(model, case.inputs())[stage]
    single = [ours.stages(model, alone(case, index))[stage] for index in range(len(pieces))]
    assert [len(rows) for rows in single] == [piece.tokens for piece in pieces]
    np.testing.assert_allclose(together, np.concatenate(single), atol=1e-4, rtol=0)


@every_checkpoint
def test_soft_tokens_stand_in_their_slots_and_nowhere_else(checkpoint, load):
    model = load(checkpoint)
    inputs = prompt(checkpoint, Image(9, 6), Clip(41), Image(3, 12)).inputs()
    made, types = ours.stages(model, inputs), inputs["mm_token_type_ids"][0]
    np.testing.assert_array_equal(made["embedding"][types == 1], made["vision.projector"])
    np.testing.assert_array_equal(made["embedding"][types == 3], made["audio.projector"])
    text = np.array(model.language_model.model.embed_tokens(mx.array(inputs["input_ids"]))[0])
    np.testing.assert_allclose(made["embedding"][types == 0], 8.0 * text[types == 0], rtol=1e-6)


def with_slots(case: Case, *tokens: int) -> dict[str, np.ndarray]:
    """The prompt of `case`, but with so many slots for each attachment."""
    pieces, counts = [], iter(tokens)
    for piece in case.pieces:
        if isinstance(piece, Image):
            piece = Image(3 * next(counts), 3)
        elif isinstance(piece, Clip):
            piece = Clip(4 * next(counts))
        pieces.append(piece)
    edited = dataclasses.replace(case, pieces=tuple(pieces)).inputs()
    return case.inputs() | {name: edited[name] for name in ("input_ids", "mm_token_type_ids")}


@pytest.mark.parametrize(
    ("pieces", "slots", "numbers"),
    [
        pytest.param((Image(9, 6),), (7,), (7, 6), id="one slot too many"),
        pytest.param((Image(9, 6),), (5,), (5, 6), id="one slot too few"),
        pytest.param((Clip(41),), (12,), (12, 11), id="one audio slot too many"),
        pytest.param((Clip(41),), (10,), (10, 11), id="one audio slot too few"),
        pytest.param((Image(9, 6), Image(3, 12)), (4, 6), (4, 6), id="two images swapped"),
        pytest.param((Clip(41), Clip(97)), (25, 11), (25, 11), id="two clips swapped"),
        pytest.param((Image(9, 6), Clip(41)), (6, 12), (12, 11), id="image right, clip wrong"),
    ],
)
@every_checkpoint
def test_pain_02_a_mismatch_is_an_error_with_both_numbers(checkpoint, pieces, slots, numbers, load):
    inputs = with_slots(prompt(checkpoint, *pieces), *slots)
    with pytest.raises(PlaceholderMismatchError) as raised:
        load(checkpoint)(**inputs)
    assert (raised.value.slots, raised.value.rows) == numbers
    assert all(str(number) in str(raised.value) for number in numbers)


@pytest.mark.parametrize("piece", [Image(9, 6), Clip(41)], ids=["image", "clip"])
@every_checkpoint
def test_pain_02_slots_without_an_attachment_are_an_error(checkpoint, piece, load):
    inputs = prompt(checkpoint, piece).inputs()
    ids = {name: inputs[name] for name in ("input_ids", "mm_token_type_ids")}
    with pytest.raises(PlaceholderMismatchError) as raised:
        load(checkpoint)(**ids)
    assert (raised.value.slots, raised.value.rows) == (piece.tokens, 0)


@pytest.mark.parametrize("piece", [Image(9, 6), Clip(41)], ids=["image", "clip"])
@every_checkpoint
def test_pain_02_an_attachment_without_slots_is_an_error(checkpoint, piece, load):
    ids = prompt(checkpoint).inputs()
    with pytest.raises(PlaceholderMismatchError) as raised:
        load(checkpoint)(**(prompt(checkpoint, piece).inputs() | ids))
    assert (raised.value.slots, raised.value.rows) == (0, piece.tokens)
