"""The audio tower: log-mel frames in, soft tokens out."""
