"""Tests of pictures, clips and prompts; goldens come from the reference (make_goldens.py)."""
