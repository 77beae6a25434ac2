"""Hugging Face checkpoints made small: bf16 weights in, 4-bit MLX weights out.

Empty in this version. What comes: recipes (which weights take how many bits), the conversion
tensor by tensor in bounded memory, and a quality report beside the result.
"""
