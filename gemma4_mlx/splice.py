"""Where soft tokens go: attachments are matched to their slots in the prompt, one by one.

Reference: transformers `Gemma4Model.get_placeholder_mask`, which counts all slots of a kind
together.
Differs: every attachment is counted by itself, so that one too long and one too short never
cancel out (elsewhere, wrong counts have wrapped around in silence).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gemma4_mlx.errors import PlaceholderMismatchError

Span = tuple[int, int]
"""First position and the one behind the last, in the flattened [B * L] prompt."""


def slot_runs(input_ids: np.ndarray, *token_ids: int) -> list[Span]:
    """Runs of soft tokens' ids in input_ids [B, L]; none crosses from one row to the next."""
    marked = np.pad(np.isin(input_ids, token_ids), ((0, 0), (1, 1)))
    edges = np.diff(marked.astype(np.int8), axis=1)
    starts, stops = np.argwhere(edges == 1), np.argwhere(edges == -1)
    length = input_ids.shape[1]
    return [
        (int(row * length + start), int(row * length + stop))
        for (row, start), (_, stop) in zip(starts, stops, strict=True)
    ]


def assign_slots(kind: str, runs: Sequence[Span], rows: Sequence[int]) -> list[Span]:
    """Give each attachment its slots, in order.

    Args:
        kind: "image", "audio" or "video", for the error.
        runs: from `slot_runs`. A run holds one attachment, or several that stand side by side
            without a marker between them.
        rows: soft tokens of each attachment, or of each frame of a video.

    Returns:
        One span per attachment, as long as its rows.

    Raises:
        PlaceholderMismatchError: an attachment has more or fewer slots than rows, or none.
    """
    spans: list[Span] = []
    pending = list(runs)
    for index, count in enumerate(rows):
        start, stop = pending.pop(0) if pending else (0, 0)
        rest = stop - start - count
        more_follow = index + 1 < len(rows)
        if rest < 0 or (rest > 0 and not (more_follow and rows[index + 1] <= rest)):
            raise PlaceholderMismatchError(f"{kind} {index + 1}", slots=stop - start, rows=count)
        spans.append((start, start + count))
        if rest:
            pending.insert(0, (start + count, stop))
    if pending:
        start, stop = pending[0]
        raise PlaceholderMismatchError(f"{kind} {len(rows) + 1}", slots=stop - start, rows=0)
    return spans
