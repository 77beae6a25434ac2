"""Writes a trained network as a Hugging Face folder, named as the published ones are."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from . import speech, studio
from .architecture import CONFIG
from .stage_speech import Ears
from .tokens import IDS

TEMPLATE = Path(__file__).parents[2] / "gemma4_mlx" / "pocket" / "chat_template.jinja"
_TOKENIZER: dict[str, Any] = {
    "audio_token": "<|audio|>",
    "backend": "tokenizers",
    "boa_token": "<|audio>",
    "boi_token": "<|image>",
    "bos_token": "<bos>",
    "eoa_token": "<audio|>",
    "eoc_token": "<channel|>",
    "eoi_token": "<image|>",
    "eos_token": "<eos>",
    "eot_token": "<turn|>",
    "escape_token": '<|"|>',
    "etc_token": "<tool_call|>",
    "etd_token": "<tool|>",
    "etr_token": "<tool_response|>",
    "extra_special_tokens": ["<|video|>"],
    "image_token": "<|image|>",
    "mask_token": "<mask>",
    "model_max_length": 1000000000000000019884624838656,
    "pad_token": "<pad>",
    "padding_side": "left",
    "processor_class": "Gemma4Processor",
    "soc_token": "<|channel>",
    "sot_token": "<|turn>",
    "stc_token": "<|tool_call>",
    "std_token": "<|tool>",
    "str_token": "<|tool_response>",
    "think_token": "<|think|>",
    "tokenizer_class": "GemmaTokenizer",
    "unk_token": "<unk>",
}
_IMAGE: dict[str, Any] = {
    "do_convert_rgb": True,
    "do_normalize": False,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.0, 0.0, 0.0],
    "image_processor_type": "Gemma4ImageProcessor",
    "image_seq_length": 70,
    "image_std": [1.0, 1.0, 1.0],
    "max_soft_tokens": 70,
    "patch_size": 16,
    "pooling_kernel_size": 3,
    "resample": 3,
    "rescale_factor": 0.00392156862745098,
}
_VIDEO: dict[str, Any] = {
    **{k: v for k, v in _IMAGE.items() if k not in ("image_processor_type", "image_seq_length")},
    "do_normalize": True,
    "do_sample_frames": True,
    "num_frames": 32,
    "return_metadata": False,
    "video_processor_type": "Gemma4VideoProcessor",
}
_AUDIO: dict[str, Any] = {
    "dither": 0.0,
    "feature_extractor_type": "Gemma4AudioFeatureExtractor",
    "feature_size": 128,
    "fft_length": 512,
    "fft_overdrive": False,
    "frame_length": 320,
    "hop_length": 160,
    "input_scale_factor": 1.0,
    "max_frequency": 8000.0,
    "mel_floor": 0.001,
    "min_frequency": 0.0,
    "padding_side": "right",
    "padding_value": 0.0,
    "per_bin_mean": None,
    "per_bin_stddev": None,
    "preemphasis": 0.0,
    "preemphasis_htk_flavor": True,
    "return_attention_mask": True,
    "sampling_rate": 16000,
}
_PROCESSOR: dict[str, Any] = {
    "audio_ms_per_token": 40,
    "audio_seq_length": 750,
    "feature_extractor": _AUDIO,
    "image_processor": _IMAGE,
    "image_seq_length": 70,
    "processor_class": "Gemma4Processor",
    "video_processor": _VIDEO,
}
_GENERATION: dict[str, Any] = {
    "bos_token_id": 2,
    "do_sample": False,
    "eos_token_id": [1, IDS["<turn|>"], IDS["<|tool_response>"]],
    "pad_token_id": 0,
}


class _Reach:
    """Largest magnitudes that went into and came out of a clipped linear."""

    def __init__(self, module: torch.nn.Module):
        self.module, self.inward, self.outward = module, 0.0, 0.0
        self.hook = module.linear.register_forward_hook(self._look)

    def _look(self, _, inputs, output) -> None:
        self.inward = max(self.inward, float(inputs[0].abs().max()))
        self.outward = max(self.outward, float(output.abs().max()))

    def bound(self) -> None:
        """Set the bounds to one and a half times what was seen."""
        self.hook.remove()
        for side, reach in (("input", self.inward), ("output", self.outward)):
            getattr(self.module, f"{side}_max").fill_(1.5 * reach)
            getattr(self.module, f"{side}_min").fill_(-1.5 * reach)


@torch.no_grad()
def set_clip_bounds(model, clips: list[speech.Clip]) -> None:
    """Measure the towers on training pictures and clips; give every clipped linear its bounds."""
    reaches = [_Reach(m) for m in model.modules() if hasattr(m, "use_clipped_linears")]
    rng, ears = random.Random(11), Ears(clips, 11)
    for budget in (*[70] * 48, *[140] * 12, *[280] * 6):
        studio.look(model, [studio.shot(rng, budget)[1]])
    mels, masks, _ = ears.batch(96)
    studio.hear(model, mels, masks)
    for reach in reaches:
        reach.bound()


def _write(folder: Path, name: str, value: Any) -> None:
    (folder / name).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def export(model, tokenizer: Tokenizer, clips: list[speech.Clip], folder: Path) -> None:
    """Write the whole folder; the model card is written by hand."""
    folder.mkdir(parents=True, exist_ok=True)
    set_clip_bounds(model, clips)
    weights = {
        name: tensor.to(torch.bfloat16).contiguous()
        for name, tensor in model.state_dict().items()
        if not name.startswith("lm_head")
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer.save(str(folder / "tokenizer.json"))
    _write(folder, "config.json", CONFIG)
    _write(folder, "tokenizer_config.json", _TOKENIZER)
    _write(folder, "processor_config.json", _PROCESSOR)
    _write(folder, "generation_config.json", _GENERATION)
    if TEMPLATE.parent.resolve() != folder.resolve():
        shutil.copy(TEMPLATE, folder / TEMPLATE.name)
