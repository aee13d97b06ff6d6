"""The number types that networks may compute in, by name. Torch is imported only when one of them is looked up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from harness.stage import Choices

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Arithmetic:
    """One number type."""

    torch: str
    """Its name there."""
    lightning: str
    """What Lightning calls a training in it; weights that are trained stay in fp32."""
    rounding: float
    """How far apart, relatively, two embeddings of one text encoder may be where either was stored or made in it."""
    wider: str
    """What to try where numbers are not finite in it; empty for the widest."""
    scaled: bool = False
    """Whether a training scales its losses up, for else small gradients are 0."""


PRECISIONS: Choices[Arithmetic] = Choices(
    {
        "fp32": Arithmetic("float32", "32-true", rounding=0.02, wider=""),
        "bf16": Arithmetic("bfloat16", "bf16-mixed", rounding=0.1, wider="fp32"),
        "fp16": Arithmetic("float16", "16-mixed", rounding=0.05, wider="bf16 or fp32", scaled=True),
    }
)

Precision = Annotated[Literal["fp32", "bf16", "fp16"], PRECISIONS]


def dtype_of(precision: Precision) -> torch.dtype:
    """The torch dtype."""
    import torch

    dtype: torch.dtype = getattr(torch, PRECISIONS[precision].torch)
    return dtype
