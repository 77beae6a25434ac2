"""Our model against the reference, stage by stage, on tiny random checkpoints."""
