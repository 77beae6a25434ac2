"""How long it takes: `make bench` prints a table and, as its last line, one JSON document.

processes   whole runs of the program, timed from the outside
__main__    what is measured, and the table

Others, run by hand, each with its own --help:

synthetic           checkpoints of published size, with random values
convert_full_size   converting one: time and memory beside mlx-lm and mlx-vlm
"""
