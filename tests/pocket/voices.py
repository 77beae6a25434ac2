"""Makes the committed held-out clips: `python tests/pocket/voices.py` (needs espeak-ng)."""

import json
import random
import sys
from pathlib import Path

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).parents[1]))

from pocket import speech
from pocket.heldout import FOLDER
from pocket.words import WORDS

CLIPS_EACH = 3


def main() -> None:
    """Speak every word in voices that training never heard."""
    FOLDER.mkdir(exist_ok=True)
    labels = {}
    noise = np.random.default_rng(77)
    for i, clip in enumerate(speech.spoken(random.Random(77), CLIPS_EACH, speech.HELD_OUT)):
        quiet = np.zeros(noise.integers(400, 2400))
        sound = np.concatenate([quiet, clip.samples, quiet]).astype(np.float32)
        sound = 10 ** noise.uniform(-0.5, 0.2) * sound
        name = f"{i:02d}.flac"
        soundfile.write(FOLDER / name, sound, speech.RATE_HZ, subtype="PCM_16")
        labels[name] = {"word": WORDS[clip.label], "voice": clip.voice}
    text = json.dumps(labels, indent=1)
    (FOLDER / "labels.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
