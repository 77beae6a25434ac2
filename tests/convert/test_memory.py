"""Memory of a conversion: bounded, whatever the size of the source."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.convert.checkpoints import bf16_bits, tiny_config, write_folder
from tests.parity.recipe import shapes

ROOT = Path(__file__).parents[2]

CONVERTED = """
import json, sys, threading, time
from convert.conversion import Settings, convert_checkpoint

def anonymous_bytes():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon"))

before, peak, done = anonymous_bytes(), 0, False

def watch():
    global peak
    while not done:
        peak = max(peak, anonymous_bytes())
        time.sleep(0.002)

watcher = threading.Thread(target=watch)
watcher.start()
report = convert_checkpoint(sys.argv[1], sys.argv[2], Settings(card=False, search=False))
done = True
watcher.join()
print(json.dumps({"source": report.quality.source_bytes, "before": before, "peak": peak}))
"""


def write_large(folder: Path) -> Path:
    """A checkpoint of 300 MB, most of it in one table."""
    from unittest.mock import patch

    from tests.parity.configs import CONFIGS

    config = tiny_config("e2b-like", vocab_size_per_layer_input=680_000)
    config["text_config"]["vocab_size"] = 680_000
    random = bf16_bits(np.random.default_rng(0).normal(scale=0.02, size=1 << 20))
    with patch.dict(CONFIGS, {"e2b-like": config}):
        tensors = {name: ("BF16", np.resize(random, shape)) for name, shape in shapes("e2b-like")}
    return write_folder(folder, config, tensors)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells file pages apart")
def test_pain_62_memory_does_not_grow_with_the_source(tmp_path: Path):
    source = write_large(tmp_path / "source")
    command = [sys.executable, "-c", CONVERTED, str(source), str(tmp_path / "dest")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=300, check=True)
    figures = json.loads(done.stdout)
    assert figures["source"] > 300e6
    assert figures["peak"] - figures["before"] < 220e6
