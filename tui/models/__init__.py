"""Models to choose from, and their downloads."""
