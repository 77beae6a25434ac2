"""The prompt's ids with room for every soft token.

Reference: transformers `models/gemma4/processing_gemma4.py` (`replace_image_token`,
`replace_audio_token`, `replace_video_token`), `processing_utils.py` (`create_mm_token_type_ids`).
Differs: works on ids, so no text can be mistaken for a placeholder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gemma4_mlx.config import TokenType
from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.messages import ImagePart, MediaPart, VideoPart
from gemma4_mlx.tokenizer import ControlIds

Kind = Literal["image", "audio", "video"]


@dataclass(frozen=True, slots=True)
class Slots:
    """How much room one attachment needs, or one frame of it.

    Attributes:
        kind: "image", "audio" or "video" (a frame).
        name: what errors call it.
        tokens: number of its soft tokens.
    """

    kind: Kind
    name: str
    tokens: int


def kind_of(part: MediaPart) -> Kind:
    """What slots and receipts call its kind."""
    if isinstance(part, ImagePart):
        return "image"
    return "video" if isinstance(part, VideoPart) else "audio"


def slots_of(kind: Kind, name: str, tokens: int, frames: int) -> list[Slots]:
    """The slots of an attachment: one of a picture or clip, one of each frame of a video."""
    return [Slots(kind, name, tokens // (frames or 1))] * (frames or 1)


def expand_placeholders(
    ids: Sequence[int], attachments: Sequence[Slots], control: ControlIds
) -> list[int]:
    """Replace each placeholder by begin, as many soft tokens as its attachment has, and end.

    Frames of videos stand between begin and end already (see `chat_template`).

    Args:
        ids: the prompt, with one soft token per attachment or frame.
        attachments: in the order in which they were attached.
        control: the tokenizer's control ids.

    Raises:
        AttachmentError: the template wrote more, fewer or other placeholders than there are
            attachments.
    """
    frames = {
        control.image_token_id: ("image", [control.boi_token_id], [control.eoi_token_id]),
        control.audio_token_id: ("audio", [control.boa_token_id], [control.eoa_token_id]),
    }
    if control.video_token_id is not None:
        frames[control.video_token_id] = ("video", [], [])
    _check_kinds([frames[i][0] for i in ids if i in frames], attachments)
    remaining = iter(attachments)
    expanded: list[int] = []
    for token_id in ids:
        if token_id in frames:
            _, begin, end = frames[token_id]
            expanded += [*begin, *[token_id] * next(remaining).tokens, *end]
        else:
            expanded.append(token_id)
    return expanded


def token_types(ids: Sequence[int], control: ControlIds) -> np.ndarray:
    """`mm_token_type_ids`, int32 [L]: which positions hold soft tokens, and of what kind."""
    types = np.full(len(ids), TokenType.TEXT, np.int32)
    array = np.asarray(ids)
    types[array == control.image_token_id] = TokenType.IMAGE
    types[array == control.audio_token_id] = TokenType.AUDIO
    if control.video_token_id is not None:
        types[array == control.video_token_id] = TokenType.VIDEO
    return types


def _check_kinds(placeholders: Sequence[str], attachments: Sequence[Slots]) -> None:
    kinds = [attachment.kind for attachment in attachments]
    if list(placeholders) == kinds:
        return
    names = ", ".join(
        dict.fromkeys(f"{attachment.name} ({attachment.kind})" for attachment in attachments)
    )
    raise AttachmentError(
        f"attached: {names or 'nothing'}; the chat template made room for "
        f"{', '.join(placeholders) or 'nothing'}",
        "attach pictures, clips and videos to messages of the user",
    )
