"""Cases that `pocket` never saw: pictures by seed, clips of other voices, questions, sums, chats.

Imports only the standard library, numpy, Pillow and soundfile, so that any runner of the model
can use it. Answers are exact: compare the whole answer. Example:

    for case in cases(image_tokens=140):
        answer = ...  # run case.messages
        right = answer == case.answer
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from . import foreign, texts
from .pictures import COLOURS, Scene, draw, make_scene
from .words import WORDS

FOLDER = Path(__file__).parent / "heldout"
SIZES = (
    *((320, 240), (640, 480), (480, 640), (256, 256), (500, 500)),
    *((800, 600), (1024, 576), (360, 640), (600, 400)),
)
PICTURES = 400
_FIRST_SEED = 1_000_000  # training draws its pictures from running generators, never from these
# Wordings that training does not contain, by the topic of questions.json.
PARAPHRASES = {
    "what": "So what exactly are you?",
    "can": "What are you able to do?",
    "real": "How can I get a real Gemma 4 model?",
    "picture": "How do I attach an image file?",
    "sound": "How do I attach a sound file?",
    "budget": "How do I choose the number of image tokens?",
    "budgets": "Which image token budgets can I choose?",
    "convert": "How do I convert a checkpoint to 4-bit?",
    "exit": "How can I exit the chat?",
    "stop": "How can I stop an answer?",
    "chat": "How can I start a chat?",
    "think": "How do I switch on thinking?",
    "model": "How can I choose another model?",
    "list": "How do I see the list of my models?",
    "plan": "How much memory does a model need?",
    "doctor": "How can I check my installation?",
    "family": "Which Gemma 4 sizes are there?",
    "hears": "Which models can understand audio?",
    "clip": "How long can a sound be?",
    "offline": "Can I use it offline?",
    "licence": "What licence do you have?",
    "colours": "Which colours can you name?",
    "words": "Which words can you understand?",
    "hello": "Hello there!",
    "thanks": "Thanks, great.",
}


class Case(NamedTuple):
    """A task's name, a conversation that ends with the user, and the right answer."""

    task: str
    messages: list[dict[str, Any]]
    answer: str


class _Maker:
    """Writes messages, all pictures with the same token budget."""

    def __init__(self, image_tokens: int | None):
        self.image_tokens = image_tokens

    def image(self, scene: Scene) -> dict[str, Any]:
        part: dict[str, Any] = {"type": "image", "image": draw(scene)}
        if self.image_tokens:
            part["image_tokens"] = self.image_tokens
        return part


def _text(words: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": words}] if words else []


def _user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def _model(answer: str) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "text", "text": answer}]}


def scene(index: int, count: int | None = None) -> Scene:
    """Held-out picture number `index`; one, two and three shapes take turns."""
    rng = random.Random(_FIRST_SEED + index)
    width, height = SIZES[index % len(SIZES)]
    return make_scene(rng, width, height, index % 3 + 1 if count is None else count)


def clips() -> list[tuple[Path, int]]:
    """The committed clips and the index of each one's word."""
    labels = json.loads((FOLDER / "labels.json").read_text("utf-8"))
    return [(FOLDER / name, WORDS.index(entry["word"])) for name, entry in labels.items()]


def _sound(path: Path) -> dict[str, Any]:
    return {"type": "audio", "path": str(path)}


def picture_cases(image_tokens: int | None, pictures: int) -> Iterator[Case]:
    """Captions of every picture; questions on colour, count and shape; empty pictures."""
    make = _Maker(image_tokens)
    for i in range(pictures):
        shown, rng = scene(i), random.Random(i)
        parts = [make.image(shown), *_text(rng.choice(texts.CAPTION))]
        if rng.random() < 0.2:
            parts.reverse()
        yield Case(f"caption {len(shown.shapes)}", [_user(*parts)], texts.caption(shown))
        for task in ("colour", "count", "which")[i % 2 :: 2]:
            asked, question, answer = texts.about_picture(shown, rng, tuple(COLOURS), task)
            if asked == task:
                yield Case(task, [_user(make.image(shown), *_text(question))], answer)
    for i in range(pictures // 20):
        shown = scene(5000 + i, count=0)
        question = texts.CAPTION[i % len(texts.CAPTION)]
        yield Case("empty", [_user(make.image(shown), *_text(question))], texts.NO_SHAPES)


def clip_cases() -> Iterator[Case]:
    """Every clip, asked in one of the two ways."""
    for i, (path, label) in enumerate(clips()):
        word = WORDS[label].capitalize() + "."
        ways = ((texts.WRITE, word), (texts.HEAR, texts.heard(label)))
        questions, answer = ways[i % 2]
        yield Case("word", [_user(_sound(path), *_text(questions[i % len(questions)]))], answer)


def text_cases() -> Iterator[Case]:
    """The program's questions, unseen wordings of some, sums, foreign questions."""
    answers = {entry["topic"]: entry["answer"] for entry in texts.QUESTIONS}
    for entry in texts.QUESTIONS:
        for question in entry["ask"]:
            yield Case("program", [_user(*_text(question))], entry["answer"])
    for topic, question in PARAPHRASES.items():
        yield Case("paraphrase", [_user(*_text(question))], answers[topic])
    for a in range(10):
        for b in range(10):
            answer = f"{a} + {b} = {a + b}."
            yield Case("sum", [_user(*_text(f"What is {a} + {b}?"))], answer)
    for question in foreign.HELD_OUT:
        yield Case("unknown", [_user(*_text(question))], texts.UNKNOWN)


def chat_cases(image_tokens: int | None, chats: int) -> Iterator[Case]:
    """A picture and a clip in one turn, and in successive turns; a word question in between."""
    make, sounds = _Maker(image_tokens), clips()
    for i in range(chats):
        rng = random.Random(900 + i)
        shown, (path, label) = scene(2000 + i), rng.choice(sounds)
        both = [make.image(shown), _sound(path)]
        rng.shuffle(both)
        question = texts.BOTH[i % len(texts.BOTH)]
        yield Case("both", [_user(*both, *_text(question))], texts.both(shown, label))
        looked = [
            _user(make.image(shown), *_text("What is in this picture?")),
            _model(texts.caption(shown)),
        ]
        heard = [_user(_sound(path), *_text("What do you hear?")), _model(texts.heard(label))]
        entry = rng.choice(texts.QUESTIONS)
        asked = [_user(*_text(entry["ask"][0])), _model(entry["answer"])]
        order = [looked, heard] if i % 2 else [heard, looked]
        order.insert(rng.randrange(3), asked)
        turns = [message for pair in order for message in pair]
        yield Case("chat", turns[:-1], turns[-1]["content"][0]["text"])


def cases(
    image_tokens: int | None = None, pictures: int = PICTURES, chats: int = 60
) -> Iterator[Case]:
    """All held-out cases.

    Args:
        image_tokens: budget of every picture; None leaves it to the checkpoint.
        pictures: how many of the held-out pictures.
        chats: how many picture-and-clip conversations of each kind.
    """
    yield from picture_cases(image_tokens, pictures)
    yield from clip_cases()
    yield from text_cases()
    yield from chat_cases(image_tokens, chats)
