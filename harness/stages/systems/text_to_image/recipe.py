"""The recipe of a fine-tuning, which is passed to the training processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from harness.compute.precisions import Precision
from harness.compute.training import Optimisation
from harness.errors import StageError
from harness.stages.systems.text_to_image.augmenting import Augment


@dataclass(frozen=True, kw_only=True)
class Recipe(Optimisation):
    """The parameters of ``text_to_image.finetune``, which documents them."""

    optimiser: Literal["adamw", "adafactor"]
    method: Literal["full", "lora"]
    rank: int
    alpha: float
    text_encoder: bool
    ema: float | None
    caption: Literal["first", "random"]
    caption_drop: float
    augment: Augment
    normalisation: Literal["vae", "dataset"]
    checkpoint_every: int | None
    tracker: Literal["none", "wandb"]

    def steps(self, rows: int) -> int:
        """As for every fine-tuning.

        Raises:
            StageError: the warm-up or the first checkpoint would come after the last step.
        """
        steps = super().steps(rows)
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
