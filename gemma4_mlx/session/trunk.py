"""What was read last, and the places that it can be taken back to.

The caches hold one line of text, the trunk. To leave it for another, they are cut where the two
part: rows of full layers stand at their positions and are just forgotten. A window that has
wrapped has overwritten the rows that it would need, so snapshots of the windows alone are kept at
places where a later prompt is likely to part. That is a fixed number of bytes each, however long
the conversation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from gemma4_mlx.cache import KVCache
from gemma4_mlx.events import PromptProgress
from gemma4_mlx.kv_format import KVFormat
from gemma4_mlx.session.prompt_key import common_length

NEAREST_POSITIONS = 16
"""A snapshot nearer to the one before saves less than a chunk that ends there costs."""

MOST_SNAPSHOTS = 32


class Trunk:
    """The caches of a conversation and what they hold.

    Attributes:
        caches: from `model.make_cache`.
        kv: how they keep full layers.
        snapshot_bytes: the most that snapshots may take.
    """

    def __init__(self, caches: Sequence[KVCache], kv: KVFormat, snapshot_bytes: int) -> None:
        self.caches = list(caches)
        self.kv = kv
        self.snapshot_bytes = snapshot_bytes
        self._prompt = np.zeros(0, np.int64)
        self._written: list[int] = []
        self._places: frozenset[int] = frozenset()
        self._snapshots: dict[int, list[KVCache]] = {}

    @property
    def offset(self) -> int:
        """Positions that are read."""
        return self.caches[0].offset

    @property
    def positions(self) -> np.ndarray:
        """The keys of those, int64 [offset]."""
        return np.concatenate([self._prompt, np.array(self._written, np.int64)])[: self.offset]

    @property
    def snapshots(self) -> Mapping[int, Sequence[KVCache]]:
        """The windows as they were at some positions, in their order."""
        return self._snapshots

    @property
    def nbytes(self) -> int:
        """Bytes that it holds; what a snapshot still shares is counted twice."""
        return _bytes(self.caches) + sum(map(_bytes, self._snapshots.values()))

    def reusable(self, prompt: np.ndarray) -> int:
        """How many positions of a prompt, int64 [L], need not be read; the last one always is."""
        common = common_length(self.positions, prompt[:-1])
        if common == self.offset or all(one.is_trimmable() for one in self.caches):
            return common
        return max((place for place in self._snapshots if place <= common), default=0)

    def rewind(self, offset: int) -> None:
        """Go back to a position that `reusable` has named."""
        if offset == self.offset:
            return
        has_wrapped = not all(one.is_trimmable() for one in self.caches)
        windows = iter(self._snapshots[offset] if has_wrapped else ())
        for index, one in enumerate(self.caches):
            if has_wrapped and one.window is not None:
                self.caches[index] = next(windows).copy()
            else:
                one.trim(one.offset - offset)
        self._snapshots = {at: kept for at, kept in self._snapshots.items() if at <= offset}

    def expect(self, prompt: np.ndarray, turning_points: Iterable[int]) -> list[int]:
        """Say what will be read from here on, and where it might be left again.

        Args:
            prompt: int64 [L]; its beginning is what was read.
            turning_points: positions in it.

        Returns:
            Those of them where a chunk should end, so that a snapshot can be taken.
        """
        self._prompt, self._written = prompt, []
        self.take_snapshot()
        places: list[int] = []
        for place in sorted(turning_points):
            if place >= (places[-1] if places else self.offset) + NEAREST_POSITIONS:
                places.append(place)
        self._places = frozenset(places)
        return places

    def record(self, steps: Iterable[int | PromptProgress]) -> Iterator[int | PromptProgress]:
        """Pass the steps of a turn on; keep what is written, take snapshots on the way."""
        for step in steps:
            if not isinstance(step, PromptProgress):
                self._written.append(step)
            elif step.done in self._places:
                self.take_snapshot()
            yield step

    def take_snapshot(self) -> None:
        """Keep the windows as they are here, unless a snapshot is near; stay within bounds."""
        if self.offset >= max(self._snapshots, default=0) + NEAREST_POSITIONS:
            windows = [one.copy() for one in self.caches if one.window is not None]
            self._snapshots[self.offset] = windows
        self._drop_snapshots()

    def resume(self, positions: np.ndarray, snapshots: Mapping[int, list[KVCache]]) -> None:
        """Say what caches hold that were filled elsewhere."""
        self._prompt, self._written = positions, []
        self._snapshots = dict(snapshots)

    def _drop_snapshots(self) -> None:
        """Stay within bounds; what is nearest to the one before saves least, the last one most."""
        while (
            len(self._snapshots) > MOST_SNAPSHOTS
            or sum(map(_bytes, self._snapshots.values())) > self.snapshot_bytes
        ):
            *others, last = self._snapshots
            saved = np.diff([0, *others])
            del self._snapshots[others[int(saved.argmin())] if others else last]


def _bytes(caches: Iterable[KVCache]) -> int:
    return sum(one.nbytes for one in caches)
