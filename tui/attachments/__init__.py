"""Pictures, clips and videos on their way into a question."""
