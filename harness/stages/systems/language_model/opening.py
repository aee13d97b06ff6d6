"""Opens a language model: network, tokenizer and context length, ready to compute or to be trained by a recipe."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.pytorch_utils import Conv1D
from transformers.utils import logging as transformers_logging

from harness.artifact import Json
from harness.compute.precisions import Precision, dtype_of
from harness.compute.seeds import mixed
from harness.compute.training import Optimisation, Trainable
from harness.compute.weights import finite, hushed
from harness.errors import StageError, nearest
from harness.stages.systems.language_model import checks
from harness.stages.systems.language_model.adapters import (
    Identity,
    Quantisation,
    Training,
    adapter_size,
    attach,
    quantised,
)
from harness.stages.systems.language_model.checks import context_of, fit, read_tokenizer, tried


@dataclass(frozen=True)
class Opened:
    """A model in evaluation mode, on its device."""

    network: PreTrainedModel | PeftModel
    tokenizer: PreTrainedTokenizerFast
    """Has an end-of-text token, but maybe no beginning-of-text and no padding token."""
    context: int | None
    """Maximum number of tokens that the model has positions for; None if it does not say (BLOOM, Mamba)."""
    quantisation: Quantisation | None = None
    """Quantisation of the linear layers, which are those of the base for an adapter."""


def open_model(
    model: Path,
    base: Path | None,
    *,
    precision: Precision,
    device: str,
    what: str = "",
    quantisation: Quantisation | None = None,
) -> Opened:
    """Open what a stage produced, at one of the precisions that a suite can name; see ``open_in``."""
    return open_in(
        model, base, dtype=dtype_of(precision), device=device, what=what, quantisation=quantisation
    )


def open_in(
    model: Path,
    base: Path | None,
    *,
    dtype: torch.dtype,
    device: str,
    what: str = "",
    quantisation: Quantisation | None = None,
) -> Opened:
    """Open what a stage produced: a model, or an adapter on the base that it was trained on.

    A base that was quantised when the adapter was trained is quantised the same way again. Its layers are then
    unpacked to ``dtype`` for each product; the four bits are the same at any precision.

    Args:
        model: the folder of a model or of an adapter.
        base: for an adapter, the model that it was trained on; None for a model.
        dtype: type of all weights that are not quantised, and of the arithmetic.
        device: device of the network.
        what: the model's name in messages.
        quantisation: for a whole model only; the base of an adapter is quantised as it was in the adapter's training.

    Raises:
        StageError: an adapter without a base, or with a quantisation; a base that is not needed, or that the adapter
            was not trained on; a tokenizer that is not the model's; a weight that is missing or not finite; pickled
            weights; a network that is random at inference, or not causal.
    """
    if not checks.is_adapter(model):
        if base is not None:
            raise StageError(
                "base: the model is whole and no adapter, so a base would do nothing; leave it out"
            )
        what = what or "the model"
        if quantisation is None:
            network = read_plain(model, what, dtype).to(device)
        else:
            network = quantised(model, quantisation, dtype, device, what)
        return _with_tokenizer(network, network, model, what, quantisation)
    if base is None:
        raise StageError("the model is an adapter; set base to the model that it was trained on")
    what = what or "the adapter"
    if quantisation is not None:
        raise StageError(
            f"quantisation: {what} says itself how its base was quantised when it was trained; leave it out"
        )
    training = Training.read(model, what)
    training.check(base, what)
    if training.quantisation is None:
        below = read_plain(base, "the base", dtype).to(device)
    else:
        below = quantised(base, training.quantisation, dtype, device)
    return _with_tokenizer(attach(below, model, what), below, base, "the base", training.quantisation)


def read_plain(folder: Path, what: str, dtype: torch.dtype) -> PreTrainedModel:
    """A whole model on the CPU, with every weight present and finite in ``dtype``."""
    network = checks.read_network(folder, what, dtype)
    finite(network.state_dict(), what)
    return network


def keeps_positions(network: torch.nn.Module) -> bool:
    """Whether a model can compute the logits of chosen positions only."""
    return "logits_to_keep" in inspect.signature(network.forward).parameters


def describe(network: PreTrainedModel | PeftModel, tokenizer: PreTrainedTokenizerFast) -> dict[str, Json]:
    """Facts about a model: size, dtype, context and vocabulary; and about an adapter on it."""
    adapter: dict[str, Json] = {}
    added = 0
    if isinstance(network, PeftModel):
        added = adapter_size(network)
        config = network.peft_config["default"]
        targets = sorted(config.target_modules)
        adapter = {
            "adapter": {"parameters": added, "rank": config.r, "alpha": config.lora_alpha, "targets": targets}
        }
        network = network.get_base_model()
    return {
        "architecture": type(network).__name__,
        "parameters": network.num_parameters() - added,
        "dtype": str(network.dtype).removeprefix("torch."),
        "context": context_of(network),
        "vocabulary": len(tokenizer),
        **adapter,
    }


def save(network: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Save a whole model, in files of 5 GB at most. Of its generation settings, only the special tokens are kept."""
    said = network.generation_config
    network.generation_config = GenerationConfig(
        bos_token_id=said.bos_token_id, eos_token_id=said.eos_token_id
    )
    with hushed(transformers_logging):
        network.save_pretrained(folder, max_shard_size="5GB")
        tokenizer.save_pretrained(folder)


def _with_tokenizer(
    network: PreTrainedModel | PeftModel,
    plain: PreTrainedModel,
    folder: Path,
    what: str,
    quantisation: Quantisation | None,
) -> Opened:
    tokenizer = read_tokenizer(folder, what)
    fit(tokenizer, plain, folder, what)
    tried(network, plain, what)
    return Opened(network, tokenizer, context_of(plain), quantisation)


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
    if opened.context is not None and recipe.context > opened.context:
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
