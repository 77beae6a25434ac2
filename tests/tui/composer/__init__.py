"""Tests of the composer: every key of it, every way for a file to come in."""
