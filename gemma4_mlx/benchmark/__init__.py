"""How fast a model runs on this machine, and whether that was better before."""

from gemma4_mlx.benchmark.history import ENOUGH_ROUNDS, History, Slower, can_tell, slower
from gemma4_mlx.benchmark.measuring import measure
from gemma4_mlx.benchmark.result import FIGURES, Figure, Result

__all__ = [
    "ENOUGH_ROUNDS",
    "FIGURES",
    "Figure",
    "History",
    "Result",
    "Slower",
    "can_tell",
    "measure",
    "slower",
]
