"""A conversation that is read once: what a turn has in common with the last is not read again.

A prompt is compared with what the caches hold, position by position (`prompt_key.py`), and only
what follows the common beginning is run. Caches of full layers are simply cut there; windows that
have wrapped go back to snapshots (`trunk.py`). What the towers made of a picture or clip is kept
as well (`encoder_cache.py`), and all of it but that can go to disk (`session_file.py`).
"""

from gemma4_mlx.session.session import AnswerOptions, Session

__all__ = ["AnswerOptions", "Session"]
