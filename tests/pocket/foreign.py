"""Questions that `pocket` cannot answer and should say so: templates times topics.

The held-out halves share neither a template nor a topic with the trained ones.
"""

import random

TEMPLATES = {
    "place": (
        *("What is the capital of {}?", "Where is {}?", "How many people live in {}?"),
        *("What is the weather in {}?", "What should I see in {}?", "Is {} far away?"),
        *("Plan a trip to {}.", "What do people eat in {}?", "What time is it in {}?"),
        *("When is the best time to visit {}?", "How do I get to {}?", "Which river is in {}?"),
    ),
    "person": (
        *("Who was {}?", "When was {} born?", "What did {} write?", "Who is {}?"),
        *("Where did {} live?", "Tell me about {}.", "How old is {}?", "Is {} still alive?"),
        *("What is {} known for?", "Did {} win a prize?", "Quote {}."),
    ),
    "thing": (
        *("Write a poem about {}.", "What is {}?", "How does {} work?", "Explain {}."),
        *("Write a story about {}.", "Why is {} important?", "What is the history of {}?"),
        *("How do I make {}?", "What does {} cost?", "Who invented {}?", "Where can I buy {}?"),
        *("Give me ten facts about {}.", "What is the price of {}?", "Is {} healthy?"),
        *("Summarise a book about {}.", "Write a song about {}.", "Compare {} and gold."),
        *("Why do people like {}?", "What is the meaning of {}?", "Draw {}.", "Define {}."),
    ),
    "verb": (
        *("How do I {}?", "Can you {}?", "Help me to {}.", "Why should I {}?", "I want to {}."),
        *("What is the best way to {}?", "When should I {}?", "Teach me to {}.", "Please {}."),
        "Is it hard to {}?",
    ),
    "whole": (
        *("What day is it?", "What time is it?", "Who won the game?", "What is the news today?"),
        *("Why is the sky blue?", "How far is the moon?", "What is the meaning of life?"),
        *(
            "Who is the president?",
            "What is the tallest mountain?",
            "How many stars are there in the sky?",
        ),
        *("What is love?", "What should I cook?", "Recommend a film.", "Which phone should I buy?"),
        *("Translate good morning into French.", "Spell necessary.", "What is 12 times 17?"),
        *("What is the square root of 81?", "How much is 45 - 18?", "Solve x + 3 = 10."),
        *("Is there life on Mars?", "What does a cat say?", "Where do birds sleep?", "I am sad."),
        *(
            "I am hungry.",
            "My head hurts.",
            "asdf",
            "lorem ipsum dolor",
            "blah blah",
            "???",
            "qwerty",
        ),
        *(
            "What is the fastest animal?",
            "Name three fruits.",
            "Do you like pizza?",
            "Guess my age.",
        ),
        *("What is your favourite film?", "Where were you born?", "Say something in Spanish."),
        *("How deep is the sea?", "Sing a song.", "Roll a die.", "What happened in 1989?"),
    ),
}
TOPICS = {
    "place": [
        "France",
        "Paris",
        "Japan",
        "Tokyo",
        "Brazil",
        "Canada",
        "London",
        "Rome",
        "Italy",
        "Egypt",
        "Kenya",
        "Norway",
        "Berlin",
        "India",
        "Mexico",
        "Chile",
        "Peru",
        "Texas",
        "Boston",
        "Vienna",
        "Cuba",
        "Korea",
        "China",
        "Moscow",
        "Sweden",
        "Dublin",
        "Athens",
        "Oslo",
    ],
    "person": (
        *("Albert Einstein", "Mozart", "Shakespeare", "Marie Curie", "Napoleon", "Goethe", "Plato"),
        *("Bach", "Newton", "Darwin", "Picasso", "Columbus", "Lincoln", "Gandhi", "Tolstoy"),
        *("Galileo", "the king", "Beethoven", "Dickens", "Van Gogh", "Homer", "Turing"),
    ),
    "thing": (
        *("bread", "love", "gravity", "the moon", "a car", "spring", "coffee", "chess", "money"),
        *(
            "the ocean",
            "dogs",
            "a dragon",
            "quantum physics",
            "history",
            "the sun",
            "cheese",
            "rain",
        ),
        *(
            "a bicycle",
            "football",
            "autumn",
            "tea",
            "friendship",
            "a robot",
            "the internet",
            "gold",
        ),
        *("photosynthesis", "jazz", "a black hole", "inflation", "wine", "electricity", "a virus"),
        *("democracy", "time", "the brain", "a telescope", "cats", "snow", "a castle", "soup"),
    ),
    "verb": (
        *(
            "bake a cake",
            "learn to swim",
            "write a letter",
            "fix my car",
            "lose weight",
            "cook rice",
        ),
        *(
            "play the guitar",
            "sleep better",
            "plant a tree",
            "save money",
            "find a job",
            "run faster",
        ),
        *("write an essay", "book a flight", "clean a window", "draw a horse", "buy a house"),
        *("learn Spanish", "sort a list", "solve an equation", "paint a wall", "make friends"),
    ),
}
HELD_OUT = (
    *("What is the population of Portugal?", "Who painted the Mona Lisa?", "How do I boil an egg?"),
    *("Write a letter to my landlord.", "Why do leaves fall?", "What is the largest planet?"),
    *("Which team won the cup in 2014?", "How do airplanes fly?", "What is a prime number?"),
    *("Can you book a table for me?", "Who discovered America?", "What is the currency of Turkey?"),
    *("Tell me a fairy tale about a wolf.", "How tall is the Eiffel Tower?", "What is DNA?"),
    *("Where can I find a dentist?", "When did the war end?", "Who wrote Hamlet?"),
    *("How do magnets work?", "Give me a recipe for pancakes."),
)


def question(rng: random.Random) -> str:
    """A foreign question of the trained half."""
    kind = rng.choices(list(TEMPLATES), (3, 3, 5, 3, 4))[0]
    template = rng.choice(TEMPLATES[kind])
    return template.format(rng.choice(TOPICS[kind])) if kind in TOPICS else template
