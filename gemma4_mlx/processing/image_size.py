"""How large the model sees a picture and what that costs: arithmetic, no pixels.

Reference: transformers `models/gemma4/image_processing_gemma4.py`
(`get_aspect_ratio_preserving_size`).
Differs: "auto" picks the budget.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.messages import IMAGE_TOKEN_BUDGETS, ImageTokens
from gemma4_mlx.processing.settings import ImageSettings


@dataclass(frozen=True, slots=True)
class ImageCost:
    """What a picture becomes under a budget.

    Attributes:
        seen_width, seen_height: what the model sees, in pixels.
        tokens: soft tokens it takes in the prompt.
        image_tokens: the budget; the one chosen, if "auto" was asked for.
    """

    seen_width: int
    seen_height: int
    tokens: int
    image_tokens: int


def image_cost(
    width: int, height: int, budget: ImageTokens, settings: ImageSettings | None = None
) -> ImageCost:
    """Cost of a picture of `width` x `height` pixels (upright).

    Args:
        width: in pixels.
        height: in pixels.
        budget: the most soft tokens it may take, or "auto": the smallest budget under which
            neither side shrinks, or the largest budget if all shrink it.
        settings: the checkpoint's; the published ones if None.

    Raises:
        AttachmentError: a picture without pixels.
    """
    settings = settings or ImageSettings()
    if width < 1 or height < 1:
        raise AttachmentError(
            f"a picture of {width} x {height} pixels has nothing to see", "attach another one"
        )
    if budget != "auto":
        return _cost(width, height, budget, settings)
    costs = [_cost(width, height, choice, settings) for choice in IMAGE_TOKEN_BUDGETS]
    whole = (cost for cost in costs if cost.seen_width >= width and cost.seen_height >= height)
    return next(whole, costs[-1])


def _cost(width: int, height: int, budget: int, settings: ImageSettings) -> ImageCost:
    """Scale to the area that the budget allows, then round both sides down to whole cells."""
    cell = settings.cell
    scale = math.sqrt(budget * cell**2 / (width * height))
    columns = math.floor(scale * width / cell)
    rows = math.floor(scale * height / cell)
    if rows == 0 and columns == 0:
        raise AttachmentError(
            f"a picture of {width} x {height} pixels is below one soft token at {budget} tokens",
            "give it a larger budget",
        )
    if rows == 0:
        rows, columns = 1, min(width // height, budget)
    elif columns == 0:
        rows, columns = min(height // width, budget), 1
    return ImageCost(columns * cell, rows * cell, rows * columns, budget)
