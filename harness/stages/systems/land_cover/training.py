"""Training with TorchGeo's classification task on Lightning: resumable, with our own progress as the only output."""

from __future__ import annotations

import logging
import math
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import lightning.pytorch as L  # noqa: N812 - the name that its documentation uses
import torch
from torch import Tensor

from harness.artifact import Json
from harness.compute.device import exact
from harness.compute.precisions import PRECISIONS, Precision
from harness.compute.training import Resume
from harness.errors import StageError
from harness.stage import Job
from harness.stages.systems.land_cover.loading import LandCoverData


@dataclass(frozen=True)
class Recipe:
    """How to train, as the stage's parameters say."""

    model: str
    loss: Literal["ce", "focal", "jaccard"]
    lr: float
    patience: int
    freeze_backbone: bool
    epochs: int
    precision: Precision
    keep: Literal["best", "last"]
    seed: int


@dataclass(frozen=True)
class Trained:
    state: Mapping[str, Tensor]
    """State dict of the network only, on the CPU."""
    epoch: int
    """The epoch that the weights are from, counted from 1."""
    history: list[dict[str, Json]]
    """Per epoch: ``epoch``, ``train_loss``, ``val_loss``, ``val_overall_accuracy``."""


def fit(
    recipe: Recipe, classes: int, weights: Mapping[str, Tensor] | None, data: LandCoverData, job: Job
) -> Trained:
    """Train to the end, starting from the checkpoint in ``job.scratch`` if there is one.

    The optimiser is the one that TorchGeo configures: AdamW with torch's weight decay (0.01) and learning rate
    ``lr``, which is divided by ten when the validation loss has not fallen for more than ``patience`` epochs.

    Raises:
        StageError: the loss is not a finite number.
    """
    torch.manual_seed(recipe.seed)
    task = _task(recipe, classes, weights)
    keeper = Keeper(recipe, job)
    data.first_epoch = keeper.epochs_done
    with _quiet(), _own_interrupts(), exact():
        trainer = L.Trainer(
            accelerator="cpu" if job.device == "cpu" else "gpu",
            devices=1,
            precision=PRECISIONS[recipe.precision].lightning,
            max_epochs=recipe.epochs - keeper.epochs_done,
            callbacks=[keeper],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        trainer.fit(task, datamodule=data)
    return Trained(keeper.kept, keeper.kept_epoch, keeper.history)


def _task(recipe: Recipe, classes: int, weights: Mapping[str, Tensor] | None) -> L.LightningModule:
    try:
        from torchgeo.tasks import ClassificationTask  # 0.10 and later
    except ImportError:
        from torchgeo.trainers import ClassificationTask

    class Task(ClassificationTask):
        """With an optimiser that updates all weights in one pass: a tenth less time for a small batch on a CPU."""

        def configure_optimizers(self) -> Any:
            configured = super().configure_optimizers()
            for group in configured["optimizer"].param_groups:
                group["fused"] = True
            return configured

    task = Task(
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
    return task


def load_backbone(model: torch.nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load a state dict. A head for other classes stays random; everything else must fit.

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
    """Keeps the weights to return and the history, checkpoints, reports progress, and refuses a NaN loss.

    The checkpoints are our own: Lightning saves before the plateau scheduler has stepped, so a run resumed from its
    checkpoint differs. No random state is saved, because images and their order depend on seed and epoch only.
    """

    def __init__(self, recipe: Recipe, job: Job) -> None:
        self.recipe = recipe
        self.job = job
        self._resume = Resume(job.scratch)
        told = self._resume.told
        self.kept: dict[str, Tensor] = told.get("kept", {})
        self.kept_epoch: int = told.get("kept_epoch", 0)
        self.best: float = told.get("best", math.inf)
        self.history: list[dict[str, Json]] = told.get("history", [])

    @property
    def epochs_done(self) -> int:
        return len(self.history)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._resume.restore(_parts(trainer, pl_module))

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Save, now that the epoch before is complete."""
        if trainer.current_epoch:
            kept = {
                "kept": self.kept,
                "kept_epoch": self.kept_epoch,
                "best": self.best,
                "history": self.history,
            }
            self._resume.save_if_due(_parts(trainer, pl_module), kept)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        steps = int(trainer.num_training_batches)
        done = self.epochs_done * steps + batch_idx + 1
        loss = float(outputs["loss"])
        if not math.isfinite(loss):
            raise StageError(
                f"the training loss became {loss} at step {done} (epoch {self.epochs_done + 1}); "
                "lower lr, or use precision: fp32"
            )
        self.job.progress(done, self.recipe.epochs * steps, "steps")

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        measured = {name: float(value) for name, value in trainer.callback_metrics.items()}
        epoch = self.epochs_done + 1
        if not math.isfinite(measured["val_loss"]):
            raise StageError(f"the validation loss became {measured['val_loss']} in epoch {epoch}; lower lr")
        self.history.append(
            {
                "epoch": epoch,
                "train_loss": measured["train_loss"],
                "val_loss": measured["val_loss"],
                "val_overall_accuracy": measured["val_OverallAccuracy"],
            }
        )
        if self.recipe.keep == "last" or measured["val_loss"] < self.best:
            self.best = min(self.best, measured["val_loss"])
            self.kept_epoch = epoch
            if self.recipe.keep == "best" or epoch == self.recipe.epochs:
                self.kept = {n: t.detach().cpu().clone() for n, t in pl_module.model.state_dict().items()}


def _parts(trainer: L.Trainer, task: L.LightningModule) -> dict[str, Any]:
    """Everything in a training that has a state, except the data, by its name in the checkpoint."""
    return {
        "model": task.model,
        "optimizer": trainer.optimizers[0],
        "scheduler": trainer.lr_scheduler_configs[0].scheduler,
        "precision": trainer.precision_plugin,
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning, which prints devices and tips at every fit."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def _own_interrupts() -> Iterator[None]:
    """Restore the handling of Ctrl-C, which Lightning turns into exit(1) with SIGINT ignored."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt from None
    finally:
        if signal.getsignal(signal.SIGINT) is not handler:
            signal.signal(signal.SIGINT, handler)
