"""Tests of what the chat keeps."""
