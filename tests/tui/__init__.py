"""The chat, played by Textual's pilot on a `FakeEngine`: no model, no clock."""
