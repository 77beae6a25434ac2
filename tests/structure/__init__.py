"""The rules of the house that a program can check: CONTRIBUTING.md says them in words."""
