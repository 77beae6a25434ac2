"""Single spoken words: synthesis with espeak-ng, voices kept apart, and what rooms do to sound.

Needs espeak-ng on the PATH (`apt install espeak-ng`, `brew install espeak-ng`) to make clips;
a synthesised corpus is kept in one .npz file.
"""

import io
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import lfilter, resample_poly

from .words import WORDS

RATE_HZ = 16_000
SILENCE = len(WORDS)  # the class of a clip without a word
_ACCENTS = ("en-us", "en-gb", "en-gb-x-rp", "en-us-nyc", "en-029", "en-gb-x-gbcwmd")
_TRAINED = [
    "Alex",
    "Alicia",
    "Andy",
    "Annie",
    "Diogo",
    "Gene",
    "Henrique",
    "Hugo",
    "Jacky",
    "Lee",
    "Marco",
    "Mario",
    "Michael",
    "Mike",
    "adam",
    "anika",
    "antonio",
    "aunty",
    "belinda",
    "benjamin",
    "boris",
    "caleb",
    "ed",
    "edward",
    "f1",
    "f2",
    "f3",
    "f4",
    "grandma",
    "grandpa",
    "gustave",
    "iven",
    "iven2",
    "iven3",
    "john",
    "kaukovalta",
    "klatt",
    "klatt2",
    "klatt3",
    "linda",
    "m1",
    "m2",
    "m3",
    "m4",
    "m5",
    "m6",
    "marcelo",
    "michel",
    "miguel",
    "norbert",
    "pablo",
    "pedro",
    "quincy",
    "rob",
    "sandro",
    "shelby",
    "steph",
    "travis",
    "victor",
    "zac",
]
HELD_OUT = ("f5", "m7", "Andrea", "david", "max", "steph2", "paul", "robert")


@dataclass(frozen=True)
class Clip:
    """One synthesised word; `label` indexes WORDS."""

    label: int
    voice: str
    samples: np.ndarray


def synthesise(word: str, voice: str, speed: int, pitch: int) -> np.ndarray:
    """Speak one word: float32 samples at 16 kHz, silence trimmed, peak 0.5."""
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", word]
    wav = subprocess.run(command, check=True, capture_output=True).stdout
    samples, rate = soundfile.read(io.BytesIO(wav), dtype="float32")
    samples = resample_poly(samples, RATE_HZ, rate).astype(np.float32)
    loud = np.flatnonzero(np.abs(samples) > 0.02 * np.abs(samples).max())
    samples = samples[max(0, loud[0] - 160) : loud[-1] + 320]
    return 0.5 * samples / np.abs(samples).max()


def spoken(rng: random.Random, each: int, voices: tuple[str, ...] | list[str]) -> Iterator[Clip]:
    """`each` clips of every word, in voices, accents, speeds and pitches drawn by `rng`."""
    for i in range(each):
        for label, word in enumerate(WORDS):
            voice = f"{rng.choice(_ACCENTS)}+{voices[(i * 7 + label) % len(voices)]}"
            speed, pitch = rng.randint(100, 220), rng.randint(20, 80)
            yield Clip(label, voice, synthesise(word, voice, speed, pitch))


def corpus(path: Path, each: int, seed: int, voices=tuple(_TRAINED)) -> list[Clip]:
    """The training clips: read from `path`, or synthesised and kept there."""
    if not path.exists():
        clips = list(spoken(random.Random(seed), each, voices))
        sound = np.concatenate([c.samples for c in clips])
        np.savez(
            path,
            sound=(sound * 32767).astype(np.int16),
            lengths=[len(c.samples) for c in clips],
            labels=[c.label for c in clips],
            voices=[c.voice for c in clips],
        )
    kept = np.load(path)
    ends = np.cumsum(kept["lengths"])
    parts = np.split(kept["sound"].astype(np.float32) / 32767, ends[:-1])
    return [
        Clip(int(n), str(v), s)
        for n, v, s in zip(kept["labels"], kept["voices"], parts, strict=True)
    ]


def _noise(rng: np.random.Generator, count: int) -> np.ndarray:
    """Noise of unit power: white, brownish or a hum."""
    kind = rng.integers(3)
    if kind == 2:
        wave = np.sin(2 * np.pi * rng.uniform(50, 400) * np.arange(count) / RATE_HZ)
        return (wave * 1.4).astype(np.float32)
    white = rng.standard_normal(count).astype(np.float32)
    if kind == 0:
        return white
    brown = lfilter([1.0], [1.0, -0.95], white)
    return (brown / (brown.std() + 1e-6)).astype(np.float32)


def recorded(samples: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    """As if recorded: another pace, silence around it, tone, noise and level. None: no word."""
    if samples is None:
        samples = np.zeros(rng.integers(3200, 9600), np.float32)
    elif rng.random() < 0.5:
        up = int(rng.integers(92, 109))
        samples = resample_poly(samples, up, 100).astype(np.float32)
    longest = 6400 if rng.random() < 0.3 else 2400
    before, after = rng.integers(0, longest), rng.integers(0, longest)
    sound = np.concatenate([np.zeros(before), samples, np.zeros(after)]).astype(np.float32)
    if rng.random() < 0.5:
        tilt = rng.uniform(-0.5, 0.6)
        sound = lfilter([1.0, tilt], [1.0 + abs(tilt)], sound).astype(np.float32)
    power = sound.std() if sound.any() else 0.05
    if rng.random() < 0.7:
        ratio_db = rng.uniform(8, 40)
        sound = sound + _noise(rng, len(sound)) * power * 10 ** (-ratio_db / 20)
    peak = np.abs(sound).max()
    level = 10 ** rng.uniform(-1.3, 0.0) if peak > 0 else 1.0
    return (sound * (level / max(peak, 1e-6))).astype(np.float32)
