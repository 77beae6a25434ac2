"""The vision tower: patches in, soft tokens out."""
