"""The one loop that trains networks here: its length, its rows, its learning rate, its history, and resuming it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from harness.artifact import Json
from harness.compute.precisions import Precision
from harness.compute.seeds import mixed
from harness.errors import StageError


class Stateful(Protocol):
    """Anything with a state that training needs to continue: a network, an optimiser, a schedule."""

    def state_dict(self) -> Mapping[str, Any]: ...

    def load_state_dict(self, state_dict: Any, /) -> Any: ...


class Resume:
    """The state of a training, kept in one file.

    The file holds no random state: what a step draws depends on seed and step alone.
    """

    SHARE = 0.1
    """Largest share of the time spent on saving, so short trainings save often and large models seldom."""

    def __init__(self, scratch: Path) -> None:
        self._file = scratch / "training.pt"
        self._saved_at = time.monotonic()
        self._took = 0.0
        self._saved: dict[str, Any] | None = None
        if self._file.exists():
            self._saved = torch.load(self._file, weights_only=True, map_location="cpu")
        self.told: dict[str, Any] = self._saved["told"] if self._saved else {}
        """What was saved with the parts, such as the step and the history; empty without a save."""

    def restore(self, parts: Mapping[str, Stateful]) -> None:
        """Restore every part to the last save, if there is one; once, because it is then forgotten."""
        if self._saved is not None:
            for name, part in parts.items():
                part.load_state_dict(self._saved["parts"][name])
            self._saved = None

    def save_if_due(self, parts: Mapping[str, Stateful], told: Mapping[str, Any]) -> None:
        """Save, unless the last save is too recent.

        Args:
            parts: all that has a state: networks, the optimiser, the schedule.
            told: what else is needed to continue: numbers, texts and tensors.
        """
        before = time.monotonic()
        if before < self._saved_at + self._took / self.SHARE:
            return
        torn = self._file.with_suffix(".torn")
        torch.save({"parts": {n: p.state_dict() for n, p in parts.items()}, "told": dict(told)}, torn)
        torn.replace(self._file)
        self._saved_at = time.monotonic()
        self._took = self._saved_at - before


ROWS, LOOKS = 100, 10
"""Maximum number of rows of the history, and of evaluations on held-out data."""


@dataclass(frozen=True, kw_only=True)
class Optimisation:
    """The parameters that all fine-tunings have; their stages document them."""

    epochs: int
    max_steps: int | None
    batch_size: int
    accumulate: int
    lr: float
    weight_decay: float
    schedule: Literal["constant", "linear", "cosine"]
    warm_up: int
    max_norm: float
    precision: Precision
    gradient_checkpointing: bool
    seed: int

    @property
    def per_step(self) -> int:
        """Number of rows of one step of the optimiser."""
        return self.batch_size * self.accumulate

    def steps(self, rows: int) -> int:
        """Total number of steps of the optimiser.

        Raises:
            StageError: the warm-up would end after the last step.
        """
        steps = math.ceil(self.epochs * rows / self.per_step)
        steps = min(steps, self.max_steps or steps)
        if self.warm_up >= steps:
            raise StageError(f"warm_up: {self.warm_up} of {steps} steps leaves nothing after it")
        return steps

    def drawn(self, rows: int, positions: range) -> list[int]:
        """The rows at some positions of an endless sequence of shuffled passes, which depends on the seed only.

        Args:
            rows: number of rows of a pass.
            positions: consecutive ones.
        """
        found: list[int] = []
        for epoch in range(positions.start // rows, (positions.stop - 1) // rows + 1):
            generator = torch.Generator().manual_seed(mixed(self.seed, -1, epoch))
            order = torch.randperm(rows, generator=generator)
            found += order[max(positions.start - epoch * rows, 0) : positions.stop - epoch * rows].tolist()
        return found

    def rate(self, optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
        """The learning rate of each step: it rises over ``warm_up`` steps, and then follows ``schedule``."""
        from transformers import get_scheduler

        rate: torch.optim.lr_scheduler.LRScheduler = get_scheduler(
            self.schedule if self.schedule != "constant" else "constant_with_warmup",
            optimizer,
            num_warmup_steps=self.warm_up,
            num_training_steps=steps,
        )
        return rate


@dataclass(frozen=True)
class Trainable:
    """The parameters that are trained, by name; all others are frozen."""

    found: Mapping[str, torch.nn.Parameter]

    @classmethod
    def among(cls, named: Iterable[tuple[str, torch.nn.Parameter]]) -> Trainable:
        """Those that require gradients."""
        return cls({name: p for name, p in named if p.requires_grad})

    def parameters(self) -> list[torch.nn.Parameter]:
        return list(self.found.values())

    def state_dict(self) -> dict[str, Tensor]:
        return {name: p.detach() for name, p in self.found.items()}

    def load_state_dict(self, state: Mapping[str, Tensor], /) -> None:
        with torch.no_grad():
            for name, p in self.found.items():
                p.copy_(state[name])


class Learner(Protocol):
    """What the loop trains."""

    steps: int
    """Total number of steps of the optimiser."""
    precision: Precision

    @property
    def parts(self) -> Mapping[str, Stateful]:
        """Everything that has a state."""

    def step(self, step: int) -> tuple[float, int]:
        """Do one step of the optimiser. What it draws must depend on seed and step only.

        Args:
            step: counted from 0.

        Returns:
            The sum of the losses of the step, and their number.
        """

    def note(self, row: dict[str, Json], look: bool) -> None:
        """Add columns to a row of the history, which has ``step`` and ``train_loss``.

        Args:
            row: the row.
            look: whether the loss on held-out data is due.
        """


def train(
    learner: Learner, scratch: Path, progress: Callable[[int, int, str], None], *, saves: bool = True
) -> list[dict[str, Json]]:
    """Train to the end, from where a killed run stopped, and return the history.

    Args:
        learner: what is trained.
        scratch: folder of the file from which a killed run is resumed.
        progress: is told steps done, all steps, and ``steps``.
        saves: whether this process writes that file; all processes of a training read it.

    Raises:
        StageError: a loss is not finite.
    """
    resume = Resume(scratch)
    resume.restore(learner.parts)
    told: Any = resume.told
    history: list[dict[str, Json]] = told.get("history", [])
    since: list[tuple[float, int]] = told.get("since", [])
    every = math.ceil(learner.steps / ROWS)
    looks = {math.ceil(learner.steps * k / LOOKS) for k in range(1, LOOKS + 1)}
    for done in range(told.get("step", 0) + 1, learner.steps + 1):
        loss, count = learner.step(done - 1)
        if not math.isfinite(loss):
            wider = "" if learner.precision == "fp32" else ", or use precision: fp32"
            raise StageError(f"the training loss became {loss} at step {done}; lower lr{wider}")
        since.append((loss, count))
        progress(done, learner.steps, "steps")
        if done % every == 0 or done == learner.steps:
            mean = sum(loss for loss, _ in since) / sum(count for _, count in since)
            row: dict[str, Json] = {"step": done, "train_loss": mean}
            learner.note(row, look=any(done - every < look <= done for look in looks))
            history.append(row)
            since = []
        if saves:
            resume.save_if_due(learner.parts, {"step": done, "history": history, "since": since})
    return history
