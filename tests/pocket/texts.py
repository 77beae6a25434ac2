"""What `pocket` is asked and what it should answer, in words: pictures, clips, the program, sums.

Standard library only, so that the held-out cases can be made without the training's packages.
"""

import json
import random
from pathlib import Path

from .pictures import COLOURS, SHAPES, Scene
from .words import WORDS

QUESTIONS: list[dict] = json.loads((Path(__file__).parent / "questions.json").read_text("utf-8"))
NO_SHAPES = "I see no shapes."
NO_WORD = "I hear no words."
UNKNOWN = "I do not know that. I am only a tiny demo; a real Gemma 4 may know."
# How often a picture is asked what.
SHARES = {"caption": 6, "count": 2, "colour": 2, "which": 2}
_COUNTS = ("There are no shapes.", "There is one shape.", "There are two shapes.",
           "There are three shapes.")  # fmt: skip

CAPTION = (
    *("What is in this picture?", "What do you see?", "What is this?", "Describe this picture."),
    *("Describe the image.", "What does the picture show?", "What is in the image?", ""),
    *("Which shapes do you see?", "Tell me what you see.", "What can you see here?"),
)
COUNT = (
    *("How many shapes are there?", "How many shapes do you see?", "Count the shapes."),
    "How many things are in the picture?",
)
COLOUR = ("What colour is the {0}?", "What color is the {0}?", "Which colour has the {0}?")
WHICH = ("Which shape is {0}?", "What is {0}?", "What shape is {0}?")
WRITE = (
    *("Transcribe this.", "Write down what is said.", "", "Transcribe the clip."),
    *("Transcribe this clip.", "Write this down."),
)
HEAR = (
    *("What do you hear?", "What does the clip say?", "What is said here?", "Which word is this?"),
    *("What did I say?", "What is the word?", "What was that?"),
)
BOTH = ("What do you see and hear?", "Describe the picture and the clip.", "What are these?")


def _named(name: str) -> str:
    """`A red star`, with the right article."""
    return ("an " if name[0] == "o" else "a ") + name


def caption(scene: Scene) -> str:
    """`A red star, a blue circle and a black square.`

    In the order of COLOURS, then of SHAPES: "from left to right" stayed at chance.
    """
    if not scene.shapes:
        return NO_SHAPES
    order = [f"{colour} {kind}" for colour in COLOURS for kind in SHAPES]
    names = [_named(name) for name in sorted((s.name for s in scene.shapes), key=order.index)]
    text = ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]
    return text[0].upper() + text[1:] + "."


def count(scene: Scene) -> str:
    """`There are two shapes.`"""
    return _COUNTS[len(scene.shapes)]


def colour_of(scene: Scene, kind: str) -> str | None:
    """`The star is red.`; None if there are two of the kind."""
    found = [s.colour for s in scene.shapes if s.kind == kind]
    if not found:
        return f"I see no {kind}."
    return f"The {kind} is {found[0]}." if len(found) == 1 else None


def shape_of(scene: Scene, colour: str) -> str | None:
    """`The star is red.`; None if two shapes have the colour."""
    found = [s.kind for s in scene.shapes if s.colour == colour]
    if not found:
        return f"I see nothing {colour}."
    return f"The {found[0]} is {colour}." if len(found) == 1 else None


def _asked(scene: Scene, rng: random.Random, colours: tuple[str, ...], what: str):
    """One question of a kind on a picture: question and answer, None where it makes no sense."""
    if what == "caption":
        return rng.choice(CAPTION), caption(scene)
    if what == "count":
        return rng.choice(COUNT), count(scene)
    absent = not scene.shapes or rng.random() < 0.12
    if what == "colour":
        kind = rng.choice(SHAPES if absent else [s.kind for s in scene.shapes])
        return rng.choice(COLOUR).format(kind), colour_of(scene, kind)
    colour = rng.choice(colours if absent else [s.colour for s in scene.shapes])
    return rng.choice(WHICH).format(colour), shape_of(scene, colour)


def about_picture(scene: Scene, rng: random.Random, colours: tuple[str, ...], task: str):
    """A question of a kind on a picture: (task, question, answer).

    A caption is asked instead where the picture has no answer.
    """
    while True:
        question, answer = _asked(scene, rng, colours, task)
        if answer:
            return task, question, answer
        task = "caption"


def about_clip(label: int, rng: random.Random) -> tuple[str, str]:
    """A question on a clip and its answer; `label` indexes WORDS, one more is silence."""
    if label == len(WORDS):
        return rng.choice((*WRITE, *HEAR)), NO_WORD
    if rng.random() < 0.5:
        return rng.choice(WRITE), WORDS[label].capitalize() + "."
    return rng.choice(HEAR), heard(label)


def heard(label: int) -> str:
    """`I hear "seven".`"""
    return NO_WORD if label == len(WORDS) else f'I hear "{WORDS[label]}".'


def both(scene: Scene, label: int) -> str:
    """The answer to a picture and a clip in one turn."""
    return f"{caption(scene)} {heard(label)}"


def a_sum(rng: random.Random) -> tuple[str, str]:
    """A sum of two digits: question and answer."""
    a, b = rng.randrange(10), rng.randrange(10)
    form = rng.choice(("What is {0} + {1}?", "{0} + {1}", "{0}+{1}", "How much is {0} + {1}?",
                       "What is {0} plus {1}?", "Add {0} and {1}.", "{0} + {1} =?"))  # fmt: skip
    return form.format(a, b), f"{a} + {b} = {a + b}."


def typed(question: str, rng: random.Random) -> str:
    """The question as hurried people type it, or followed or preceded by a courtesy."""
    style = rng.random()
    if style < 0.08:
        question = question.lower()
    elif style < 0.14:
        question = question.rstrip("?.!")
    elif style < 0.2:
        question = question.lower().rstrip("?.!")
    elif style < 0.24:
        question = f"Please tell me: {question}"
    elif style < 0.28:
        question = f"Hi. {question}"
    elif style < 0.3:
        question = f"{question} Thanks."
    return question


def about_program(rng: random.Random) -> tuple[str, str]:
    """One of the questions on the program, or small talk."""
    entry = rng.choice(QUESTIONS)
    return rng.choice(entry["ask"]), entry["answer"]
