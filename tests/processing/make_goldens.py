"""Write the goldens of this folder from the reference; tests never import this file.

Run from the repository's root, in an environment with transformers 5.23, torch 2.13 (CPU),
torchvision 0.28, tokenizers, Pillow and soundfile of the lock file::

    PYTHONPATH=. python -m tests.processing.make_goldens

`--tokenizer` first learns tests/data/tokenizer.json anew; all ids change then.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)
from transformers import AutoTokenizer
from transformers.models.gemma4.feature_extraction_gemma4 import Gemma4AudioFeatureExtractor
from transformers.models.gemma4.image_processing_pil_gemma4 import (
    Gemma4ImageProcessorPil,
    get_aspect_ratio_preserving_size,
)
from transformers.models.gemma4.processing_gemma4 import Gemma4Processor
from transformers.models.gemma4.video_processing_gemma4 import Gemma4VideoProcessor
from transformers.video_utils import VideoMetadata

from gemma4_mlx.tokenizer import PUBLISHED_NAMES
from tests.processing.patterns import (
    BUDGETS,
    CONVERSATIONS,
    FRAME_CASES,
    GOLDENS,
    LENGTHS,
    PIXEL_CASES,
    RATE,
    SIZES,
    VIDEO_RATES,
    clips,
    crop_rows,
    frames,
    picture,
    with_media,
)
from tests.tiny_checkpoint import DATA, TEMPLATES, write_checkpoint

PROMPT_BUDGET = 70

_LESSONS = """user model system thought hello there how are you? \n\n What is this picture? It is a
dog. The quick brown fox jumps over the lazy dog. <b>bold</b> a < b | c > d [1, 2] turn turns
image audio channel tool call response  two  spaces\n - a list\n - of things\n\n\tindented"""


def main() -> None:
    GOLDENS.mkdir(exist_ok=True)
    if "--tokenizer" in sys.argv:
        learn_tokenizer().save(str(DATA / "tokenizer.json"))
    write_json("image_sizes.json", image_sizes())
    write_json("audio_tokens.json", audio_tokens())
    write_json("prompts.json", prompts())
    np.savez_compressed(GOLDENS / "log_mel.npz", **log_mel())
    digests, patches = image_patches()
    write_json("image_digests.json", digests)
    np.savez_compressed(GOLDENS / "image_patches.npz", **patches)
    write_json("video_frames.json", video_frames())
    np.savez_compressed(GOLDENS / "video_patches.npz", **video_patches())


def image_sizes() -> list[list[int]]:
    """Rows of width, height, budget, seen width, seen height."""
    rows = []
    for width, height in SIZES:
        for budget in BUDGETS:
            seen = get_aspect_ratio_preserving_size(height, width, 16, budget * 9, 3)
            rows.append([width, height, budget, seen[1], seen[0]])
    return rows


def image_patches() -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Per case: SHA-256 of values and positions, and some patches as levels of 255.

    `/torchvision` holds the same patches as the reference's other variant resizes them: it
    calls `interpolate` on bytes, as below.
    """
    digests, patches = {}, {}
    for kind, width, height, budget in PIXEL_CASES:
        name = f"{kind}_{width}x{height}_{budget}"
        image = picture(kind, width, height)
        output = Gemma4ImageProcessorPil()(image, max_soft_tokens=budget, return_tensors="np")
        count = int(output["num_soft_tokens_per_image"][0]) * 9
        values = output["pixel_values"][0][:count]
        positions = output["image_position_ids"][0][:count]
        digests[name] = hashlib.sha256(
            values.astype("<f4").tobytes() + positions.astype("<i4").tobytes()
        ).hexdigest()
        rows = crop_rows(count)
        patches[name] = np.rint(values[rows] * 255).astype(np.uint8)
        columns, lines = positions.max(axis=0) + 1
        patches[f"{name}/torchvision"] = torch_patches(image, lines * 16, columns * 16)[rows]
    return digests, patches


