"""A conversation as the chat knows it: plain values, no screen."""
