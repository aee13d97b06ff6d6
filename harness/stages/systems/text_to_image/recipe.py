"""The recipe of a fine-tuning, which is passed to the training processes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from harness.compute.precisions import Precision
from harness.errors import StageError
from harness.stages.systems.text_to_image.augmenting import Augment


@dataclass(frozen=True)
class Recipe:
    """The parameters of ``text_to_image.finetune``, which documents them."""

    epochs: int
    max_steps: int | None
    batch_size: int
    accumulate: int
    lr: float
    optimiser: Literal["adamw", "adafactor"]
    weight_decay: float
    schedule: Literal["constant", "linear", "cosine"]
    warm_up: int
    max_norm: float
    method: Literal["full", "lora"]
    rank: int
    alpha: float
    text_encoder: bool
    ema: float | None
    caption: Literal["first", "random"]
    caption_drop: float
    augment: Augment
    normalisation: Literal["vae", "dataset"]
    precision: Precision
    checkpoint_every: int | None
    gradient_checkpointing: bool
    tracker: Literal["none", "wandb"]
    seed: int

    @property
    def per_step(self) -> int:
        """Number of images of one step of the optimiser."""
        return self.batch_size * self.accumulate

    def steps(self, images: int) -> int:
        """Total number of steps of the optimiser.

        Raises:
            StageError: the warm-up or the first checkpoint would come after the last step.
        """
        steps = math.ceil(self.epochs * images / self.per_step)
        steps = min(steps, self.max_steps or steps)
        if self.warm_up >= steps:
            raise StageError(f"warm_up: {self.warm_up} of {steps} steps leaves nothing after it")
        if self.checkpoint_every and self.checkpoint_every > steps:
            raise StageError(f"checkpoint_every: {self.checkpoint_every} is more than all {steps} steps")
        return steps

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Recipe:
        """Read what ``to_json`` wrote; its values were validated there."""
        augment: Augment = told["augment"]
        precision: Precision = told["precision"]
        rest = {name: value for name, value in told.items() if name not in ("augment", "precision")}
        return cls(**rest, augment=augment, precision=precision)
