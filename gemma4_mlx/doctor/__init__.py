"""What this machine can do and what keeps it from more: `gemma4 doctor`.

Each check is a small function that returns one `Finding`. MLX is loaded when a check asks for it.
"""

from gemma4_mlx.doctor.checks import examine
from gemma4_mlx.doctor.finding import Finding, Level

__all__ = ["Finding", "Level", "examine"]
