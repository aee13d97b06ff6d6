"""The training loop of a fine-tuning: steps, history and checkpoints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor
from transformers import get_scheduler
from transformers.utils import logging as transformers_logging

from harness.artifact import Corpus, Json, LanguageModel
from harness.compute.arithmetic import exact, is_out_of_memory
from harness.compute.meter import Meter, Usage, total
from harness.compute.precisions import PRECISIONS, dtype_of
from harness.compute.quiet import hushed
from harness.compute.resume import Resume, Stateful, mixed
from harness.compute.weights import finite
from harness.errors import ResourceError, StageError
from harness.stage import Job
from harness.stages.systems.language_model.opening import describe
from harness.stages.systems.language_model.rows import IGNORED, Batch, Tokens, drawn, parts, read_rows
from harness.stages.systems.language_model.scorer import losses
from harness.stages.systems.language_model.subject import Recipe, Subject, open_subject, save_subject

ROWS, LOOKS = 100, 10
"""Maximum number of rows of the history, and of evaluations on the held-out texts."""


def train(
    recipe: Recipe, model: LanguageModel, data: Corpus, validation: Corpus | None, job: Job
) -> LanguageModel:
    """See ``language_model.finetune``."""
    with hushed(transformers_logging), exact(), torch.random.fork_rng(devices=[]):
        subject = open_subject(recipe, model.path, job.device)
        training = read_rows(data.path, subject.tokenizer, recipe, "training", job)
        facts: dict[str, Json] = {"training": training.facts}
        held_out: Sequence[Tokens] = ()
        if validation is not None:
            read = read_rows(validation.path, subject.tokenizer, recipe, "validation", job)
            held_out, facts["validation"] = read.rows, read.facts
        loop = Loop(recipe, subject, training.rows, held_out, job)
        try:
            loop.run()
        except (RuntimeError, MemoryError) as e:
            if not is_out_of_memory(e):
                raise
            raise ResourceError(f"out of memory {_advice(recipe)}") from None
        folder = job.folder()
        save_subject(subject, recipe, model.path, folder)
    facts |= {
        **describe(subject.network, subject.tokenizer),
        "trained_parameters": sum(p.numel() for p in subject.trained),
        "steps": loop.steps,
        "cost": {
            **total(loop.usages),
            "tokens": loop.tokens,
            "tokens_per_s": loop.tokens / sum(usage.wall_s for usage in loop.usages),
            "batch_size": recipe.batch_size,
        },
        "history": loop.history,
    }
    # At half precision, computing something again does not give exactly the same digits.
    checkpointing = {"gradient_checkpointing": recipe.gradient_checkpointing}
    return LanguageModel(folder, facts, conditions={} if recipe.precision == "fp32" else checkpointing)


def _advice(recipe: Recipe) -> str:
    """Advice on how to save memory, beginning with changes that do not alter what is learnt."""
    size = recipe.batch_size
    at = f"at batch_size {size} and context {recipe.context}"
    if size > 1:
        less = next(n for n in range(size // 2, 0, -1) if size % n == 0)
        return f"{at}; set batch_size: {less} and accumulate: {recipe.accumulate * size // less}"
    checkpointing = "" if recipe.gradient_checkpointing else "gradient_checkpointing: true, or "
    return f"{at}; set {checkpointing}a smaller context"


class Loop:
    """A training in a hundred chunks. Each is a row of the history; a kill loses at most one."""

    recipe: Recipe

    def __init__(
        self,
        recipe: Recipe,
        subject: Subject,
        training: Sequence[Tokens],
        held_out: Sequence[Tokens],
        job: Job,
    ) -> None:
        self.recipe, self.job = recipe, job
        self.network: Any = subject.network
        self.training, self.held_out = training, held_out
        self.trained = subject.trained
        self.steps = recipe.steps(len(training))
        self.optimizer = _optimizer(recipe, self.trained)
        self.schedule = get_scheduler(
            recipe.schedule if recipe.schedule != "constant" else "constant_with_warmup",
            self.optimizer,
            num_warmup_steps=recipe.warm_up,
            num_training_steps=self.steps,
        )
        kind = torch.device(job.device).type
        self.scaler = torch.amp.GradScaler(kind, enabled=PRECISIONS[recipe.precision].scaled)
        self.history: list[dict[str, Json]] = []
        self.usages: list[Usage] = []
        """Usage of each chunk."""
        self.tokens = 0
        """Number of tokens predicted so far."""
        self.lr = 0.0
        """Learning rate of the step before."""

    def run(self) -> None:
        """Train to the end, from where a killed run stopped.

        Raises:
            StageError: a loss is not finite, or a weight after the last step, which no loss would reveal.
        """
        parts: dict[str, Stateful] = {
            "weights": self.trained,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
            "scaler": self.scaler,
        }
        resume = Resume(self.job.scratch, parts)
        told: dict[str, Any] = resume.restore()
        self.history, self.tokens = told.get("history", []), told.get("tokens", 0)
        self.usages = [Usage(**usage) for usage in told.get("usages", [])]
        every = math.ceil(self.steps / ROWS)
        for first in range(told.get("step", 0), self.steps, every):
            last = min(first + every, self.steps)
            with Meter(self.job.device) as meter:
                loss = self._chunk(first, last)
            self.usages.append(meter.usage)
            self._note(first, last, loss)
            usages = [asdict(usage) for usage in self.usages]
            resume.save_if_due(
                {"step": last, "history": self.history, "tokens": self.tokens, "usages": usages}
            )
        learnt = {name: p for name, p in self.network.named_parameters() if p.requires_grad}
        finite(learnt, f"the training, after step {self.steps}")

    def _chunk(self, first: int, last: int) -> float:
        """Do some steps and return the mean loss of their tokens."""
        summed, tokens = 0.0, 0
        self.network.train()
        for step in range(first, last):
            loss, count = self._step(step)
            summed, tokens = summed + loss, tokens + count
            self.job.progress(step + 1, self.steps, "steps")
        self.tokens += tokens
        return summed / tokens

    def _step(self, step: int) -> tuple[float, int]:
        """Do one step of the optimiser; return the sum of its tokens' losses, and the number of these tokens."""
        rows = [self.training[i] for i in drawn(self.recipe, len(self.training), step)]
        tokens = sum(len(row) - 1 for row in rows)
        losses = []
        for number, batch in enumerate(parts(rows, self.recipe.batch_size)):
            torch.manual_seed(mixed(self.recipe.seed, step, number))
            loss = self._loss(batch)
            self.scaler.scale(loss / tokens).backward()
            losses.append(loss.detach())
        summed = float(torch.stack(losses).double().sum())
        if not math.isfinite(summed):
            wider = "" if self.recipe.precision == "fp32" else ", or use precision: fp32"
            raise StageError(f"the training loss became {summed} at step {step + 1}; lower lr{wider}")
        self.lr = self.schedule.get_last_lr()[0]
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.trained, self.recipe.max_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self.schedule.step()
        return summed, tokens

    def _loss(self, batch: Batch) -> Tensor:
        """Sum of the cross-entropies of all targets, in nats; no logits are computed for padding."""
        device = self.job.device
        inputs, asked = batch.inputs.to(device), batch.targets != IGNORED
        kind, dtype = torch.device(device).type, dtype_of(self.recipe.precision)
        with torch.autocast(kind, dtype, enabled=self.recipe.precision != "fp32"):
            logits = self.network(input_ids=inputs, logits_to_keep=asked.to(device), use_cache=False).logits
        return losses(logits, batch.targets[asked].to(device)).sum()

    def _note(self, first: int, last: int, loss: float) -> None:
        """Add a row to the history, every tenth of the way with the held-out loss."""
        looks = [math.ceil(self.steps * k / LOOKS) for k in range(1, LOOKS + 1)]
        due = self.held_out and any(first < look <= last for look in looks)
        row: dict[str, Json] = {"step": last, "train_loss": loss, "lr": self.lr}
        row["validation_loss"] = self._look(last) if due else None
        self.history.append(row)

    @torch.no_grad()
    def _look(self, step: int) -> float:
        """The held-out loss of the current weights, the mean over all tokens."""
        self.network.eval()
        summed = sum(float(self._loss(batch)) for batch in parts(self.held_out, self.recipe.batch_size))
        if not math.isfinite(summed):
            raise StageError(f"the validation loss became {summed} at step {step}; lower lr")
        return summed / sum(len(row) - 1 for row in self.held_out)


def _optimizer(recipe: Recipe, trained: torch.nn.ParameterList) -> torch.optim.Optimizer:
    """AdamW with weight decay on matrices only: it would pull the scales of norms towards 0 for no reason."""
    matrices = {"params": [p for p in trained if p.ndim > 1], "weight_decay": recipe.weight_decay}
    others = {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0}
    groups = [group for group in (matrices, others) if group["params"]]
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.lr, fused=True)
    from bitsandbytes import optim

    untyped: Any = optim
    return untyped.AdamW8bit(groups, lr=recipe.lr)
