"""Text from outside, made safe to put on a terminal: as the whole program does it."""

from gemma4_mlx.printable import printable, printable_line

__all__ = ["printable", "printable_line"]
