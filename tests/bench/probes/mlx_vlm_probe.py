"""mlx-vlm, from the inside: `python -m tests.bench.probes.mlx_vlm_probe FOLDER [PICTURE]`.

With a picture: what its chat does in a second turn, which keeps keys and values of the first.
"""

from __future__ import annotations

import sys
from typing import Any

from tests.bench.probes import watch


def speeds(folder: str) -> None:
    """Load, read and write without a conversation."""

    def imported() -> Any:
        import mlx_vlm

        return mlx_vlm

    import_s, mlx_vlm = watch.seconds(imported)
    load_s, (model, _) = watch.seconds(lambda: mlx_vlm.load(folder))
    import mlx.core as mx
    from mlx_vlm.generate import generate_step

    def tokens(count: int, new: int) -> Any:
        ids = mx.array([watch.prompt_ids()[:count]])
        return generate_step(ids, model, None, None, max_tokens=new)

    watch.report_speeds(import_s, load_s, tokens, mx.get_peak_memory)


def second_turn(folder: str, picture: str) -> None:
    """A picture and much text, then a short question."""
    import mlx_vlm
    from mlx_vlm.generate import PromptCacheState, stream_generate
    from mlx_vlm.prompt_utils import apply_chat_template

    model, processor = mlx_vlm.load(folder)
    history: list[dict[str, Any]] = []

    def ask(text: str, state: Any) -> tuple[float, str]:
        history.append({"role": "user", "content": [{"type": "text", "text": text}]})
        prompt = apply_chat_template(processor, model.config, history, num_images=1)
        steps = stream_generate(
            model,
            processor,
            prompt,
            image=[picture],
            max_tokens=watch.ANSWER_TOKENS,
            temperature=0.0,
            prompt_cache_state=state,
        )
        pieces: list[str] = []
        taken, first = watch.first_of(pieces.append(step.text) or step for step in steps)
        counted.append((first.prompt_tokens, first.cached_tokens))
        return taken, "".join(pieces)

    counted: list[tuple[int, int]] = []
    state = PromptCacheState()
    _, answer = ask(watch.TEXT, state)
    history.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    warm_s, _ = ask(watch.NEXT, state)
    history.pop()
    cold_s, _ = ask(watch.NEXT, PromptCacheState())
    prompt_tokens, cached = counted[1]
    watch.report(
        second_turn_s=warm_s,
        cold_turn_s=cold_s,
        read_tokens=prompt_tokens - cached,
        prompt_tokens=prompt_tokens,
    )


if __name__ == "__main__":
    (second_turn if len(sys.argv) > 2 else speeds)(*sys.argv[1:])
