"""The decoder: token ids and soft tokens in, logits out."""
