"""A tokenizer of published size in place of a small one: 262144 entries, 514906 merges.

`python -m tests.bench.large_tokenizer FOLDER` grows the tokenizer.json of a checkpoint. What it
adds is random and splits text at random; it is there for the memory and the time that a
vocabulary of that size takes.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

ENTRIES, MERGES = 262144, 514906
LONGEST = 14


def grow(tokenizer: dict[str, Any]) -> None:
    """Add entries, each of two that were there, and more ways to come by them."""
    draw = random.Random(0)
    vocabulary, merges = tokenizer["model"]["vocab"], tokenizer["model"]["merges"]
    words = [entry for entry in vocabulary if not entry.startswith("<")]
    while len(vocabulary) < ENTRIES:
        first, second = draw.choice(words), draw.choice(words)
        word = first + second
        if len(word) > LONGEST or word in vocabulary:
            continue
        vocabulary[word] = len(vocabulary)
        words.append(word)
        merges.append([first, second])
    while len(merges) < MERGES:
        word = draw.choice(words)
        cut = draw.randrange(1, len(word)) if len(word) > 1 else 0
        if word[:cut] in vocabulary and word[cut:] in vocabulary:
            merges.append([word[:cut], word[cut:]])


def main() -> None:
    path = Path(sys.argv[1]) / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    grow(tokenizer)
    path.write_text(json.dumps(tokenizer, ensure_ascii=False))
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
