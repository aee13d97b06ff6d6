"""Models whose linear layers are stored in four bits."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from bitsandbytes.nn.modules import Linear4bit
from transformers import BitsAndBytesConfig, PreTrainedModel
from transformers.pytorch_utils import Conv1D
from transformers.quantizers.base import get_keys_to_not_convert

from harness.artifact import Json
from harness.compute.weights import finite
from harness.errors import StageError
from harness.stages.systems.language_model import checks

Compute = Literal["fp32", "bf16", "fp16"]
"""The types that bitsandbytes can compute in with four-bit layers."""

BLOCK = 64
"""Number of weights that share a scale."""


@dataclass(frozen=True)
class Quantisation:
    """How QLoRA stores the weights of a base (Dettmers et al. 2023): blocks of 64 in 4 bits, each with a scale."""

    type: Literal["nf4"]
    """The set of sixteen values: those of ``nf4`` are quantiles of a normal distribution."""
    double: bool
    """Whether the scales are quantised too, to 8 bits in blocks of 256."""
    compute: Compute
    """The type that the weights were unpacked to for each product when this was recorded, and of all other weights."""

    @classmethod
    def of_qlora(cls, compute: Compute) -> Quantisation:
        """The QLoRA paper's quantisation: NF4 with double quantisation."""
        return cls("nf4", True, compute)

    def to_json(self) -> dict[str, Json]:
        """The form used in an adapter's ``training.json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, said: Json, what: str) -> Quantisation:
        """Read what ``to_json`` wrote.

        Raises:
            StageError: a quantisation that is not supported here.
        """
        match said:
            case {"type": "nf4", "double": bool(double), "compute": "fp32" | "bf16" | "fp16" as compute}:
                return cls("nf4", double, compute)
        raise StageError(
            f"{what}: quantisation {said}; expected type nf4, double true or false, "
            f"compute {', '.join(get_args(Compute))}"
        )


def quantised(
    folder: Path, quantisation: Quantisation, dtype: torch.dtype, device: str, what: str = "the base"
) -> PreTrainedModel:
    """Open a model with its linear layers in four bits, in evaluation mode.

    Embeddings, norms and the head are not quantised. Nor are layers whose number of inputs is not a multiple of 64:
    some of their blocks would span two rows, and bitsandbytes (0.50) silently unpacks such blocks with the wrong scale
    on a CPU. Large models have no such layers.

    The weights are quantised from fp32, which represents every stored type exactly, so the bits do not depend on the
    type of the arithmetic.

    Args:
        folder: a model in the format of transformers, not an adapter.
        quantisation: how the layers are quantised.
        dtype: type of all other weights and of the arithmetic; it may differ from ``quantisation.compute``.
        device: device that it is moved to, tensor by tensor; a CPU works too.
        what: its name in messages.

    Raises:
        StageError: as for a model that is not quantised; a model without linear layers to quantise.
    """
    for file in checks.weight_files(folder, what):
        for name, tensor in checks.tensors(file, what):
            finite({name: tensor}, what)  # four-bit values have no NaN
    skeleton = checks.skeleton(folder, what)
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=quantisation.type,
        bnb_4bit_use_double_quant=quantisation.double,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=[*get_keys_to_not_convert(skeleton), *_uneven(skeleton)],
    )
    network = checks.read_network(
        folder, what, torch.float32, quantization_config=config, device_map={"": device}
    )
    layers = [module for module in network.modules() if isinstance(module, Linear4bit)]
    if not layers:
        raise StageError(f"{what}: {type(network).__name__} has no linear layer that can be quantised")
    for layer in layers:
        # The packed kernel always computes in bf16, and packed weights cannot be trained on again
        # (a forward pass in evaluation mode packs them).
        layer.support_avx512bf16_for_cpu = False
    _cast_others(network, dtype, what)
    return network


def _uneven(network: PreTrainedModel) -> list[str]:
    """Names of the linear layers whose rows are not a whole number of blocks."""
    inputs = {
        name: module.weight.shape[0 if isinstance(module, Conv1D) else 1]
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D)
    }
    return [name for name, width in inputs.items() if width % BLOCK]


def _cast_others(network: Any, dtype: torch.dtype, what: str) -> None:
    """Cast what is not in four bits to another type; ``to`` refuses a quantised model as a whole."""
    for module in network.modules():
        if not isinstance(module, Linear4bit):
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.to(dtype)
    finite({n: p for n, p in network.named_parameters() if p.dtype == dtype}, what)
