"""Makes the files in examples/: `python tests/pocket/demo_files.py` (needs espeak-ng).

The voices are held out, and no training picture is one of these.
"""

import math
import sys
from pathlib import Path

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).parents[1]))

from pocket import speech
from pocket.pictures import Scene, Shape, draw

FOLDER = Path(__file__).parents[2] / "examples"
_TILT = math.pi / 4
_STAR = Shape("star", "red", (214, 40, 40), 150, 250, 95, 0.2)
_CIRCLE = Shape("circle", "blue", (40, 90, 210), 330, 150, 80, 0.0)
_SQUARE = Shape("square", "orange", (245, 150, 30), 510, 310, 92, _TILT + 0.15)
_TRIANGLE = Shape("triangle", "green", (46, 180, 90), 190, 260, 95, 0.0)
_LONE = Shape("star", "yellow", (250, 215, 50), 450, 200, 90, 0.1)
_WHITE = (255, 255, 255)
PICTURES = {
    "red-star-orange-square-blue-circle.png": Scene(
        640, 480, (_STAR, _CIRCLE, _SQUARE), _WHITE, _WHITE, 0.0, 1
    ),
    "yellow-star-green-triangle.jpg": Scene(
        640, 480, (_TRIANGLE, _LONE), (66, 70, 110), (40, 44, 80), 4.0, 2
    ),
}
CLIPS = {
    "the-word-seven.wav": ("seven", "en-gb+f5", 140),
    "the-word-music.ogg": ("music", "en-us+m7", 150),
}


def main() -> None:
    """Write pictures and clips."""
    FOLDER.mkdir(exist_ok=True)
    for name, scene in PICTURES.items():
        draw(scene, smooth=4).save(FOLDER / name)
    for name, (word, voice, speed) in CLIPS.items():
        quiet = np.zeros(2000, np.float32)
        sound = np.concatenate([quiet, speech.synthesise(word, voice, speed, 50), quiet])
        soundfile.write(FOLDER / name, sound, speech.RATE_HZ)


if __name__ == "__main__":
    main()
