"""Tests of pictures and sound on this machine, without any of its programs or devices."""
