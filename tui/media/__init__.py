"""What the chat does with pictures and sound on this machine: show, play, record, fetch."""
