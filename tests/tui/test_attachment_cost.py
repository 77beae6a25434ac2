"""The cost that a row shows is the one that the engine's receipt shows: no guess, no rounding."""

from __future__ import annotations

import os

import pytest
from PIL import Image

from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.messages import IMAGE_TOKEN_BUDGETS
from gemma4_mlx.processing import Processor
from tests.processing.video_files import write_video
from tests.tiny_checkpoint import write_checkpoint
from tests.tui.driver import clip, picture
from tests.tui.page import page
from tui.attachments import attachment
from tui.attachments.attachment import Attachment
from tui.chat.conversation import Draft

BUDGETS = (*IMAGE_TOKEN_BUDGETS, "auto")
SIZES = [(1, 1), (16, 16), (64, 64), (47, 49), (640, 480), (480, 640), (393, 852), (960, 540)]
SIZES += [(827, 1169), (3000, 100), (100, 3000), (1008, 756), (7, 900)]


@pytest.fixture(scope="module")
def processor(tmp_path_factory):
    return Processor.from_folder(write_checkpoint(tmp_path_factory.mktemp("small")))


@pytest.fixture(scope="module")
def deaf(tmp_path_factory):
    return Processor.from_folder(write_checkpoint(tmp_path_factory.mktemp("deaf"), hears=False))


def receipts(processor: Processor, *attachments: Attachment) -> list:
    """What the engine would tell of a draft with these."""
    return list(processor([Draft("What is it?", attachments).message()]).media)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_cost_of_a_picture_is_that_of_its_receipt_at_every_budget(tmp_path, processor, size):
    read = Attachment("image", picture(tmp_path, size=size)).read()
    attachments = [read.with_budget(budget) for budget in BUDGETS]
    for shown, paid in zip(attachments, receipts(processor, *attachments), strict=True):
        assert shown.is_meant_by(paid)
        assert shown.tokens() == paid.tokens == paid.rows
        assert shown.seen() == f"sees {paid.seen_width}×{paid.seen_height}"


def test_a_photo_that_lies_on_its_side_costs_what_it_costs_upright(tmp_path, processor):
    path = tmp_path / "phone.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (400, 300)).save(path, exif=exif)
    shown = Attachment("image", path, 70).read()
    assert (shown.width, shown.height) == (300, 400)
    assert shown.tokens() == receipts(processor, shown)[0].tokens


@pytest.mark.parametrize("seconds", [0.02, 0.1, 7.03, 30.0, 30.01, 65.0])
def test_the_cost_of_a_clip_is_the_sum_of_its_receipts(tmp_path, processor, seconds):
    shown = Attachment("audio", clip(tmp_path, seconds=seconds)).read()
    paid = receipts(processor, shown)
    assert len(paid) == shown.parts
    assert all(map(shown.is_meant_by, paid))
    assert shown.tokens() == sum(each.tokens for each in paid)


@pytest.mark.parametrize(("count", "sound_s"), [(3, 0.0), (40, 1.0), (5, 31.0)])
def test_the_cost_of_a_video_is_that_of_its_frames_and_its_sound(
    tmp_path, processor, deaf, count, sound_s
):
    path = write_video(tmp_path / "film.mp4", count, 4, sound_s=sound_s)
    heard = Attachment.of(path).read()
    for shown, model in ((heard, processor), (heard.with_hearing(False), deaf)):
        paid = receipts(model, shown)
        assert len(paid) == shown.parts
        assert all(map(shown.is_meant_by, paid))
        assert shown.tokens() == sum(each.tokens for each in paid)
    assert heard.seen().endswith(f", {min(count, 32)} frames")


# --- Advice ---


@pytest.mark.parametrize(
    ("size", "budget", "advice"),
    [
        ((64, 64), 280, "enlarged; 70 would do"),
        ((64, 64), 70, ""),
        ((64, 64), "auto", ""),
        ((640, 480), 280, ""),
        ((640, 480), 1120, "enlarged; 280 would do"),
        ((2016, 1512), 70, ""),
        ((2016, 1512), 1120, ""),
    ],
)
def test_a_smaller_budget_is_named_where_it_would_do_as_well(tmp_path, size, budget, advice):
    held = Attachment("image", picture(tmp_path, size=size), budget).read().check()
    assert held.advice() == advice
    if advice:
        enough = held.with_budget(int(advice.split()[1]))
        seen = tuple(map(int, enough.seen().removeprefix("sees ").split("×")))
        assert seen[0] >= size[0] and seen[1] >= size[1]


@pytest.mark.parametrize(
    ("budget", "advice"), [(70, "560"), (280, "560"), (560, ""), (1120, ""), ("auto", "")]
)
def test_where_small_text_would_be_lost_the_budget_that_keeps_it_is_named(tmp_path, budget, advice):
    page().save(tmp_path / "page.png")
    held = Attachment("image", tmp_path / "page.png", budget).read().check()
    assert held.advice() == (f"small text? try {advice}" if advice else "")


# --- Files that are not opened ---


def test_huge_files_are_told_and_not_opened(tmp_path, monkeypatch):
    monkeypatch.setitem(attachment.LARGEST_BYTES, "image", 100)
    with pytest.raises(AttachmentError, match=r"shapes.png has .* at most 100 bytes are opened"):
        Attachment.of(picture(tmp_path)).read()


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(AttachmentError, match="is not a file that can be read"):
        Attachment.of(tmp_path / "pipe.png").read()


def test_names_and_errors_are_fit_for_the_screen(tmp_path):
    held = Attachment.of(tmp_path / "a\x1b]0;x\x07\nb.png")
    assert held.name == "a␛]0;x␇ b.png"
    with pytest.raises(AttachmentError) as error:
        held.read()
    assert error.value.message.isprintable()
