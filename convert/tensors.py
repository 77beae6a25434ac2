"""The tensors of a conversion: packed, written and checked; what an earlier run wrote is kept."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

import numpy as np

from convert.job import Finished, Job
from convert.packer import Packer, PackRows
from convert.plan import Item, Plan
from convert.progress import OnStep, Step
from convert.quality import TensorQuality
from convert.source import Source, reading_threads
from convert.writer import Checksums, Writer, checksum
from gemma4_mlx.errors import ConversionError


class TensorWork:
    """Writes all tensors of a plan that are not written yet.

    Args:
        source: holds them.
        plan: says where they go.
        job: notes what is done.
        on_step: told about every tensor.
    """

    def __init__(self, source: Source, plan: Plan, job: Job, on_step: OnStep) -> None:
        self._source = source
        self._plan = plan
        self._job = job
        self._on_step = on_step
        self._squares: dict[str, np.ndarray] = {}
        self._exact_shares: Mapping[str, float] = {}
        self._total_bytes = sum(item.tensor.nbytes for item in plan.items)
        self._done_bytes = 0

    def run(self, pack: PackRows, exact_shares: Mapping[str, float]) -> None:
        """Pack, write and check.

        Args:
            pack: how rows are packed.
            exact_shares: of the tensors that stand on the Q4_0 lattice, by path; for the record.

        Raises:
            ConversionError: the disk is full, or does not hold what was written.
        """
        self._exact_shares = exact_shares
        packer = Packer(self._source, pack)
        with Writer(self._job.folder, self._plan, self._record) as writer:
            self._forget_damaged()
            for chunk in packer.chunks(self._left()):
                if chunk.squares is not None:
                    name = chunk.item.tensor.name
                    self._squares[name] = self._squares.get(name, 0) + chunk.squares
                writer.put(chunk)
            writer.finish()
        damaged = self._damaged()
        if damaged:
            raise ConversionError(
                f"{damaged[0].tensor.name} does not read back from {self._job.folder} as it was "
                "written",
                "the disk is failing; run the same command again to write it anew",
            )

    def _forget_damaged(self) -> None:
        """Have what an earlier run wrote written anew where it does not lie there any more."""
        for item in self._damaged():
            del self._job.finished[item.tensor.name]

    def _damaged(self) -> list[Item]:
        """Items whose bytes on the disk are not those that were meant."""
        finished = self._job.finished
        items = [item for item in self._plan.items if item.tensor.name in finished]
        total = sum(item.nbytes for item in items)
        done = 0

        def is_damaged(item: Item) -> bool:
            expected = finished[item.tensor.name].checksums
            return any(
                checksum(self._job.folder, part) != expected.get(part.name) for part in item.parts
            )

        damaged = []
        with reading_threads() as readers:
            for item, wrong in zip(items, readers.map(is_damaged, items), strict=True):
                damaged += [item] if wrong else []
                done += item.nbytes
                self._on_step(Step("verify", done, total, item.tensor.name))
        return damaged

    def _left(self) -> list[Item]:
        done = self._job.finished
        left = [item for item in self._plan.items if item.tensor.name not in done]
        self._done_bytes = self._total_bytes - sum(item.tensor.nbytes for item in left)
        return left

    def _record(self, item: Item, checksums: Checksums) -> None:
        name = item.tensor.name
        squares = self._squares.pop(name, None)
        quality = None if squares is None else self._quality(item, squares)
        self._job.record(name, Finished(checksums, quality))
        self._done_bytes += item.tensor.nbytes
        counts = (len(self._job.finished), len(self._plan.items))
        self._on_step(Step("tensor", self._done_bytes, self._total_bytes, name, *counts))

    def _quality(self, item: Item, squares: np.ndarray) -> TensorQuality:
        found, plain, values = (float(square) for square in squares)
        scale = values or 1.0  # of a tensor that is all zeros
        packed = item.packed
        assert packed is not None
        return TensorQuality(
            f"{packed.mode} {packed.bits} bits, group {packed.group_size}",
            relative_error=sqrt(found / scale),
            rounding_error=sqrt(plain / scale) if plain != found else None,
            exact_share=self._exact_shares.get(item.tensor.path),
        )
