"""The smallest language model that has every part of a large one, and ways to train it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import PhiConfig, PhiForCausalLM

from harness.artifact import LanguageModel
from harness.stages.systems.language_model.checks import learn
from harness.stages.systems.language_model.opening import Recipe

SENTENCES = (
    "The satellite passes over the delta twice a day.",
    "Radar sees through clouds, and a camera does not.",
    "A field of wheat is green in May and golden in July. The same field is brown once it has been ploughed.",
    "Snow is bright.",
    "Rivers carry sediment to the sea, where it settles.",
    "Roofs of metal look brighter than roofs of tiles in the near infrared.",
)

RECIPE = Recipe(
    method="full",
    rank=4,
    alpha=8.0,
    targets=("q_proj",),
    dropout=0.0,
    context=64,
    batching="pad",
    eos=True,
    epochs=3,
    max_steps=None,
    batch_size=2,
    accumulate=1,
    lr=1e-3,
    optimiser="adamw",
    weight_decay=0.0,
    schedule="constant",
    warm_up=0,
    max_norm=1.0,
    precision="fp32",
    gradient_checkpointing=False,
    seed=0,
)

FULL: dict[str, Any] = {
    "method": "full", "context": 32, "batch_size": 2, "max_steps": 4, "epochs": 9, "lr": 1e-3, "weight_decay": 0.0,
}  # fmt: skip
LORA: dict[str, Any] = {**FULL, "method": "lora", "rank": 4, "dropout": 0.0}
QLORA: dict[str, Any] = {**LORA, "method": "qlora"}


def tiny_model(folder: Path, *, seed: int = 0, width: int = 64, dropout: float = 0.0) -> LanguageModel:
    """A Phi of two layers that reads 64 tokens, of 300 from its own byte-level tokenizer.

    Its settings say that texts are padded with the token that ends them, as those of many models do.

    Args:
        folder: where it goes.
        seed: of the weights.
        width: of the hidden states; only layers of whole blocks of 64 inputs are stored in four bits.
        dropout: of its own, while it is trained.
    """
    tokenizer = learn(SENTENCES, vocabulary=300, context=64)
    end = tokenizer.eos_token_id
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PhiForCausalLM(
            PhiConfig(
                vocab_size=300,
                hidden_size=width,
                intermediate_size=2 * width,
                num_hidden_layers=2,
                num_attention_heads=2,
                max_position_embeddings=64,
                resid_pdrop=dropout,
                bos_token_id=end,
                eos_token_id=end,
                pad_token_id=end,
            )
        )
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return LanguageModel(folder)


def weights(model: LanguageModel) -> Mapping[str, torch.Tensor]:
    [file] = model.path.glob("*.safetensors")
    return load_file(file)


def far(one: LanguageModel, other: LanguageModel) -> float:
    """The largest difference of a weight; infinite between models that have others."""
    a, b = weights(one), weights(other)
    if {n: t.shape for n, t in a.items()} != {n: t.shape for n, t in b.items()}:
        return float("inf")
    return max(float((a[n] - b[n]).abs().max()) for n in a)


def history(model: LanguageModel) -> list[dict[str, Any]]:
    rows: Any = model.facts["history"]
    return list(rows)
