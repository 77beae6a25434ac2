"""The pieces of the chat's screen, one class a file."""
