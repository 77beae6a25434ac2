"""The commands that the chat brings along."""
