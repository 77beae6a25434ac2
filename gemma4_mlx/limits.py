"""What is allowed at once: numbers that the memory planner and the code it plans for share."""

from __future__ import annotations

MIB = 2**20

CHUNK_POSITIONS = 1024
"""Positions of a prompt read at once, unless the caller asks for another number."""

SCORE_BYTES = 256 * MIB
"""Attention scores of one layer held at once, counted in float32: queries are taken in blocks of
as many rows as this leaves room for, and of one row at least. Softmax holds up to `SCORE_COPIES`
of that."""

SCORE_COPIES = 3
"""Arrays of the size of the scores that unfused attention holds: scores, masked, softmax."""

RUN_AHEAD_BYTES = 128 * MIB
"""Keys and values up to which the next step of decoding is started before the last has ended.
MLX writes into a buffer in place only when no step under way still reads it, so that running
ahead copies every cache once per step and holds it twice; beyond this size that costs more than
it hides."""


def block_rows(heads: int, keys: int, batch: int = 1) -> int:
    """Query rows whose scores over `keys` positions stay within `SCORE_BYTES`; one at least."""
    return max(1, SCORE_BYTES // (4 * batch * heads * keys))
