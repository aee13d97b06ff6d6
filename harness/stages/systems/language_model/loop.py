"""Fine-tunes a language model: what a step of its training does, and what is left when it is done."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor
from transformers.utils import logging as transformers_logging

from harness.artifact import Corpus, Json, LanguageModel
from harness.compute.arithmetic import enough_memory, exact, hushed
from harness.compute.meter import Meter, Usage, total
from harness.compute.precisions import PRECISIONS, Precision, dtype_of
from harness.compute.resume import Stateful, mixed
from harness.compute.training import train
from harness.compute.weights import finite
from harness.errors import StageError
from harness.stage import Job
from harness.stages.systems.language_model.opening import describe
from harness.stages.systems.language_model.rows import IGNORED, Batch, Tokens, drawn, parts, read_rows
from harness.stages.systems.language_model.scorer import losses
from harness.stages.systems.language_model.subject import Recipe, Subject, open_subject, save_subject


def finetuned(
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
        learner = LanguageLearner(recipe, subject, training.rows, held_out, job.device)
        with enough_memory(_advice(recipe)):
            history = train(learner, job.scratch, job.progress)
        # A weight after the last step, which no loss would reveal.
        finite(learner.trained.found, f"the training, after step {learner.steps}")
        folder = job.folder()
        save_subject(subject, recipe, model.path, folder)
    facts |= {
        **describe(subject.network, subject.tokenizer),
        "trained_parameters": sum(p.numel() for p in learner.trained.parameters()),
        "steps": learner.steps,
        "cost": {**learner.cost.facts(), "batch_size": recipe.batch_size},
        "history": history,
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


class LanguageLearner:
    """A language model that is trained."""

    recipe: Recipe
    precision: Precision

    def __init__(
        self,
        recipe: Recipe,
        subject: Subject,
        training: Sequence[Tokens],
        held_out: Sequence[Tokens],
        device: str,
    ) -> None:
        self.recipe, self.precision, self.device = recipe, recipe.precision, device
        self.network: Any = subject.network
        self.training, self.held_out = training, held_out
        self.trained = subject.trained
        self.steps = recipe.steps(len(training))
        self.optimizer = _optimizer(recipe, self.trained.parameters())
        self.rate = recipe.rate(self.optimizer, self.steps)
        kind = torch.device(device).type
        self.scaler = torch.amp.GradScaler(kind, enabled=PRECISIONS[recipe.precision].scaled)
        self.cost = Cost(device)
        self.lr = 0.0
        """Learning rate of the step before."""

    @property
    def parts(self) -> Mapping[str, Stateful]:
        return {
            "weights": self.trained,
            "optimizer": self.optimizer,
            "rate": self.rate,
            "scaler": self.scaler,
            "cost": self.cost,
        }

    def step(self, step: int) -> tuple[float, int]:
        """Do one step of the optimiser; return the sum of its tokens' losses, and the number of these tokens."""
        self.cost.start()
        self.network.train()
        rows = [self.training[i] for i in drawn(self.recipe, len(self.training), step)]
        tokens = sum(len(row) - 1 for row in rows)
        losses = []
        for number, batch in enumerate(parts(rows, self.recipe.batch_size)):
            torch.manual_seed(mixed(self.recipe.seed, step, number))
            loss = self._loss(batch)
            self.scaler.scale(loss / tokens).backward()
            losses.append(loss.detach())
        self.lr = self.rate.get_last_lr()[0]
        self.scaler.unscale_(self.optimizer)
        torch.nn.utils.clip_grad_norm_(self.trained.parameters(), self.recipe.max_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self.rate.step()
        self.cost.tokens += tokens
        return float(torch.stack(losses).double().sum()), tokens

    def _loss(self, batch: Batch) -> Tensor:
        """Sum of the cross-entropies of all targets, in nats; no logits are computed for padding."""
        device = self.device
        inputs, asked = batch.inputs.to(device), batch.targets != IGNORED
        kind, dtype = torch.device(device).type, dtype_of(self.recipe.precision)
        with torch.autocast(kind, dtype, enabled=self.recipe.precision != "fp32"):
            logits = self.network(input_ids=inputs, logits_to_keep=asked.to(device), use_cache=False).logits
        return losses(logits, batch.targets[asked].to(device)).sum()

    def note(self, row: dict[str, Json], look: bool) -> None:
        """Add the learning rate of the step, and the held-out loss."""
        self.cost.stop()
        row["lr"] = self.lr
        row["validation_loss"] = self._look(row["step"]) if self.held_out and look else None

    @torch.no_grad()
    def _look(self, step: Json) -> float:
        """The held-out loss of the current weights, the mean over all tokens."""
        self.network.eval()
        summed = sum(float(self._loss(batch)) for batch in parts(self.held_out, self.recipe.batch_size))
        if not math.isfinite(summed):
            raise StageError(f"the validation loss became {summed} at step {step}; lower lr")
        return summed / sum(len(row) - 1 for row in self.held_out)


class Cost:
    """The cost of the steps of a training, without what is done between them."""

    def __init__(self, device: str) -> None:
        self.tokens = 0
        """Number of tokens predicted so far."""
        self._device = device
        self._usages: list[Usage] = []
        self._meter: Meter | None = None

    def start(self) -> None:
        """Measure from here, if it is not measured already."""
        if self._meter is None:
            self._meter = Meter(self._device)
            self._meter.__enter__()

    def stop(self) -> None:
        """Measure up to here, if it is measured."""
        if self._meter is not None:
            self._meter.__exit__(None, None, None)
            self._usages.append(self._meter.usage)
            self._meter = None

    def facts(self) -> dict[str, Json]:
        summed = total(self._usages)
        seconds = sum(usage.wall_s for usage in self._usages)
        return {**summed, "tokens": self.tokens, "tokens_per_s": self.tokens / seconds}

    def state_dict(self) -> dict[str, Any]:
        self.stop()
        return {"tokens": self.tokens, "usages": [asdict(usage) for usage in self._usages]}

    def load_state_dict(self, state: Mapping[str, Any], /) -> None:
        self.tokens, self._usages = state["tokens"], [Usage(**usage) for usage in state["usages"]]


def _optimizer(recipe: Recipe, trained: Sequence[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """AdamW with weight decay on matrices only: it would pull the scales of norms towards 0 for no reason."""
    matrices = {"params": [p for p in trained if p.ndim > 1], "weight_decay": recipe.weight_decay}
    others = {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0}
    groups = [group for group in (matrices, others) if group["params"]]
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.lr, fused=True)
    from bitsandbytes import optim

    untyped: Any = optim
    return untyped.AdamW8bit(groups, lr=recipe.lr)
