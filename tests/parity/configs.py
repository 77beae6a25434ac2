"""The config.json of each tiny checkpoint, in the dialect of the published files.

`e2b-like` keeps E2B's traits: one KV head, double-wide MLPs on the layers that share KV, dead
k and v weights in the file, the published constants. `e4b-like` keeps E4B's: two KV heads, one
MLP width, a clean file; its full and sliding donors stand in another order, and constants that
are easy to hard-code have other values. `26b-like` keeps 26B-A4B's: experts beside the MLP, values
that are keys, other head counts on full layers, pictures that see themselves, standardized soft
tokens, no audio. `31b-like` is the same without experts.
"""

from __future__ import annotations

from typing import Any

WINDOW = 16
"""The sliding window of both checkpoints, in positions."""

FULL, SLIDING = "full_attention", "sliding_attention"

_TOKENS = {
    "boi_token_id": 272,
    "boa_token_id": 273,
    "image_token_id": 280,
    "audio_token_id": 281,
    "eoi_token_id": 282,
    "eoa_token_id": 283,
    "eoa_token_index": 283,
    "video_token_id": 284,
    "eos_token_id": [1, 106],
}

_ROPE = {
    FULL: {"partial_rotary_factor": 0.25, "rope_theta": 1000000.0, "rope_type": "proportional"},
    SLIDING: {"rope_theta": 10000.0, "rope_type": "default"},
}


def _layer_types(pattern: str) -> list[str]:
    """ "sF" -> ["sliding_attention", "full_attention"]."""
    return [FULL if letter == "F" else SLIDING for letter in pattern]


def _text(pattern: str, shared: int, **fields: Any) -> dict[str, Any]:
    return {
        "model_type": "gemma4_text",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "attention_k_eq_v": False,
        "bos_token_id": 2,
        "dtype": "float32",
        "enable_moe_block": False,
        "eos_token_id": 1,
        "expert_intermediate_size": None,
        "final_logit_softcapping": 30.0,
        "global_head_dim": 32,
        "head_dim": 16,
        "hidden_activation": "gelu_pytorch_tanh",
        "hidden_size": 64,
        "hidden_size_per_layer_input": 16,
        "intermediate_size": 96,
        "layer_types": _layer_types(pattern),
        "max_position_embeddings": 131072,
        "num_attention_heads": 4,
        "num_experts": None,
        "num_global_key_value_heads": None,
        "num_hidden_layers": len(pattern),
        "num_key_value_heads": 1,
        "num_kv_shared_layers": shared,
        "pad_token_id": 0,
        "rms_norm_eps": 1e-06,
        "rope_parameters": _ROPE,
        "sliding_window": WINDOW,
        "tie_word_embeddings": True,
        "top_k_experts": None,
        "use_bidirectional_attention": None,
        "use_cache": True,
        "use_double_wide_mlp": False,
        "vocab_size": 288,
        "vocab_size_per_layer_input": 288,
        **fields,
    }


def _vision(**fields: Any) -> dict[str, Any]:
    return {
        "model_type": "gemma4_vision",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "default_output_length": 280,
        "dtype": "float32",
        "global_head_dim": 16,
        "head_dim": 16,
        "hidden_activation": "gelu_pytorch_tanh",
        "hidden_size": 48,
        "intermediate_size": 64,
        "max_position_embeddings": 131072,
        "num_attention_heads": 3,
        "num_hidden_layers": 3,
        "num_key_value_heads": 3,
        "patch_size": 16,
        "pooling_kernel_size": 3,
        "position_embedding_size": 64,
        "rms_norm_eps": 1e-06,
        "rope_parameters": {"rope_theta": 100.0, "rope_type": "default"},
        "standardize": False,
        "use_clipped_linears": True,
        **fields,
    }


def _audio(**fields: Any) -> dict[str, Any]:
    return {
        "model_type": "gemma4_audio",
        "attention_chunk_size": 12,
        "attention_context_left": 13,
        "attention_context_right": 0,
        "attention_invalid_logits_value": -1000000000.0,
        "attention_logit_cap": 50.0,
        "conv_kernel_size": 5,
        "dtype": "float32",
        "gradient_clipping": 10000000000.0,
        "hidden_act": "silu",
        "hidden_size": 32,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "output_proj_dims": 40,
        "residual_weight": 0.5,
        "rms_norm_eps": 1e-06,
        "subsampling_conv_channels": [128, 8],
        "use_clipped_linears": True,
        **fields,
    }


def _config(
    text: dict[str, Any], vision: dict[str, Any], audio: dict[str, Any] | None
) -> dict[str, Any]:
    return {
        "architectures": ["Gemma4ForConditionalGeneration"],
        "model_type": "gemma4",
        "dtype": "float32",
        "tie_word_embeddings": True,
        "vision_soft_tokens_per_image": 280,
        **_TOKENS,
        "text_config": text,
        "vision_config": vision,
        "audio_config": audio,
    }


def _big_text(pattern: str, **fields: Any) -> dict[str, Any]:
    return _text(
        pattern,
        0,
        attention_k_eq_v=True,
        hidden_size_per_layer_input=0,
        num_attention_heads=8,
        num_global_key_value_heads=2,
        num_key_value_heads=4,
        use_bidirectional_attention="vision",
        **fields,
    )


CONFIGS: dict[str, dict[str, Any]] = {
    "e2b-like": _config(_text("sssFsFsssF", 4, use_double_wide_mlp=True), _vision(), _audio()),
    "e4b-like": _config(
        _text("sFssFssF", 2, num_key_value_heads=2, final_logit_softcapping=20.0),
        _vision(hidden_size=32, num_attention_heads=2, num_key_value_heads=2, num_hidden_layers=2),
        _audio(
            attention_chunk_size=8,
            attention_context_left=9,
            attention_logit_cap=5.0,
            gradient_clipping=3.0,
            hidden_size=48,
            num_attention_heads=2,
            output_proj_dims=32,
            residual_weight=0.7,
        ),
    ),
    "26b-like": _config(
        _big_text(
            "ssFssF",
            enable_moe_block=True,
            moe_intermediate_size=32,
            num_experts=16,
            top_k_experts=4,
        ),
        _vision(standardize=True, use_clipped_linears=False),
        None,
    ),
    "31b-like": _config(
        _big_text("sFssF", intermediate_size=160),
        _vision(
            hidden_size=32,
            num_attention_heads=2,
            num_key_value_heads=2,
            standardize=True,
            use_clipped_linears=False,
        ),
        None,
    ),
}

KEEPS_DEAD_KV = frozenset({"e2b-like"})
"""Checkpoints whose file holds k and v weights of the layers that share KV."""
