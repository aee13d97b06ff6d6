"""Fine-tunes a language model: the rows of tokens that a step reads, what it does with them, and what is left."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from harness.artifact import Corpus, Json, LanguageModel
from harness.compute.device import Meter, Usage, enough_memory, exact, total
from harness.compute.precisions import PRECISIONS, Precision, dtype_of
from harness.compute.seeds import mixed
from harness.compute.training import Stateful, train
from harness.compute.weights import finite, hushed
from harness.errors import StageError
from harness.formats.corpus import read
from harness.stage import Job
from harness.stages.systems.language_model.opening import (
    Recipe,
    Subject,
    describe,
    open_subject,
    save_subject,
)
from harness.stages.systems.language_model.scorer import losses

Tokens = NDArray[np.int32]
_AT_ONCE = 1000
"""Number of texts tokenised at once; limited because a tokenizer returns far more than the tokens."""


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
            watched = read_rows(validation.path, subject.tokenizer, recipe, "validation", job)
            held_out, facts["validation"] = watched.rows, watched.facts
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


@dataclass(frozen=True)
class Rows:
    """The rows that a network is trained or evaluated on."""

    rows: Sequence[Tokens]
    """Each of shape (n + 1,), n at most the context: all but the last token are read, all but the first predicted."""
    facts: dict[str, Json]
    """Numbers of texts, rows and predicted tokens, and what was left out."""


def read_rows(corpus: Path, tokenizer: PreTrainedTokenizerFast, recipe: Recipe, what: str, job: Job) -> Rows:
    """The rows of a corpus: one for each text, or blocks of the concatenated texts.

    Args:
        corpus: a folder with ``corpus.parquet``.
        tokenizer: adds its default special tokens (Llama's: a beginning of text); the end of text is added here.
        recipe: its ``batching``, ``context`` and ``eos``.
        what: ``training`` or ``validation``, for messages.
        job: texts that are cut are reported in its log.

    Raises:
        StageError: there is nothing to predict.
    """
    texts = [row.text for row in read(corpus)]
    if not texts:
        raise StageError(f"the {what} corpus is empty")
    tokens = list(_tokens(texts, tokenizer, recipe.eos))
    rows = blocks(tokens, recipe.context) if recipe.batching == "pack" else tokens
    rows = [row for row in rows if len(row) > 1]
    if not rows:
        raise StageError(f"the {what} corpus has no text of two tokens or more, so nothing can be predicted")
    most = recipe.context + 1
    cut = [len(row) - most for row in rows if len(row) > most]
    rows = [row[:most] for row in rows]
    predicted = sum(len(row) - 1 for row in rows)
    if cut:
        job.log(
            f"{what}: {len(cut)} of {len(texts)} texts do not fit into a context of {recipe.context}; their last "
            f"{sum(cut)} tokens ({sum(cut) / (sum(cut) + predicted):.1%} of all) are cut off. "
            "A larger context or batching: pack keeps them"
        )
    facts: dict[str, Json] = {
        "texts": len(texts),
        "rows": len(rows),
        "tokens": predicted,
        "texts_cut": len(cut),
        "tokens_cut": sum(cut),
        "texts_too_short": 0 if recipe.batching == "pack" else len(texts) - len(rows),
    }
    return Rows(rows, facts)


def _tokens(texts: Sequence[str], tokenizer: PreTrainedTokenizerFast, eos: bool) -> Iterator[Tokens]:
    """Tokens of each text. No end of text is added if the tokenizer has already added it."""
    end = tokenizer.eos_token_id
    for first in range(0, len(texts), _AT_ONCE):
        batch = tokenizer(list(texts[first : first + _AT_ONCE]), return_attention_mask=False, verbose=False)
        for ids in batch["input_ids"]:
            yield np.array([*ids, end] if eos and ids[-1:] != [end] else ids, dtype=np.int32)


def blocks(tokens: Sequence[Tokens], context: int) -> list[Tokens]:
    """All tokens concatenated and cut into blocks. Each but the very first is predicted once; the last may be short."""
    line = np.concatenate(tokens)
    count = math.ceil((len(line) - 1) / context)
    return [line[i * context : (i + 1) * context + 1] for i in range(count)]


IGNORED = -100
"""Target value that torch's cross-entropy ignores."""


@dataclass(frozen=True)
class Batch:
    """Rows of unequal length, each padded on the right.

    In a causal network no token sees the padding after it, so the padding has no effect. Therefore there is no mask,
    and attention takes its fastest path.
    """

    inputs: Tensor
    """(B, T) int64."""
    targets: Tensor
    """(B, T) int64: for each input, the token that follows it; ``IGNORED`` after the end of a row. The end is found by
    length, because the padding may be the token that ends a text, which must be learnt."""


def collate(rows: Sequence[Tokens]) -> Batch:
    """One batch of rows of shape (n + 1,), padded to the longest."""
    shape = len(rows), max(len(row) for row in rows) - 1
    inputs = torch.zeros(shape, dtype=torch.int64)
    targets = torch.full(shape, IGNORED, dtype=torch.int64)
    for i, row in enumerate(rows):
        known = torch.from_numpy(row)
        inputs[i, : len(row) - 1] = known[:-1]
        targets[i, : len(row) - 1] = known[1:]
    return Batch(inputs, targets)


def drawn(recipe: Recipe, count: int, step: int) -> list[int]:
    """Indices of the rows, out of ``count``, that a step reads.

    These are the next ``per_step`` of ``epochs`` shuffled passes over all rows. The last step of the last pass may be
    smaller than the others.
    """
    first = step * recipe.per_step
    return recipe.drawn(count, range(first, min(first + recipe.per_step, recipe.epochs * count)))


def parts(rows: Sequence[Tokens], batch_size: int) -> Iterator[Batch]:
    """Split rows into batches of ``batch_size``, in order."""
    for first in range(0, len(rows), batch_size):
        yield collate(rows[first : first + batch_size])


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
