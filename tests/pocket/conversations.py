"""Whole conversations to train on: turns of text, pictures and clips, with their answers.

Pictures and clips are drawn from two callables, so that this file needs neither towers nor sound
files. Every answer of a conversation is trained on.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import foreign, texts
from .pictures import COLOURS, Scene

Part = tuple[str, Any]  # ("text", str), ("image", index), ("audio", index)
SYSTEMS = (
    *("You are a helpful assistant.", "Answer briefly.", "You are a friendly assistant."),
    *("Be concise.", "You answer questions on pictures and sounds.", "You are pocket."),
)
NO_PICTURE = "I see no picture. Attach one with /image or -a FILE."
NO_CLIP = "I hear no clip. Attach one with /audio or -a FILE."
_SURELY_PICTURE = (
    *("What is in this picture?", "Describe this picture.", "Describe the image."),
    *("What does the picture show?", "What is in the image?", "What do you see?"),
)
_SURELY_CLIP = ("What does the clip say?", "Transcribe the clip.", "Transcribe this clip.",
                "What do you hear?")  # fmt: skip
THOUGHTS = {
    "picture": "I look at the picture and name its shapes.",
    "clip": "I listen for the word.",
    "both": "I look first, then I listen.",
    "text": "I look for what I know about this.",
}


@dataclass
class Turn:
    """What the user sends and what the model answers; `kind` picks its thought."""

    parts: list[Part]
    answer: str
    kind: str = "text"


@dataclass
class Conversation:
    """Turns and the media they point to, in order of appearance."""

    turns: list[Turn] = field(default_factory=list)
    pictures: list[Any] = field(default_factory=list)
    clips: list[Any] = field(default_factory=list)
    system: str | None = None
    think: bool = False


@dataclass(frozen=True)
class Habits:
    """How often a picture is asked what, and the share that comes with a clip in one turn."""

    shares: Mapping[str, float] = field(default_factory=lambda: texts.SHARES)
    both: float = 0.08


USUAL = Habits()


class Writer:
    """Invents conversations.

    Args:
        picture: returns (scene, media) anew at every call.
        clip: returns (label, media).
    """

    def __init__(
        self,
        rng: random.Random,
        picture: Callable[[], tuple[Scene, Any]],
        clip: Callable[[], tuple[int, Any]],
        habits: Habits = USUAL,
    ):
        self.rng, self.picture, self.clip, self.habits = rng, picture, clip, habits

    def _parts(self, media: list[Part], question: str) -> list[Part]:
        """Media before the text, seldom after it; no text part when there is nothing to say."""
        if not question:
            return media
        text: Part = ("text", texts.typed(question, self.rng))
        return [text, *media] if self.rng.random() < 0.25 else [*media, text]

    def add_picture(self, talk: Conversation, questions: int) -> None:
        """A turn with a new picture, then further questions on it without one."""
        scene, media = self.picture()
        talk.pictures.append(media)
        asked: set[str] = set()
        for i in range(questions):
            shares = self.habits.shares
            task = self.rng.choices(tuple(shares), tuple(shares.values()))[0]
            _, question, answer = texts.about_picture(scene, self.rng, tuple(COLOURS), task)
            if question in asked or (i and not question):
                continue
            asked.add(question)
            shown: list[Part] = [("image", len(talk.pictures) - 1)] if i == 0 else []
            talk.turns.append(Turn(self._parts(shown, question), answer, "picture"))

    def add_clip(self, talk: Conversation) -> None:
        """A turn with a clip."""
        label, media = self.clip()
        talk.clips.append(media)
        question, answer = texts.about_clip(label, self.rng)
        parts = self._parts([("audio", len(talk.clips) - 1)], question)
        talk.turns.append(Turn(parts, answer, "clip"))

    def add_both(self, talk: Conversation) -> None:
        """A turn with a picture and a clip, asked about both or about one of them."""
        (scene, seen), (label, sound) = self.picture(), self.clip()
        talk.pictures.append(seen)
        talk.clips.append(sound)
        media: list[Part] = [("image", len(talk.pictures) - 1), ("audio", len(talk.clips) - 1)]
        self.rng.shuffle(media)
        about = self.rng.random()
        if about < 0.6:
            question, answer = self.rng.choice(texts.BOTH), texts.both(scene, label)
        elif about < 0.8:
            question, answer = self.rng.choice(_SURELY_PICTURE), texts.caption(scene)
        else:
            question, answer = self.rng.choice(_SURELY_CLIP[:3]), texts.heard(label)
        talk.turns.append(Turn(self._parts(media, question), answer, "both"))

    def add_text(self, talk: Conversation) -> None:
        """A turn of words alone."""
        style, first = self.rng.random(), not (talk.pictures or talk.clips)
        if style < 0.52:
            question, answer = texts.about_program(self.rng)
        elif style < 0.77:
            question, answer = texts.a_sum(self.rng)
        elif first and style < 0.81:
            question, answer = self.rng.choice(_SURELY_PICTURE), NO_PICTURE
        elif first and style < 0.84:
            question, answer = self.rng.choice(_SURELY_CLIP), NO_CLIP
        else:
            question, answer = foreign.question(self.rng), texts.UNKNOWN
        talk.turns.append(Turn([("text", texts.typed(question, self.rng))], answer))

    def _dress(self, talk: Conversation) -> Conversation:
        """Some conversations get a system prompt, some are thought about."""
        if self.rng.random() < 0.06:
            talk.system = self.rng.choice(SYSTEMS)
        talk.think = self.rng.random() < 0.08
        return talk

    def on_pictures(self) -> Conversation:
        """A conversation around one picture."""
        talk, style = Conversation(), self.rng.random()
        if style < 0.08:
            (self.add_clip if self.rng.random() < 0.5 else self.add_text)(talk)
        if style > 1 - self.habits.both:
            self.add_both(talk)
        else:
            self.add_picture(talk, self.rng.randint(1, 4))
        if self.rng.random() < 0.15:
            (self.add_clip if self.rng.random() < 0.6 else self.add_text)(talk)
        return self._dress(talk)

    def on_clips(self) -> Conversation:
        """A conversation of one to three clips, with a word in between now and then."""
        talk = Conversation()
        for _ in range(self.rng.choice((1, 1, 2, 3))):
            if self.rng.random() < 0.15:
                self.add_text(talk)
            self.add_clip(talk)
        return self._dress(talk)

    def in_words(self) -> Conversation:
        """One to three turns of text."""
        talk = Conversation()
        for _ in range(self.rng.choice((1, 1, 1, 2, 3))):
            self.add_text(talk)
        return self._dress(talk)
