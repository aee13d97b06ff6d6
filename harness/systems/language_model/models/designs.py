"""The sizes of the architectures of language models, by name."""

from __future__ import annotations

from typing import Any

from harness.stage import Choices

DESIGNS: Choices[dict[str, Any]] = Choices(
    {
        "tiny-phi": {
            "model_type": "phi",
            "hidden_size": 128,
            "intermediate_size": 512,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "max_position_embeddings": 256,
        },
        "phi-1.5": {
            "model_type": "phi",
            "vocab_size": 51200,
            "hidden_size": 2048,
            "intermediate_size": 8192,
            "num_hidden_layers": 24,
            "num_attention_heads": 32,
            "max_position_embeddings": 2048,
            "partial_rotary_factor": 0.5,
        },
        "mistral-7b": {
            "model_type": "mistral",
            "vocab_size": 32000,
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "max_position_embeddings": 32768,
            "rms_norm_eps": 1e-5,
            "rope_theta": 1e6,
            "sliding_window": None,
        },
    }
)
"""What differs from transformers' defaults, or is too important to be left to them."""
