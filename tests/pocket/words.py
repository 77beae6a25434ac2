"""The spoken words that `pocket` knows."""

WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("yes", "no", "hello", "goodbye", "stop", "start", "left", "right", "up", "down"),
    *("music", "water", "house", "computer"),
)
