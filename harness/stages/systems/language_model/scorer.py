"""Computes negative log-likelihoods of windows, in batches and with little memory, and sums them per text."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from harness.compute.device import exact, is_out_of_memory
from harness.compute.precisions import PRECISIONS, Precision
from harness.errors import ResourceError, StageError
from harness.formats.likelihoods import Likelihood
from harness.stage import Job
from harness.stages.systems.language_model.opening import keeps_positions
from harness.stages.systems.language_model.windows import Rule, Text, Window

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SLICE = 1 << 22
"""Number of logits converted to float32 at once: 16 MiB."""


def losses(logits: Tensor, targets: Tensor) -> Tensor:
    """The loss of each prediction, in nats.

    If gradients are needed, the softmax of a slice is recomputed in the backward pass rather than kept, and its
    gradient has the type of the logits. For a step of 4096 tokens with a vocabulary of 51,200 in bf16 (Phi-1.5 with
    batches of 8) this saves two tensors of 0.8 GB.

    Args:
        logits: (N, V), of any float type.
        targets: (N,) int64.

    Returns:
        float32, (N,).
    """
    sliced: Any = _Sliced
    found: Tensor = sliced.apply(logits, targets) if logits.numel() > SLICE else _losses(logits, targets)
    return found


def _losses(logits: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(logits.float(), targets, reduction="none")


def _slices(logits: Tensor, *others: Tensor) -> Iterator[tuple[Tensor, ...]]:
    rows = max(1, SLICE // logits.shape[1])
    return zip(*(tensor.split(rows) for tensor in (logits, *others)), strict=True)


class _Sliced(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> Tensor:
        ctx.save_for_backward(logits, targets)
        return torch.cat([_losses(*part) for part in _slices(logits, targets)])

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, None]:
        """Gradient of the logits: softmax, minus one at the target."""
        logits, targets = ctx.saved_tensors
        gradient = torch.empty_like(logits)
        for x, t, scale, out in _slices(logits, targets, upstream[0], gradient):
            shares = x.float().softmax(dim=1)
            shares[torch.arange(len(t), device=t.device), t] -= 1
            out.copy_(shares.mul_(scale[:, None]))
        return gradient, None


Padding = Literal["left", "right"]


class Scorer:
    """Scores windows in batches.

    Args:
        network: a causal language model on the job's device, in eval mode.
        precision: precision of the network.
        batch_size: maximum number of windows at once; halved when memory runs out in fp32.
        padding: side on which shorter windows are padded.
        job: its device and log are used.

    Raises:
        StageError: padding on the left with a network that takes no position ids and would count the padding; not a
            causal language model of transformers.
    """

    precision: Precision

    def __init__(
        self,
        network: PreTrainedModel | PeftModel,
        *,
        precision: Precision,
        batch_size: int,
        padding: Padding,
        job: Job,
    ) -> None:
        self.network: Any = network
        self.precision, self.batch_size, self.padding, self.job = precision, batch_size, padding, job
        inner: Any = network.get_base_model() if isinstance(network, PeftModel) else network
        if not keeps_positions(inner):
            raise StageError(
                f"{type(inner).__name__} computes no logits of chosen positions; it cannot be scored"
            )
        if padding == "left" and "position_ids" not in inspect.signature(inner.forward).parameters:
            raise StageError(
                f"padding: left, but {type(inner).__name__} takes no positions; set padding: right"
            )

    def scored(self, windows: Sequence[Window]) -> Iterator[tuple[list[int], NDArray[np.float64]]]:
        """For each batch, the indices of its windows and their summed negative log-likelihoods in nats.

        The longest windows come first, so that running out of memory shows at once and there is little padding.

        Raises:
            ResourceError: out of memory with one window, or at half precision.
        """
        order = sorted(
            range(len(windows)),
            key=lambda i: (len(windows[i].inputs), len(windows[i].targets)),
            reverse=True,
        )
        done = 0
        while done < len(order):
            members = order[done : done + self.batch_size]
            sums = self._try([windows[i] for i in members])
            if sums is None:
                self._halve(len(members))
                continue
            yield members, sums
            done += len(members)

    def _try(self, batch: Sequence[Window]) -> NDArray[np.float64] | None:
        """Scores of one batch; None if it does not fit into memory."""
        try:
            with torch.inference_mode(), exact():
                return self._sums(batch)
        except (RuntimeError, MemoryError) as e:
            if not is_out_of_memory(e):
                raise
        # Outside of the handler, because the exception keeps references to what filled the memory.
        if self.job.device != "cpu":
            torch.cuda.empty_cache()
        return None

    def _sums(self, batch: Sequence[Window]) -> NDArray[np.float64]:
        """Sums of the losses of each window's targets, (B,): float64 sums of float32 losses."""
        device = self.job.device
        tokens, mask, keep = arranged(batch, self.padding)
        inputs: dict[str, Tensor] = {"input_ids": tokens.to(device)}
        if not bool(mask.all()):
            inputs["attention_mask"] = mask.to(device)
            if self.padding == "left":
                inputs["position_ids"] = (mask.cumsum(dim=1) - 1).clamp(min=0).to(device)
        # Shape (N, V): logits are computed only for the positions that are needed.
        logits = self.network(**inputs, logits_to_keep=keep.to(device), use_cache=False).logits
        targets = torch.tensor([t for window in batch for t in window.targets], device=device)
        found = losses(logits, targets).cpu().numpy().astype(np.float64)
        starts = np.cumsum([0, *(len(window.targets) for window in batch[:-1])])
        sums: NDArray[np.float64] = np.add.reduceat(found, starts)
        return sums

    def _halve(self, size: int) -> None:
        smaller = size // 2
        if smaller == 0:
            raise ResourceError(
                f"out of memory on {self.job.device} with a single window; set a smaller context"
            )
        if self.precision != "fp32":
            raise ResourceError(
                f"out of memory on {self.job.device} with {size} windows at {self.precision}, where the batch "
                f"decides about the likelihoods; set batch_size: {smaller}"
            )
        self.job.log(f"out of memory with {size} windows at once; going on with {smaller}")
        self.batch_size = smaller


