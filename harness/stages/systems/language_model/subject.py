"""The recipe of a fine-tuning, and the network opened with its trainable parts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import PreTrainedModel, PreTrainedTokenizerFast
from transformers.pytorch_utils import Conv1D

from harness.compute.seeds import mixed
from harness.compute.training import Optimisation, Trainable
from harness.errors import StageError, nearest
from harness.stages.systems.language_model import checks
from harness.stages.systems.language_model.adapters import Identity, Training
from harness.stages.systems.language_model.opening import keeps_positions, open_model, save
from harness.stages.systems.language_model.quantising import Quantisation


@dataclass(frozen=True, kw_only=True)
class Recipe(Optimisation):
    """The parameters of ``language_model.finetune``, which documents them."""

    method: Literal["full", "lora", "qlora"]
    rank: int
    alpha: float
    targets: tuple[str, ...]
    dropout: float
    context: int
    batching: Literal["pad", "pack"]
    eos: bool
    optimiser: Literal["adamw", "adamw-8bit"]

    @property
    def quantisation(self) -> Quantisation | None:
        """Quantisation of the weights below the adapters."""
        return Quantisation.of_qlora(self.precision) if self.method == "qlora" else None


WHAT = "the model"


@dataclass(frozen=True)
class Subject:
    """A network whose trained weights require gradients and are fp32; the others are frozen and keep their type."""

    network: PreTrainedModel | PeftModel
    tokenizer: PreTrainedTokenizerFast

    @property
    def trained(self) -> Trainable:
        """The trained weights, in the order of the network."""
        return Trainable.among(self.network.named_parameters())


def open_subject(recipe: Recipe, folder: Path, device: str) -> Subject:
    """The model in ``folder``, ready to be trained as the recipe says.

    Raises:
        StageError: see ``language_model.finetune``.
    """
    if checks.is_adapter(folder):
        raise StageError(
            "model: an adapter, and training starts from a whole model; start from its base, for more epochs"
        )
    opened = open_model(
        folder,
        None,
        precision="fp32" if recipe.method == "full" else recipe.precision,
        device=device,
        quantisation=recipe.quantisation,
    )
    if recipe.context > opened.context:
        raise StageError(f"context: {recipe.context} tokens; the model has positions for {opened.context}")
    network = opened.network
    if not keeps_positions(network):
        raise StageError(
            f"model: a {type(network).__name__}, which computes no logits of chosen positions; it cannot be trained"
        )
    # Otherwise the padding token, which often also begins and ends texts, would never be learnt as an input.
    network.get_input_embeddings().padding_idx = None
    if recipe.gradient_checkpointing:
        network.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    if recipe.method == "full":
        network.requires_grad_(True)
    else:
        network = _adapted(recipe, network)
    return Subject(network, opened.tokenizer)


def save_subject(subject: Subject, recipe: Recipe, start: Path, folder: Path) -> None:
    """Save a whole model with its tokenizer, or an adapter with the identity of its base.

    Args:
        subject: the trained subject.
        recipe: the recipe of the training.
        start: the folder that it was opened from.
        folder: an empty one.
    """
    network = subject.network
    if recipe.method == "full":
        save(network, subject.tokenizer, folder)
        return
    config = network.peft_config["default"]
    config.target_modules = sorted(config.target_modules)  # a set, whose order differs between processes
    network.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink()  # an unfilled template
    Training(Identity.of(start, WHAT), recipe.quantisation).write(folder)


def _adapted(recipe: Recipe, network: PreTrainedModel) -> PeftModel:
    """A frozen network with adapters; their weights are fp32, and their initial output is zero."""
    linear = [name for name, m in network.named_modules() if isinstance(m, torch.nn.Linear | Conv1D)]
    last = sorted({name.rpartition(".")[2] for name in linear})
    for target in recipe.targets:
        if not any(f".{name}".endswith(f".{target}") for name in linear):
            raise StageError(
                f"targets: no linear layer is called {target!r}; there are {', '.join(last)}{nearest(target, last)}"
            )
    if not recipe.targets:
        raise StageError(f"targets: none, so nothing would learn; there are {', '.join(last)}")
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=list(recipe.targets),
    )
    network.name_or_path = ""  # otherwise the adapter's settings contain this machine's paths
    network.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed(recipe.seed))
        return get_peft_model(network, config)
