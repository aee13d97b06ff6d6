"""A LoRA adapter with random weights on a tiny language model, as a training would leave it."""

from __future__ import annotations

from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model

from harness.artifact import LanguageModel
from harness.stages.systems.language_model.adapters import Identity, Quantisation, Training, quantised
from harness.stages.systems.language_model.opening import open_model

NF4 = Quantisation("nf4", double=True, compute="fp32")


def tiny_adapter(
    folder: Path,
    base: LanguageModel,
    *,
    quantisation: Quantisation | None = None,
    targets: tuple[str, ...] = ("q_proj", "v_proj"),
) -> tuple[LanguageModel, torch.Tensor]:
    """The adapter, and the scores that it gave to ``IDS`` on the base that it was made on."""
    if quantisation is None:
        network = open_model(base.path, None, precision="fp32", device="cpu").network
    else:
        network = quantised(base.path, quantisation, torch.float32, "cpu")
    config = LoraConfig(r=2, lora_alpha=4, target_modules=list(targets), task_type="CAUSAL_LM")
    adapted = get_peft_model(network, config).eval()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(weight)
    adapted.save_pretrained(folder)
    Training(Identity.of(base.path, "the base"), quantisation).write(folder)
    return LanguageModel(folder), scores(adapted)


IDS = torch.arange(5, 25)[None]


def scores(network: torch.nn.Module) -> torch.Tensor:
    """Of each next token of ``IDS``, float (1, 20, vocabulary)."""
    with torch.inference_mode():
        return network(IDS).logits
