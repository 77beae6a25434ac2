"""Videos against the reference's processor, and what goes to the model with them."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

from gemma4_mlx.chat_template import time_stamp
from gemma4_mlx.config import TokenType
from gemma4_mlx.errors import AttachmentError, ConfigError, MessageError
from gemma4_mlx.messages import VideoPart, parse_messages
from gemma4_mlx.processing import Processor, video_cost
from gemma4_mlx.processing.settings import VideoSettings
from gemma4_mlx.processing.video import frame_times, prepare_video, sample_frames, stack_videos
from gemma4_mlx.processing.video_file import VideoHeader
from tests.processing.patterns import FRAME_CASES, GOLDENS, crop_rows, frames
from tests.processing.video_files import write_video
from tests.tiny_checkpoint import edit_json, write_checkpoint

VIDEO = {"type": "video", "video": frames("waves", 3, 300, 200), "frame_rate": 0.5, "name": "wave"}
QUESTION = {"type": "text", "text": "What is it?"}


def user(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


@pytest.fixture(scope="module")
def deaf(tmp_path_factory: pytest.TempPathFactory) -> Processor:
    return Processor.from_folder(write_checkpoint(tmp_path_factory.mktemp("deaf"), hears=False))


@pytest.fixture
def film(tmp_path):
    """Four frames with a second of sound."""
    return write_video(tmp_path / "film.mp4", 4, 4, sound_s=1.0)


@pytest.mark.parametrize("row", json.loads((GOLDENS / "video_frames.json").read_text()))
def test_pain_60_frames_and_time_stamps_are_those_of_the_reference(row) -> None:
    total, rate, indices, text = row
    assert sample_frames(total, 32) == indices
    times = frame_times(VideoHeader(total, rate, 64, 64), VideoSettings())
    stamps = re.findall(r"(\S+) <\|image>", text)
    assert [time_stamp(time) for time in times] == stamps


@pytest.mark.parametrize("total", [1, 2, 31, 32])
def test_a_short_video_gives_all_its_frames(total) -> None:
    assert sample_frames(total, 32) == list(range(total))


@pytest.mark.parametrize("case", FRAME_CASES, ids=str)
def test_patches_are_those_of_the_reference(case) -> None:
    kind, width, height = case
    golden = np.load(GOLDENS / "video_patches.npz")
    name = f"{kind}_{width}x{height}"
    settings = VideoSettings()
    video = prepare_video(VideoPart(frames(kind, 3, width, height), 1.0), settings)
    pixels, positions = stack_videos([video], settings)
    np.testing.assert_array_equal(positions[-1], golden[f"{name}/positions"])
    levels = np.rint(pixels[-1][crop_rows(len(pixels[-1]))] * 255)
    # Its bicubic filter rounds otherwise than Pillow's; see `image`.
    assert np.abs(levels - golden[name]).max() <= 2
    assert video.cost.tokens == 3 * len(positions[-1]) / 9


def test_pain_60_three_frames_stand_in_the_prompt_with_their_times(processor: Processor) -> None:
    inputs = processor(user(VIDEO, QUESTION))
    control = processor.tokenizer.control
    ids = inputs.input_ids[0].tolist()
    begins = [at for at, token in enumerate(ids) if token == control.boi_token_id]
    assert len(begins) == 3
    for begin in begins:
        assert ids[begin + 1 : begin + 61] == [control.video_token_id] * 60
        assert ids[begin + 61] == control.eoi_token_id
    assert (inputs.mm_token_type_ids == TokenType.VIDEO).sum() == 180
    words = processor.tokenizer.decode(ids)
    assert "user\n00:00  00:02  00:04 What is it?" in words


def test_the_receipt_says_what_was_seen(processor: Processor) -> None:
    inputs = processor(user(VIDEO, QUESTION))
    [receipt] = inputs.media
    assert (receipt.kind, receipt.name, receipt.left_out) == ("video", "wave", "")
    assert (receipt.tokens, receipt.rows, receipt.frames, receipt.seconds) == (180, 180, 3, 6.0)
    assert (receipt.width, receipt.height, receipt.image_tokens) == (300, 200, 70)
    assert (receipt.seen_width, receipt.seen_height) == (480, 288)
    assert inputs.pixel_values_videos.shape == (3, 540, 768)
    assert inputs.video_position_ids.shape == (3, 540, 2)
    assert (inputs.pixel_values, inputs.input_features) == (None, None)


def test_the_sound_follows_its_video(processor: Processor, film) -> None:
    conversation = user({"type": "video", "path": str(film)}, QUESTION)
    inputs = processor(conversation)
    video, sound = inputs.media
    assert (video.kind, video.frames, video.seconds) == ("video", 4, 1.0)
    assert (sound.kind, sound.name, sound.tokens, sound.seconds) == ("audio", "film.mp4", 25, 1.0)
    kinds = inputs.mm_token_type_ids[0]
    assert (
        np.flatnonzero(kinds == TokenType.AUDIO)[0] > np.flatnonzero(kinds == TokenType.VIDEO)[-1]
    )
    assert inputs.input_ids.shape[1] == processor.count(conversation)


def test_sound_of_more_than_30_s_is_heard_in_parts(processor: Processor, tmp_path) -> None:
    path = write_video(tmp_path / "long.mp4", 4, 1, sound_s=31.0)
    video, *sound = processor(user({"type": "video", "path": str(path)})).media
    assert (video.kind, len(sound)) == ("video", 2)
    assert sum(part.seconds for part in sound) == pytest.approx(31.0, abs=0.05)
    assert sound[1].start_s == sound[0].seconds


def test_pain_10_a_model_without_ears_tells_what_it_leaves_out(deaf: Processor, film) -> None:
    [receipt] = deaf(user({"type": "video", "path": str(film)})).media
    assert (receipt.kind, receipt.left_out) == ("video", "sound")
    [receipt] = deaf(user({"type": "video", "path": str(film), "sound": False})).media
    assert receipt.left_out == ""


def test_whoever_wants_no_sound_gets_none(processor: Processor, film) -> None:
    [receipt] = processor(user({"type": "video", "path": str(film), "sound": False})).media
    assert (receipt.kind, receipt.left_out) == ("video", "")


def test_pain_10_a_model_without_eyes_refuses(tmp_path) -> None:
    blind = Processor.from_folder(write_checkpoint(tmp_path, sees=False))
    for ask in (blind, blind.count):
        with pytest.raises(AttachmentError, match="wave: this model does not see"):
            ask(user(VIDEO))


def test_one_other_pixel_is_another_video(processor: Processor) -> None:
    other = VIDEO["video"].copy()
    other[2, 100, 100] ^= 128
    digests = [
        processor(user({**VIDEO, "video": pixels})).media[0].sha256
        for pixels in (VIDEO["video"], VIDEO["video"].copy(), other)
    ]
    assert digests[0] == digests[1] != digests[2]


def test_videos_of_other_sizes_are_padded(processor: Processor) -> None:
    small = {**VIDEO, "video": frames("edges", 2, 600, 10)}
    inputs = processor(user(VIDEO, small))
    assert inputs.pixel_values_videos.shape == (5, 576, 768)
    positions = inputs.video_position_ids
    rows = [receipt.rows // receipt.frames for receipt in inputs.media]
    assert [int((frame >= 0).all(axis=-1).sum()) for frame in positions[[0, 4]]] == [
        9 * n for n in rows
    ]
    assert inputs.input_ids.shape[1] == processor.count(user(VIDEO, small))


def test_pain_58_a_typed_placeholder_stays_text_beside_a_video(processor: Processor) -> None:
    text = {"type": "text", "text": "<|video|> 00:00 <|image>"}
    inputs = processor(user(text, VIDEO))
    assert (inputs.mm_token_type_ids == TokenType.VIDEO).sum() == 180
    assert "<|video|> 00:00 <|image>" in processor.tokenizer.decode(inputs.input_ids[0])


def test_a_video_where_the_template_has_no_room_is_an_error(processor: Processor) -> None:
    messages = [{"role": "system", "content": [QUESTION, VIDEO]}, *user(QUESTION)]
    with pytest.raises(AttachmentError, match=r"attached: wave \(video\); .* room for nothing"):
        processor(messages)


def test_cost_is_what_the_call_makes(processor: Processor, film) -> None:
    parts = parse_messages(user(VIDEO, {"type": "video", "path": str(film)}))[0].parts
    receipts = [one for one in processor(user(*parts)).media if one.kind == "video"]
    assert [processor.cost(part) for part in parts] == [one.tokens for one in receipts]
    costs = [video_cost(part) for part in parts]
    assert [cost.has_sound for cost in costs] == [False, True]
    assert costs[0].seconds / costs[0].frames == 2.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frame_rate": None}, "need 'frame_rate' in Hz"),
        ({"frame_rate": 0}, "need 'frame_rate' in Hz"),
        ({"frame_rate": float("nan")}, "need 'frame_rate' in Hz"),
        ({"sound": "no"}, "'sound' must be true or false"),
        ({"image_tokens": 70}, "unknown fields: image_tokens"),
        ({"path": "a.mp4"}, "exactly one of video, path, url"),
    ],
)
def test_a_part_that_makes_no_sense_is_refused(change, message) -> None:
    with pytest.raises(MessageError, match=message):
        parse_messages(user({**VIDEO, **change}))


@pytest.mark.parametrize("shape", [(3, 20, 20), (0, 20, 20, 3), (3, 20, 20, 4), (3, 3, 20, 20)])
def test_arrays_that_are_no_frames_are_refused(processor: Processor, shape) -> None:
    with pytest.raises(AttachmentError, match=r"expected uint8 \[frames, rows, columns, 3\]"):
        processor(user({**VIDEO, "video": np.zeros(shape, np.uint8)}))


def test_the_section_of_the_checkpoint_decides(checkpoint) -> None:
    config = json.loads((checkpoint / "processor_config.json").read_text())
    section = {**config["video_processor"], "num_frames": 2, "max_soft_tokens": 140}
    edit_json(checkpoint / "processor_config.json", video_processor=section)
    [receipt] = Processor.from_folder(checkpoint)(user(VIDEO)).media
    assert (receipt.frames, receipt.image_tokens) == (2, 140)
    edit_json(checkpoint / "processor_config.json", video_processor={**section, "fps": 1})
    with pytest.raises(ConfigError, match=r"video_processor\.fps is 1"):
        Processor.from_folder(checkpoint)


def test_without_the_section_the_published_values_count(checkpoint) -> None:
    edit_json(checkpoint / "processor_config.json", video_processor=None)
    assert Processor.from_folder(checkpoint).videos == VideoSettings()
