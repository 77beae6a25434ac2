"""Which keys the composer tells of, by what is being done there; see `key_hints`."""

from __future__ import annotations

PROMPT = (
    ("prompt.send", "send"),
    ("prompt.newline", "line"),
    ("@", "file"),
    ("chat.record", "record"),
    ("/help", ""),
)
PROMPT_WITH_ROWS = (
    ("prompt.send", "send"),
    ("prompt.up", "attachments"),
    ("@", "file"),
    ("/help", ""),
)
ANSWERING = (("prompt.page_up prompt.page_down", "scroll"), ("chat.stop", "stop"))
IMAGE_ROW = (
    ("row.less row.more", "budget"),
    ("row.same", "all"),
    ("row.look", "look"),
    ("row.remove", ""),
    ("row.down", "back"),
)
CLIP_ROW = (("row.look", "play"), ("row.remove", "remove"), ("row.down", "back"))
VIDEO_ROW = (("row.look", "look"), ("row.remove", "remove"), ("row.down", "back"))
SUGGESTIONS = (
    ("suggestions.up suggestions.down", "choose"),
    ("suggestions.complete", "complete"),
    ("suggestions.take", "take"),
    ("suggestions.close", "close"),
)
RECORDER = (
    ("recorder.attach", "attach"),
    ("recorder.pause", "pause"),
    ("recorder.throw_away", "throw away"),
)

ROW = {"image": IMAGE_ROW, "audio": CLIP_ROW, "video": VIDEO_ROW}
WAITING = (("chat.stop", "cancels"),)
