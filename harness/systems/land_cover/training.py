"""Training with TorchGeo's classification task on Lightning: resumable, and silent but for our own progress."""

from __future__ import annotations

import logging
import math
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as L
import torch
from torch import Tensor

from harness.artifact import Json
from harness.errors import StageError
from harness.stage import Job
from harness.systems.land_cover.loading import LandCoverData

CHECKPOINT = "last.ckpt"
CHECKPOINT_SHARE = 0.1
"""At most this share of the time goes into checkpoints: short runs save often, large models seldom."""


@dataclass(frozen=True)
class Recipe:
    """How to train, as the stage's parameters say."""

    model: str
    loss: Literal["ce", "focal", "jaccard"]
    lr: float
    patience: int
    freeze_backbone: bool
    epochs: int
    precision: Literal["fp32", "bf16", "fp16"]
    keep: Literal["best", "last"]
    seed: int


@dataclass(frozen=True)
class Trained:
    state: Mapping[str, Tensor]
    """Of the network alone, on the CPU."""
    epoch: int
    """Which epoch it is from, counted from 1."""
    history: list[dict[str, Json]]
    """Per epoch: ``epoch``, ``train_loss``, ``val_loss``, ``val_overall_accuracy``."""


def fit(
    recipe: Recipe, classes: int, weights: Mapping[str, Tensor] | None, data: LandCoverData, job: Job
) -> Trained:
    """Train to the end, from the checkpoint in ``job.scratch`` where there is one.

    The optimiser is the one that TorchGeo configures: AdamW at ``lr``, divided by ten when the validation loss has
    not fallen for ``patience`` epochs.

    Raises:
        StageError: the loss is not a finite number.
    """
    torch.manual_seed(recipe.seed)
    task = _task(recipe, classes, weights)
    keeper = Keeper(recipe, job)
    with _quiet(), _own_interrupts():
        trainer = L.Trainer(
            accelerator="cpu" if job.device == "cpu" else "gpu",
            devices=1,
            precision={"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}[recipe.precision],
            max_epochs=recipe.epochs,
            callbacks=[keeper],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            benchmark=False,
        )
        checkpoint = job.scratch / CHECKPOINT
        trainer.fit(task, datamodule=data, ckpt_path=checkpoint if checkpoint.exists() else None)
    return Trained(keeper.state, keeper.epoch, keeper.history)


def _task(recipe: Recipe, classes: int, weights: Mapping[str, Tensor] | None) -> L.LightningModule:
    try:
        from torchgeo.tasks import ClassificationTask  # 0.10 and later
    except ImportError:
        from torchgeo.trainers import ClassificationTask
    task = ClassificationTask(
        model=recipe.model,
        in_channels=3,
        num_classes=classes,
        loss=recipe.loss,
        lr=recipe.lr,
        patience=recipe.patience,
        freeze_backbone=recipe.freeze_backbone,
    )
    if weights is not None:
        load_backbone(task.model, weights)
    return task  # type: ignore[no-any-return]


def load_backbone(model: torch.nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load a state dict; a head of other classes is left random, everything else must fit.

    Raises:
        StageError: a layer is missing, unknown or of another shape.
    """
    own = model.state_dict()
    head = {name for name in own if name.startswith("fc.")}
    fitting = {n: t for n, t in weights.items() if n not in head or (n in own and t.shape == own[n].shape)}
    strange = [n for n, t in fitting.items() if n not in own or t.shape != own[n].shape]
    absent = [n for n in own if n not in fitting and n not in head and not n.endswith("num_batches_tracked")]
    if strange or absent:
        raise StageError(
            f"weights do not fit the model: {(strange or absent)[0]} ({len(strange) + len(absent)} layers)"
        )
    model.load_state_dict(fitting, strict=False)


class Keeper(L.Callback):
    """Keeps the weights to return, the history and the checkpoint, reports progress, and refuses a NaN loss."""

    def __init__(self, recipe: Recipe, job: Job) -> None:
        self.recipe = recipe
        self.job = job
        self.state: dict[str, Tensor] = {}
        self.epoch = 0
        self.best = math.inf
        self.history: list[dict[str, Json]] = []
        self._saved_at = time.monotonic()
        self._save_took = 0.0

    def state_dict(self) -> dict[str, Any]:
        kept = self.state if self.recipe.keep == "best" else {}
        return {"state": kept, "epoch": self.epoch, "best": self.best, "history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.state, self.epoch = state_dict["state"], state_dict["epoch"]
        self.best, self.history = state_dict["best"], state_dict["history"]

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = float(outputs["loss"])
        if not math.isfinite(loss):
            raise StageError(
                f"the training loss became {loss} at step {trainer.global_step} "
                f"(epoch {trainer.current_epoch + 1}); lower lr, or use precision: fp32"
            )
        done = trainer.current_epoch * trainer.num_training_batches + batch_idx + 1
        self.job.progress(done, self.recipe.epochs * int(trainer.num_training_batches), "steps")

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        measured = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.history.append(
            {
                "epoch": trainer.current_epoch + 1,
                "train_loss": measured["train_loss"],
                "val_loss": measured["val_loss"],
                "val_overall_accuracy": measured["val_OverallAccuracy"],
            }
        )
        if not math.isfinite(measured["val_loss"]):
            raise StageError(
                f"the validation loss became {measured['val_loss']} in epoch {trainer.current_epoch + 1}"
            )
        if self.recipe.keep == "last" or measured["val_loss"] < self.best:
            self.best = min(self.best, measured["val_loss"])
            self.epoch = trainer.current_epoch + 1
            self.state = {n: t.detach().cpu().clone() for n, t in pl_module.model.state_dict().items()}
        self._checkpoint(trainer)

    def _checkpoint(self, trainer: L.Trainer) -> None:
        """Save so that a killed run goes on from here."""
        before = time.monotonic()
        if before - self._saved_at < self._save_took / CHECKPOINT_SHARE:
            return
        _save(trainer, self.job.scratch / CHECKPOINT)
        self._saved_at = time.monotonic()
        self._save_took = self._saved_at - before


def _save(trainer: L.Trainer, path: Path) -> None:
    torn = path.with_suffix(".torn")
    trainer.save_checkpoint(torn)
    torn.replace(path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning announces devices and tips at every fit."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _own_interrupts() -> Iterator[None]:
    """Lightning turns Ctrl-C into exit(1) with SIGINT ignored; give it back as what it was."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt from None
    finally:
        if signal.getsignal(signal.SIGINT) is not handler:
            signal.signal(signal.SIGINT, handler)
