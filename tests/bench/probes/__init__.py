"""One program a file, measured from the inside; each prints one line of JSON with the same keys."""
