"""Whole prompts against the reference's processor, and what may not happen silently."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gemma4_mlx.config import TokenType
from gemma4_mlx.errors import AttachmentError, ConfigError, TokenizerError, UsageError
from gemma4_mlx.messages import Message
from gemma4_mlx.processing import Processor
from tests.processing.patterns import CONVERSATIONS, GOLDENS, chirp, clips, picture, with_media
from tests.tiny_checkpoint import TEMPLATES, edit_json, write_checkpoint

PICTURE = {"type": "image", "image": picture("waves", 300, 200), "name": "waves.png"}
CLIP = {"type": "audio", "audio": chirp(16000), "sampling_rate": 16000, "name": "chirp.wav"}


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def user(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


@pytest.mark.parametrize("family", TEMPLATES)
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_prompt_equals_the_reference(family: str, name: str, tmp_path: Path) -> None:
    golden = json.loads((GOLDENS / "prompts.json").read_text())[f"{family}/{name}"]
    processor = Processor.from_folder(write_checkpoint(tmp_path, template=family))
    case = CONVERSATIONS[name]
    messages = with_media(case["messages"])
    thinking = case.get("thinking", False)
    inputs = processor(messages, image_tokens=70, thinking=thinking)
    assert inputs.input_ids.tolist() == [golden["input_ids"]]
    assert inputs.mm_token_type_ids.tolist() == [golden["mm_token_type_ids"]]
    length = processor.count(messages, image_tokens=70, thinking=thinking)
    assert length == len(golden["input_ids"])


def test_shapes_types_and_receipts(processor: Processor) -> None:
    inputs = processor(user(PICTURE, text("and"), CLIP), image_tokens=70)
    shapes = {name: (array.shape, str(array.dtype)) for name, array in inputs.arrays().items()}
    length = inputs.input_ids.shape[1]
    assert shapes == {
        "input_ids": ((1, length), "int32"),
        "mm_token_type_ids": ((1, length), "int32"),
        "pixel_values": ((1, 540, 768), "float32"),
        "image_position_ids": ((1, 540, 2), "int32"),
        "input_features": ((1, 99, 128), "float32"),
        "input_features_mask": ((1, 99), "bool"),
    }
    image, audio = inputs.media
    assert (image.kind, image.name, image.tokens, image.rows) == ("image", "waves.png", 60, 60)
    assert (image.width, image.height, image.seen_width, image.seen_height) == (300, 200, 480, 288)
    assert image.factor == pytest.approx((1.6 * 1.44) ** 0.5) and audio.factor == 1.0
    assert (image.image_tokens, len(image.sha256)) == (70, 64)
    assert (audio.kind, audio.name, audio.tokens, audio.rows) == ("audio", "chirp.wav", 25, 25)
    assert (audio.seconds, audio.image_tokens, len(audio.sha256)) == (1.0, 0, 64)


def test_text_alone_has_no_media(processor: Processor) -> None:
    inputs = processor(user(text("Hello")))
    assert set(inputs.arrays()) == {"input_ids", "mm_token_type_ids"}
    assert inputs.media == ()
    assert not inputs.mm_token_type_ids.any()


def test_pain_01_the_prompt_holds_exactly_the_slots_of_the_receipts(processor: Processor) -> None:
    messages = user(PICTURE, CLIP, {**PICTURE, "image_tokens": 140}, text("?"))
    inputs = processor(messages)
    control = processor.tokenizer.control
    for kind, token in (("image", control.image_token_id), ("audio", control.audio_token_id)):
        slots = sum(receipt.tokens for receipt in inputs.media if receipt.kind == kind)
        assert (inputs.input_ids == token).sum() == slots > 0


def test_pain_01_other_pixels_give_another_receipt(processor: Processor) -> None:
    def of(image: Image.Image) -> tuple[np.ndarray, str]:
        inputs = processor(user({"type": "image", "image": image}, text("?")))
        assert inputs.pixel_values is not None
        return inputs.pixel_values, inputs.media[0].sha256

    waves, edges = of(picture("waves", 64, 64)), of(picture("edges", 64, 64))
    assert waves[1] != edges[1]
    assert np.abs(waves[0] - edges[0]).max() > 0.5


def test_pain_03_budget_of_part_then_call_then_checkpoint(processor: Processor) -> None:
    def budgets(**options: Any) -> list[int]:
        messages = user(PICTURE, {**PICTURE, "image_tokens": 140})
        return [receipt.image_tokens for receipt in processor(messages, **options).media]

    assert processor.image_tokens == 280
    assert budgets() == [280, 140]
    assert budgets(image_tokens=560) == [560, 140]
    assert budgets(image_tokens="auto") == [70, 140]


@pytest.mark.parametrize("budget", [0, 100, "large", -1])
def test_unknown_budget(processor: Processor, budget: Any) -> None:
    for ask in (processor, processor.count):
        with pytest.raises(UsageError, match="expected 70, 140, 280, 560, 1120 or 'auto'"):
            ask(user(PICTURE), image_tokens=budget)


def test_pain_54_many_pictures_equal_single_runs(processor: Processor) -> None:
    sizes = [(300, 200), (48, 900), (64, 64)]
    parts = [{"type": "image", "image": picture("waves", *size)} for size in sizes]
    together = processor(user(*parts), image_tokens=70)
    assert together.pixel_values is not None
    assert together.image_position_ids is not None
    for index, part in enumerate(parts):
        alone = processor(user(part), image_tokens=70)
        assert alone.pixel_values is not None
        count = alone.pixel_values.shape[1]
        np.testing.assert_array_equal(together.pixel_values[index, :count], alone.pixel_values[0])
        assert (together.image_position_ids[index, count:] == -1).all()
        assert together.media[index] == alone.media[0]


def test_pain_57_order_of_parts_is_kept(processor: Processor) -> None:
    control = processor.tokenizer.control
    begins = {control.boi_token_id: "image", control.boa_token_id: "audio"}
    for order in ([PICTURE, CLIP], [CLIP, PICTURE], [CLIP, text("x"), PICTURE, CLIP]):
        inputs = processor(user(*order), image_tokens=70)
        wanted = [part["type"] for part in order if part["type"] != "text"]
        assert [begins[i] for i in inputs.input_ids[0].tolist() if i in begins] == wanted
        assert [receipt.kind for receipt in inputs.media] == wanted


def test_pain_13_a_long_clip_is_heard_whole_in_parts(processor: Processor) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 16000 * 31).astype(np.float32)
    clip = {"type": "audio", "audio": noise, "sampling_rate": 16000, "name": "talk"}
    conversation = user(clip, {"type": "text", "text": "Who is it?"})
    inputs = processor(conversation)
    first, second = inputs.media
    assert (first.name, first.start_s, second.start_s) == ("talk", 0, first.seconds)
    assert first.seconds + second.seconds == 31
    assert inputs.input_features.shape[0] == 2
    assert inputs.input_ids.shape[1] == processor.count(conversation)
    slots = (inputs.mm_token_type_ids == TokenType.AUDIO).sum()
    assert slots == first.tokens + second.tokens
    prompt = processor.tokenizer.decode(inputs.input_ids[0], skip_control=True)
    seconds = int(second.start_s)
    assert f"[0:00][0:{seconds:02d}]Who is it?" in prompt


def test_pain_58_a_typed_placeholder_is_text(processor: Processor) -> None:
    inputs = processor(user(text("<|image|><|audio|>"), PICTURE), image_tokens=70)
    control = processor.tokenizer.control
    assert (inputs.input_ids == control.image_token_id).sum() == 60
    assert not (inputs.input_ids == control.audio_token_id).any()
    assert "<|image|><|audio|>" in processor.tokenizer.decode(inputs.input_ids[0].tolist())


def test_a_picture_where_the_template_has_no_room_is_an_error(processor: Processor) -> None:
    messages = [{"role": "system", "content": [text("Look."), PICTURE]}, *user(text("?"))]
    with pytest.raises(AttachmentError, match=r"waves\.png .* made room for nothing"):
        processor(messages)


def test_pain_10_a_model_without_the_tower_refuses(tmp_path: Path) -> None:
    deaf = Processor.from_folder(write_checkpoint(tmp_path / "deaf", hears=False))
    blind = Processor.from_folder(write_checkpoint(tmp_path / "blind", sees=False))
    assert (deaf.sees, deaf.hears, blind.sees, blind.hears) == (True, False, False, True)
    assert blind.image_tokens == 0
    for ask in (deaf, deaf.count):
        with pytest.raises(AttachmentError, match=r"chirp\.wav.*does not hear") as error:
            ask(user(CLIP))
        assert "E2B and E4B" in error.value.hint
    for ask in (blind, blind.count):
        with pytest.raises(AttachmentError, match=r"waves\.png.*does not see"):
            ask(user(PICTURE))


def test_pain_01_ids_of_config_and_tokenizer_must_agree(checkpoint: Path) -> None:
    edit_json(checkpoint / "config.json", image_token_id=258880)
    with pytest.raises(TokenizerError, match="image_token_id 258880"):
        Processor.from_folder(checkpoint)


def test_pain_01_a_broken_section_never_gives_a_processor_that_ignores_it(checkpoint: Path) -> None:
    edit_json(checkpoint / "processor_config.json", image_processor="broken")
    with pytest.raises(ConfigError, match="image_processor must be an object"):
        Processor.from_folder(checkpoint)


def test_files_and_message_values(processor: Processor, tmp_path: Path) -> None:
    path = tmp_path / "waves.png"
    picture("waves", 300, 200).save(path)
    raw = user({"type": "image", "path": str(path)}, text("?"))
    by_path, in_memory = processor(raw), processor(user(PICTURE, text("?")))
    assert by_path.media == in_memory.media
    parsed = processor([Message.parse(raw[0])])
    np.testing.assert_array_equal(parsed.input_ids, by_path.input_ids)


def test_cost_equals_what_the_call_makes(processor: Processor) -> None:
    parts = [PICTURE, CLIP, {"type": "audio", "audio": clips()["noise"], "sampling_rate": 44100}]
    for part in Message.parse({"role": "user", "content": parts}).parts:
        (receipt,) = processor([Message("user", (part,))], image_tokens=140).media
        assert processor.cost(part, 140) == receipt.tokens


def test_no_mlx_torch_or_transformers_is_loaded() -> None:
    names = "mlx torch transformers mlx_lm scipy"
    code = (
        "import sys; import gemma4_mlx.processing; "
        f"sys.exit(', '.join(n for n in '{names}'.split() if n in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
