"""Text as the terminal may show it, and Markdown in pieces."""
