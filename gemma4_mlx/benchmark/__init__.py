"""How fast a model runs on this machine, and whether that was better before."""

from gemma4_mlx.benchmark.history import History, Slower, slower
from gemma4_mlx.benchmark.measuring import measure
from gemma4_mlx.benchmark.result import FIGURES, Figure, Result

__all__ = ["FIGURES", "Figure", "History", "Result", "Slower", "measure", "slower"]
