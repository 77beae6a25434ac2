"""`python -m gemma4_mlx.cli`, where the script `gemma4` is not on the path."""

from gemma4_mlx.cli import main

main(prog_name="gemma4")
