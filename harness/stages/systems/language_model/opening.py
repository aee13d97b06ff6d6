"""Opens a language model ready to compute: network, tokenizer and context length."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path

import torch
from peft import PeftModel
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from harness.artifact import Json
from harness.compute.precisions import Precision, dtype_of
from harness.compute.weights import finite, hushed
from harness.errors import StageError
from harness.stages.systems.language_model import checks
from harness.stages.systems.language_model.adapters import Training, adapter_size, attach
from harness.stages.systems.language_model.checks import fit, read_tokenizer
from harness.stages.systems.language_model.quantising import Quantisation, quantised


@dataclass(frozen=True)
class Opened:
    """A model in evaluation mode, on its device."""

    network: PreTrainedModel | PeftModel
    tokenizer: PreTrainedTokenizerFast
    """Has an end-of-text token, but maybe no beginning-of-text and no padding token."""
    context: int
    """Maximum number of tokens that the model has positions for."""
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
            weights.
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


def context_of(network: PreTrainedModel, what: str) -> int:
    """Maximum number of tokens that a model has positions for.

    Raises:
        StageError: it is not in the configuration.
    """
    length = getattr(network.config.get_text_config(), "max_position_embeddings", None)
    if not isinstance(length, int) or length < 2:
        raise StageError(
            f"{what}: its configuration does not say how many tokens it reads (max_position_embeddings)"
        )
    return length


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
        "context": context_of(network, "the model"),
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
    return Opened(network, tokenizer, context_of(plain, what), quantisation)
