"""A source is read block by block, as its tensors lie in our layout."""

from __future__ import annotations

import json
from functools import partialmethod
from pathlib import Path

import numpy as np
import pytest

from convert import scan
from convert.scan import check_finite
from convert.source import Source
from gemma4_mlx.errors import WeightsError
from tests.convert.checkpoints import INDEX, change, values_of, write_source

UP_PROJ = "model.language_model.layers.1.mlp.up_proj.weight"
BLOCK_BYTES = 512


@pytest.fixture(scope="module", params=["e2b-like", "26b-like"])
def source(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Source:
    return Source(write_source(tmp_path_factory.mktemp("source") / "source", request.param))


def test_blocks_are_small_and_together_the_whole_tensor(source: Source):
    for tensor in source.tensors.values():
        blocks = [block.copy() for block in source.blocks(tensor, BLOCK_BYTES)]
        row_bytes = tensor.nbytes // max(1, int(np.prod(tensor.shape[:-1])))
        most = max(BLOCK_BYTES, row_bytes) if len(tensor.shape) > 1 else tensor.nbytes
        assert max(block.nbytes for block in blocks) <= most
        values = np.concatenate([block.reshape(-1) for block in blocks])
        np.testing.assert_array_equal(values, source.values(tensor).reshape(-1))


def test_the_row_of_a_nan_is_counted_over_all_blocks(tmp_path: Path, monkeypatch):
    folder = write_source(tmp_path / "source")
    values = values_of(folder, UP_PROJ)
    values[45, 2] = 0x7FC0
    change(folder, UP_PROJ, values)
    monkeypatch.setattr(Source, "blocks", partialmethod(Source.blocks, block_bytes=BLOCK_BYTES))
    with pytest.raises(WeightsError, match="first in row 45 of"):
        check_finite(Source(folder), lambda step: None)


def test_of_many_tensors_with_nan_the_first_are_named(tmp_path: Path, monkeypatch):
    folder = write_source(tmp_path / "source")
    names = sorted(json.loads((folder / INDEX).read_text())["weight_map"])[-3:]
    for name in names:
        change(folder, name, np.full_like(values_of(folder, name), 0x7FC0))
    monkeypatch.setattr(scan, "_LISTED", 1)
    with pytest.raises(WeightsError) as error:
        check_finite(Source(folder), lambda step: None)
    first, second, third = error.value.message.splitlines()
    assert first.startswith("3 tensors hold values that are no numbers")
    assert any(name in second for name in names)
    assert third == "  and 2 more"


def test_a_tensor_under_two_names_is_an_error(tmp_path: Path):
    folder = write_source(tmp_path / "source")
    ours = UP_PROJ.replace("model.language_model.", "language_model.model.")
    change(folder, ours, values_of(folder, UP_PROJ))
    with pytest.raises(WeightsError, match=rf"1 tensors.*\n  twice: {ours}, once as"):
        Source(folder)
