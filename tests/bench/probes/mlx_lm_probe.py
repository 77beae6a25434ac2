"""mlx-lm, from the inside: `python -m tests.bench.probes.mlx_lm_probe FOLDER`."""

from __future__ import annotations

import sys
from typing import Any

from tests.bench.probes import watch


def speeds(folder: str) -> None:
    """Load, read and write without a conversation."""

    def imported() -> Any:
        import mlx_lm

        return mlx_lm

    import_s, mlx_lm = watch.seconds(imported)
    load_s, (model, _) = watch.seconds(lambda: mlx_lm.load(folder))
    import mlx.core as mx
    from mlx_lm.generate import generate_step

    def tokens(count: int, new: int) -> Any:
        return generate_step(mx.array(watch.prompt_ids()[:count]), model, max_tokens=new)

    watch.report_speeds(import_s, load_s, tokens, mx.get_peak_memory)


if __name__ == "__main__":
    speeds(sys.argv[1])
