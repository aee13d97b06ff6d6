"""The number types that networks may compute in, by name. Torch is imported only when one of them is looked up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from harness.stage import Choices

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Arithmetic:
    """One number type."""

    torch: str
    """Name of the dtype in torch."""
    lightning: str
    """Lightning's name for training in this type; the trained weights stay in fp32."""
    rounding: float
    """Largest relative difference between two embeddings of one text encoder if either was made or stored in it."""
    wider: str
    """The types to try if numbers are not finite in this one; empty for the widest."""
    scaled: bool = False
    """Whether training scales its losses up, because small gradients would otherwise become 0."""


PRECISIONS: Choices[Arithmetic] = Choices(
    {
        "fp32": Arithmetic("float32", "32-true", rounding=0.02, wider=""),
        "bf16": Arithmetic("bfloat16", "bf16-mixed", rounding=0.1, wider="fp32"),
        "fp16": Arithmetic("float16", "16-mixed", rounding=0.05, wider="bf16 or fp32", scaled=True),
    }
)

Precision = Annotated[Literal["fp32", "bf16", "fp16"], PRECISIONS]


def unfit_training(parameters: Mapping[str, Any], device: str) -> str:
    """``Stage.unfit`` of a training: libraries scale losses on GPUs only, and Lightning takes bf16 instead on a CPU."""
    name = parameters["precision"]
    return for_gpus(name) if PRECISIONS[name].scaled and device == "cpu" else ""


def for_gpus(precision: str) -> str:
    """Why a training in this precision does not run on a CPU."""
    return f"precision: {precision} is for GPUs; on a CPU use bf16 or fp32"


def dtype_of(precision: Precision) -> torch.dtype:
    """The torch dtype."""
    import torch

    dtype: torch.dtype = getattr(torch, PRECISIONS[precision].torch)
    return dtype
