"""What is allowed at once: numbers that the memory planner and the code it plans for share."""

from __future__ import annotations

MIB = 2**20

CHUNK_POSITIONS = 1024
"""Positions of a prompt read at once, unless the caller asks for another number."""

SCORE_BYTES = 128 * MIB
"""Attention scores of one block of queries, counted in float32: a block has as many rows as that
leaves room for, and one at least."""

SCORE_COPIES = 5
"""Blocks whose scores are held at once: MLX allocates ahead of what runs. Scores of a prompt that
needs no blocks are held twice at most."""

FUSED_HEAD_DIMS = (64, 80, 128)
"""Lanes of a head for which MLX's GPU kernels hold no scores, so that no blocks are needed."""

RUN_AHEAD_BYTES = 128 * MIB
"""Keys and values up to which the next step of decoding is started before the last has ended.
MLX writes into a buffer in place only when no step under way still reads it, so that running
ahead copies every cache once per step and holds it twice; beyond this size that costs more than
it hides."""

BUFFER_CACHE_BYTES = 512 * MIB
"""The most memory that MLX keeps of buffers nobody uses. A step of decoding and a piece of a
prompt get theirs back out of it. MLX's own limit on Metal is about all memory, so that every
size of prompt ever read would leave its buffers behind."""


def block_rows(heads: int, keys: int, batch: int = 1) -> int:
    """Query rows whose scores over `keys` positions stay within `SCORE_BYTES`; one at least."""
    return max(1, SCORE_BYTES // (4 * batch * heads * keys))


def score_bytes(heads: int, rows: int, keys: int, item_bytes: int) -> int:
    """The most that attention of `rows` queries over `keys` positions holds in scores."""
    block = block_rows(heads, keys)
    copies = 2 if rows <= block else SCORE_COPIES
    return copies * heads * min(rows, block) * keys * item_bytes
