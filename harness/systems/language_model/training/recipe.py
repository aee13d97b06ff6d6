"""How to fine-tune, as a value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from harness.compute.precisions import Precision
from harness.errors import StageError
from harness.systems.language_model.models.quantising import Quantisation


@dataclass(frozen=True)
class Recipe:
    """The parameters of ``language_model.finetune``, which documents them."""

    method: Literal["full", "lora", "qlora"]
    rank: int
    alpha: float
    targets: tuple[str, ...]
    dropout: float
    context: int
    batching: Literal["pad", "pack"]
    eos: bool
    epochs: int
    max_steps: int | None
    batch_size: int
    accumulate: int
    lr: float
    optimiser: Literal["adamw", "adamw-8bit"]
    weight_decay: float
    schedule: Literal["constant", "linear", "cosine"]
    warm_up: int
    max_norm: float
    precision: Precision
    gradient_checkpointing: bool
    seed: int

    @property
    def per_step(self) -> int:
        """Rows of one step of the optimiser."""
        return self.batch_size * self.accumulate

    @property
    def quantisation(self) -> Quantisation | None:
        """Of the weights below the adapters."""
        return Quantisation.of_qlora(self.precision) if self.method == "qlora" else None

    def steps(self, rows: int) -> int:
        """Steps of the optimiser in all.

        Raises:
            StageError: the warm-up would end after the last step.
        """
        steps = math.ceil(self.epochs * rows / self.per_step)
        steps = min(steps, self.max_steps or steps)
        if self.warm_up >= steps:
            raise StageError(f"warm_up: {self.warm_up} of {steps} steps leaves nothing after it")
        return steps
