"""Where the chat keeps things on this disk: see `gemma4_mlx.folders`."""

from gemma4_mlx.folders import HOME_VARIABLE, config_folder, data_folder, state_folder

__all__ = ["HOME_VARIABLE", "config_folder", "data_folder", "state_folder"]
