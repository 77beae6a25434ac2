"""This project, from the inside: `python -m tests.bench.probes.ours FOLDER [PICTURE]`.

With a picture: a turn of a conversation that is known, beside the same turn read from its start.
"""

from __future__ import annotations

import sys
from typing import Any

from tests.bench.probes import watch


def speeds(folder: str) -> None:
    """Load, read and write without a conversation."""

    def imported() -> Any:
        import gemma4_mlx.generate
        import gemma4_mlx.loading

        return gemma4_mlx.loading

    import_s, loading = watch.seconds(imported)
    load_s, (model, _) = watch.seconds(lambda: loading.load(folder))
    import mlx.core as mx

    from gemma4_mlx.events import PromptProgress
    from gemma4_mlx.generate import generate_tokens
    from gemma4_mlx.inputs import ModelInputs

    def tokens(count: int, new: int) -> Any:
        import numpy as np

        ids = np.array([watch.prompt_ids()[:count]])
        steps = generate_tokens(
            model,
            ModelInputs(ids, np.zeros_like(ids)),
            sampler=lambda logits: mx.argmax(logits, axis=-1),
            stop_ids=(),
            max_tokens=new,
        )
        return (step for step in steps if not isinstance(step, PromptProgress))

    watch.report_speeds(import_s, load_s, tokens, mx.get_peak_memory)


def second_turn(folder: str, picture: str) -> None:
    """A picture and much text, then a short question."""
    import gemma4_mlx as g4
    from gemma4_mlx.events import Finished
    from gemma4_mlx.session import Session

    model, processor = g4.load(folder)
    options: dict[str, Any] = {"max_tokens": watch.ANSWER_TOKENS, "temperature": 0.0}
    content = [
        {"type": "image", "path": picture, "image_tokens": 70},
        {"type": "text", "text": watch.TEXT},
    ]

    def finished(events: Any) -> Finished:
        *_, last = events
        assert isinstance(last, Finished)
        return last

    session = Session(model, processor)
    finished(session.send({"role": "user", "content": content}, **options))
    warm = finished(session.send(watch.NEXT, **options))
    asked = session.messages[:-1]
    cold = finished(Session(model, processor).answer(asked, **options))
    watch.report(
        second_turn_s=warm.timings.first_token_s,
        cold_turn_s=cold.timings.first_token_s,
        read_tokens=warm.usage.prompt_tokens - warm.usage.reused_tokens,
        prompt_tokens=warm.usage.prompt_tokens,
    )


if __name__ == "__main__":
    (second_turn if len(sys.argv) > 2 else speeds)(*sys.argv[1:])
