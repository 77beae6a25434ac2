"""Tests of chats as files."""
