"""The `pocket` network: E2B's architecture at 3.8 million parameters, and how it starts.

Reference: transformers, models/gemma4/modeling_gemma4.py. `CONFIG` is written in the dialect of
the published checkpoints. The default initialisation (std 0.02) is far too small at width 128, so
`initialise` sets every tensor itself.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import Gemma4Config, Gemma4ForConditionalGeneration
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .tokens import IDS, VOCABULARY

HIDDEN = 128
_ROPE = {
    "full_attention": {
        "partial_rotary_factor": 0.25,
        "rope_theta": 1000000.0,
        "rope_type": "proportional",
    },
    "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"},
}
_TEXT: dict[str, Any] = {
    "attention_bias": False,
    "attention_dropout": 0.0,
    "attention_k_eq_v": False,
    "bos_token_id": 2,
    "dtype": "bfloat16",
    "enable_moe_block": False,
    "eos_token_id": 1,
    "final_logit_softcapping": 30.0,
    "global_head_dim": 64,
    "head_dim": 32,
    "hidden_activation": "gelu_pytorch_tanh",
    "hidden_size": HIDDEN,
    "hidden_size_per_layer_input": 32,
    "initializer_range": 0.02,
    "intermediate_size": 256,
    # A full layer in every second place: the window of 128 is shorter than a picture of 140 or
    # 280 tokens, and only full layers see all of it.
    "layer_types": ["sliding_attention", "full_attention"] * 4,
    "max_position_embeddings": 131072,
    "model_type": "gemma4_text",
    "num_attention_heads": 4,
    "num_experts": None,
    "num_global_key_value_heads": None,
    "num_hidden_layers": 8,
    "num_key_value_heads": 1,
    "num_kv_shared_layers": 4,
    "pad_token_id": 0,
    "rms_norm_eps": 1e-06,
    "rope_parameters": _ROPE,
    "sliding_window": 128,
    "tie_word_embeddings": True,
    "top_k_experts": None,
    "use_bidirectional_attention": None,
    "use_cache": True,
    "use_double_wide_mlp": True,
    "vocab_size": VOCABULARY,
    "vocab_size_per_layer_input": VOCABULARY,
}
_VISION: dict[str, Any] = {
    "attention_bias": False,
    "attention_dropout": 0.0,
    "default_output_length": 70,
    "dtype": "bfloat16",
    "global_head_dim": 32,
    "head_dim": 32,
    "hidden_activation": "gelu_pytorch_tanh",
    "hidden_size": HIDDEN,
    "initializer_range": 0.02,
    "intermediate_size": 256,
    "max_position_embeddings": 131072,
    "model_type": "gemma4_vision",
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "num_key_value_heads": 4,
    "patch_size": 16,
    "pooling_kernel_size": 3,
    "position_embedding_size": 512,
    "rms_norm_eps": 1e-06,
    "rope_parameters": {"rope_theta": 100.0, "rope_type": "default"},
    "standardize": False,
    "use_clipped_linears": True,
}
_AUDIO: dict[str, Any] = {
    "attention_chunk_size": 12,
    "attention_context_left": 13,
    "attention_context_right": 0,
    "attention_invalid_logits_value": -1000000000.0,
    "attention_logit_cap": 50.0,
    "conv_kernel_size": 5,
    "dtype": "bfloat16",
    "gradient_clipping": 10000000000.0,
    "hidden_act": "silu",
    "hidden_size": HIDDEN,
    "initializer_range": 0.02,
    "model_type": "gemma4_audio",
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "output_proj_dims": HIDDEN,
    "residual_weight": 0.5,
    "rms_norm_eps": 1e-06,
    "subsampling_conv_channels": [128, 32],
    "use_clipped_linears": True,
}
CONFIG: dict[str, Any] = {
    "architectures": ["Gemma4ForConditionalGeneration"],
    "audio_config": _AUDIO,
    "audio_token_id": IDS["<|audio|>"],
    "boa_token_id": IDS["<|audio>"],
    "boi_token_id": IDS["<|image>"],
    "dtype": "bfloat16",
    "eoa_token_id": IDS["<audio|>"],
    "eoa_token_index": IDS["<audio|>"],
    "eoi_token_id": IDS["<image|>"],
    "eos_token_id": [1, IDS["<turn|>"]],
    "image_token_id": IDS["<|image|>"],
    "initializer_range": 0.02,
    "model_type": "gemma4",
    "text_config": _TEXT,
    "tie_word_embeddings": True,
    "video_token_id": IDS["<|video|>"],
    "vision_config": _VISION,
    "vision_soft_tokens_per_image": 70,
}


def _attention_fp32(module, query, key, value, attention_mask, scaling=None, **_):
    """Scaled dot product attention outside autocast: in bf16 its backward is slower on CPUs."""
    groups = query.shape[1] // key.shape[1]
    with torch.autocast("cpu", enabled=False):
        out = nn.functional.scaled_dot_product_attention(
            query.float(),
            key.float().repeat_interleave(groups, dim=1),
            value.float().repeat_interleave(groups, dim=1),
            attn_mask=attention_mask,
            is_causal=attention_mask is None and module.is_causal and query.shape[2] > 1,
            scale=scaling,
        )
    return out.transpose(1, 2).contiguous(), None


def build(seed: int = 0) -> Gemma4ForConditionalGeneration:
    """A freshly initialised network for training."""
    torch.manual_seed(seed)
    ALL_ATTENTION_FUNCTIONS["sdpa_fp32"] = _attention_fp32
    config = Gemma4Config.from_dict(CONFIG)
    config.dtype = torch.float32
    model = Gemma4ForConditionalGeneration(config).float()
    initialise(model)
    return model


def _cosine_basis() -> torch.Tensor:
    """Patch filters to start from: [128, 768], low-frequency cosines of luma and two chromas.

    The rows are rotated at random, because a residual stream whose channels mean one frequency
    each learned far more slowly.
    """
    grid = np.arange(16) + 0.5
    waves = np.cos(np.pi * np.outer(np.arange(16), grid) / 16)
    order = sorted(
        ((u, v) for u in range(16) for v in range(16)), key=lambda p: p[0] ** 2 + p[1] ** 2
    )
    mixes = ((1 / 3, 1 / 3, 1 / 3), (0.7, -0.35, -0.35), (0.0, 0.6, -0.6))
    rows = []
    for mix, kept in zip(mixes, (64, 32, 32), strict=True):
        for u, v in order[:kept]:
            wave = np.outer(waves[u], waves[v]) / 256 * (1.0 if u == v == 0 else 4.0)
            rows.append((wave[:, :, None] * np.array(mix)).reshape(-1))
    basis = torch.tensor(np.stack(rows), dtype=torch.float32)
    rotation = torch.linalg.qr(torch.randn(HIDDEN, HIDDEN))[0]
    return rotation @ basis * 3.0


def _position_table(size: int) -> torch.Tensor:
    """Smooth cosines [2, size, 128], with wavelengths from 6 to 1000 patches."""
    wavelengths = torch.logspace(math.log10(6), 3, HIDDEN // 4)
    angles = 2 * math.pi * torch.arange(size)[:, None] / wavelengths
    table = torch.zeros(2, size, HIDDEN)
    waves = torch.cat([angles.sin(), angles.cos()], dim=1)
    table[0, :, : HIDDEN // 2] = waves
    table[1, :, HIDDEN // 2 :] = waves
    rotation = torch.linalg.qr(torch.randn(HIDDEN, HIDDEN))[0]
    return 0.25 * table @ rotation


@torch.no_grad()
def initialise(model: Gemma4ForConditionalGeneration) -> None:
    """Give every tensor a start that learns at this width."""
    for name, tensor in model.named_parameters():
        if tensor.ndim >= 2:
            fan_in = tensor[0].numel()
            nn.init.normal_(tensor, std=fan_in**-0.5)
        if name.endswith(("q_norm.weight", "k_norm.weight")):
            # The attention scale is 1.0: fold the usual head_dim ** -0.5 into the two norms.
            tensor.fill_(tensor.numel() ** -0.25)
    inner = model.model
    language = inner.language_model
    nn.init.normal_(language.embed_tokens.weight, std=HIDDEN**-0.5)
    nn.init.normal_(language.embed_tokens_per_layer.weight, std=32**-0.5)
    embedder = inner.vision_tower.patch_embedder
    embedder.input_proj.weight.copy_(_cosine_basis())
    table = embedder.position_embedding_table
    table.copy_(_position_table(table.shape[1]))
    nn.init.zeros_(inner.audio_tower.output_proj.bias)


def see(model: Gemma4ForConditionalGeneration, pixels: torch.Tensor, places: torch.Tensor):
    """Soft tokens [B, S, D] of equally sized pictures, from uint8 patches [B, P, 768]."""
    inner = model.model
    out = inner.vision_tower(pixel_values=pixels.float() / 255, pixel_position_ids=places)
    soft = inner.embed_vision(inputs_embeds=out.last_hidden_state)
    return soft.view(len(pixels), -1, soft.shape[-1])


def hear(model: Gemma4ForConditionalGeneration, mels: torch.Tensor, mask: torch.Tensor):
    """Soft tokens [B, S, D] of clips and which of them are real [B, S]."""
    inner = model.model
    out = inner.audio_tower(mels, mask)
    return inner.embed_audio(inputs_embeds=out.last_hidden_state), out.attention_mask


def grid(columns: int, rows: int) -> torch.Tensor:
    """Patch positions (x, y) of a picture of so many cells: int64 [P, 2]."""
    y, x = torch.meshgrid(torch.arange(rows * 3), torch.arange(columns * 3), indexing="ij")
    return torch.stack([x, y], dim=-1).view(-1, 2)