def torch_patches(image: Any, height: int, width: int) -> np.ndarray:
    pixels = torch.from_numpy(np.asarray(image).transpose(2, 0, 1)[None].copy())
    size = (int(height), int(width))
    if pixels.shape[-2:] != size:
        pixels = torch.nn.functional.interpolate(pixels, size=size, mode="bicubic", antialias=True)
    grid = pixels[0].numpy().reshape(3, height // 16, 16, width // 16, 16)
    return grid.transpose(1, 3, 2, 4, 0).reshape(-1, 768)


def video_frames() -> list[list[Any]]:
    """Rows of frames, rate, indices of those that are seen, and the prompt's text for them."""
    rows = []
    for total, rate in VIDEO_RATES:
        metadata = VideoMetadata(total, rate)
        indices = Gemma4VideoProcessor().sample_frames(metadata, num_frames=32)
        metadata.frames_indices = indices
        inputs = {"num_soft_tokens_per_video": [1], "video_metadata": [metadata]}
        text = reference_processor("small").replace_video_token(inputs, 0)
        rows.append([total, rate, indices.tolist(), text])
    return rows


def video_patches() -> dict[str, np.ndarray]:
    """Per case: some patches of the last of 3 frames as levels of 255, and all positions."""
    arrays = {}
    for kind, width, height in FRAME_CASES:
        video = torch.from_numpy(frames(kind, 3, width, height).transpose(0, 3, 1, 2).copy())
        output = Gemma4VideoProcessor()(video, do_sample_frames=False, return_tensors="np")
        positions = output["video_position_ids"][-1]
        real = (positions >= 0).all(axis=-1)
        name = f"{kind}_{width}x{height}"
        values = output["pixel_values_videos"][-1][real]
        arrays[name] = np.rint(values[crop_rows(len(values))] * 255).astype(np.uint8)
        arrays[f"{name}/positions"] = positions[real].astype(np.int16)
    return arrays


def log_mel() -> dict[str, np.ndarray]:
    """Every fifth frame of each clip, and its mask."""
    extractor, arrays = Gemma4AudioFeatureExtractor(), {}
    for name, samples in clips().items():
        output = extractor([samples], return_tensors="np")
        arrays[name] = output["input_features"][0][::5]
        arrays[f"{name}/mask"] = output["input_features_mask"][0]
    return arrays


def audio_tokens() -> list[list[int]]:
    """Rows of samples, frames, real frames, soft tokens."""
    extractor, rows = Gemma4AudioFeatureExtractor(), []
    for length in LENGTHS:
        mask = extractor([np.zeros(length, np.float32)], return_tensors="np")["input_features_mask"]
        text = reference_processor("small").replace_audio_token({"input_features_mask": mask}, 0)
        rows.append([length, mask.shape[1], int(mask.sum()), text.count("<|audio|>")])
    return rows


def prompts() -> dict[str, Any]:
    """Ids and token types of each conversation under both templates."""
    golden: dict[str, Any] = {}
    for family in TEMPLATES:
        processor = reference_processor(family)
        for name, case in CONVERSATIONS.items():
            messages = with_media(case["messages"])
            output = processor.apply_chat_template(
                [without_rate(message) for message in messages],
                tokenize=True,
                return_dict=True,
                add_generation_prompt=True,
                enable_thinking=case.get("thinking", False),
                processor_kwargs={
                    "images_kwargs": {"max_soft_tokens": PROMPT_BUDGET},
                    "audio_kwargs": {"sampling_rate": RATE},
                    "videos_kwargs": video_options(messages),
                },
            )
            golden[f"{family}/{name}"] = {
                "input_ids": np.asarray(output["input_ids"])[0].tolist(),
                "mm_token_type_ids": np.asarray(output["mm_token_type_ids"])[0].tolist(),
            }
    return golden


def videos_in(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    contents = (message["content"] for message in messages)
    parts = (part for content in contents if isinstance(content, list) for part in content)
    return [part for part in parts if part["type"] == "video"]


def without_rate(message: dict[str, Any]) -> dict[str, Any]:
    if isinstance(message["content"], str):
        return message
    content = [
        {key: part[key] for key in part if key != "frame_rate"} for part in message["content"]
    ]
    return {**message, "content": content}


def video_options(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The reference wants no more frames than there are."""
    videos = videos_in(messages)
    if not videos:
        return {}
    counts = [len(video["video"]) for video in videos]
    rates = [video["frame_rate"] for video in videos]
    metadata = [VideoMetadata(count, rate) for count, rate in zip(counts, rates, strict=True)]
    return {"video_metadata": metadata, "num_frames": min(32, *counts, 32)}


def reference_processor(family: str) -> Gemma4Processor:
    # The class check wants another image processor than the exact one.
    Gemma4Processor.check_argument_for_proper_class = lambda *_: None
    with tempfile.TemporaryDirectory() as folder:
        path = write_checkpoint(Path(folder), template=family)
        tokenizer = AutoTokenizer.from_pretrained(path)
        template = (path / "chat_template.jinja").read_text()
    images, audio = Gemma4ImageProcessorPil(), Gemma4AudioFeatureExtractor()
    videos = Gemma4VideoProcessor()
    return Gemma4Processor(audio, images, tokenizer, videos, chat_template=template)


def learn_tokenizer() -> Tokenizer:
    """A BPE with byte fallback, whose merges reach across spaces and line breaks."""
    learner = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    learner.normalizer = normalizers.Replace(" ", "\u2581")
    controls = ["[multimodal]", "<mask>", *reversed(PUBLISHED_NAMES.values())]
    byte_tokens = [f"<0x{value:02X}>" for value in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=[*controls, *byte_tokens], show_progress=False
    )
    learner.train_from_iterator([f"user\n{_LESSONS}", f"model\n{_LESSONS}"] * 3, trainer)
    tokenizer = Tokenizer(learner.model)
    tokenizer.normalizer = learner.normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.add_special_tokens([AddedToken(name, normalized=False) for name in controls])
    return tokenizer


def write_json(name: str, value: Any) -> None:
    text = json.dumps(value, separators=(",", ":")).replace("],[", "],\n[")
    (GOLDENS / name).write_text(text + "\n")


if __name__ == "__main__":
    main()