def arranged(batch: Sequence[Window], padding: Padding) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens (int64), attention mask (int64) and mask of the predictions that count (bool), each (B, T).

    Padding is token 0 and identified by position only, so it does not matter if token 0 is also EOS or a word.
    """
    length = max(len(window.inputs) for window in batch)
    tokens = torch.zeros(len(batch), length, dtype=torch.int64)
    mask = torch.zeros_like(tokens)
    keep = torch.zeros_like(tokens, dtype=torch.bool)
    for row, window in enumerate(batch):
        end = length if padding == "left" else len(window.inputs)
        begin = end - len(window.inputs)
        tokens[row, begin:end] = torch.tensor(window.inputs)
        mask[row, begin:end] = 1
        keep[row, end - len(window.targets) : end] = True
    return tokens, mask, keep


AHEAD = 32
"""Number of batches whose windows are planned and sorted by length before the first of them is scored."""


class Scoring:
    """Computes the likelihood of every text, and lists the texts that have none.

    Besides the texts, memory holds only one row of numbers per text and the windows of a few batches.
    """

    scorer: Scorer

    def __init__(
        self, texts: Sequence[Text], tokenizer: PreTrainedTokenizerFast, rule: Rule, scorer: Scorer, job: Job
    ) -> None:
        self.texts, self.tokenizer, self.rule, self.scorer, self.job = texts, tokenizer, rule, scorer, job
        self.rows: list[Likelihood] = []
        """In the order of the texts; ``nll`` is the sum over the windows so far."""
        self.empty: list[str] = []
        """Texts without predicted tokens, which have no row."""
        self.unknown = 0
        """Number of unknown tokens."""
        self.special = 0
        """Number of special tokens that are spelt out in the texts."""

    def run(self) -> None:
        """Score everything.

        Raises:
            StageError: no text with anything to predict; a likelihood that is not finite.
            ResourceError: out of memory.
        """
        planned = self._windows()
        before = 0
        while part := list(islice(planned, AHEAD * self.scorer.batch_size)):
            begun, done = len(self.rows) + len(self.empty), 0
            for members, sums in self.scorer.scored([window for _, window in part]):
                for member, nll in zip(members, sums.tolist(), strict=True):
                    self._add(part[member][0], nll)
                done += len(members)
                told = before + (begun - before) * done // len(part)
                self.job.progress(told, len(self.texts), "texts")
            before = begun
        self._tell()

    def _windows(self) -> Iterator[tuple[int, Window]]:
        """Each window with the index of its row."""
        for text in self.texts:
            plan = self.rule.plan(text.text, self.tokenizer)
            if plan is None:
                self.empty.append(text.item)
                continue
            self.unknown += plan.unknown
            self.special += plan.special
            index = len(self.rows)
            self.rows.append(Likelihood(text.item, text.document, plan.tokens, plan.bytes, 0.0))
            for window in self.rule.windows(plan):
                yield index, window

    def _add(self, index: int, nll: float) -> None:
        row = self.rows[index]
        if not math.isfinite(nll):
            wider = PRECISIONS[self.scorer.precision].wider
            advice = f"try precision: {wider}" if wider else "look at the losses of the model's training"
            raise StageError(
                f"{row.item}: a likelihood that is not a finite number in {self.scorer.precision}; {advice}"
            )
        self.rows[index] = row._replace(nll=row.nll + nll)

    def _tell(self) -> None:
        if not self.rows:
            raise StageError(f"no tokens to predict in any of {len(self.texts)} texts")
        if self.empty:
            self.job.log(
                f"nothing to predict in {len(self.empty)} of {len(self.texts)} texts, which are left out"
            )
        if self.unknown:
            self.job.log(
                f"{self.unknown} tokens are unknown to the tokenizer: what they stand for is predicted for nothing"
            )
        if self.special:
            self.job.log(
                f"{self.special} special tokens are spelt out in the texts, and read as what they mark, not as text"
            )
