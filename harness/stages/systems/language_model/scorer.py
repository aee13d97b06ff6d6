"""The network at work: negative log-likelihoods of windows, whatever their batch and the side of its padding."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from torch import Tensor
from transformers import PreTrainedModel

from harness.compute.arithmetic import exact, is_out_of_memory
from harness.compute.precisions import Precision
from harness.errors import ResourceError, StageError
from harness.stage import Job
from harness.systems.language_model.models.losses import losses
from harness.systems.language_model.models.opening import keeps_positions
from harness.systems.language_model.scoring.windows import Window

Padding = Literal["left", "right"]


class Scorer:
    """Scores windows in batches.

    Args:
        network: a causal language model on the job's device, in eval mode.
        precision: that it is in.
        batch_size: windows at once, at most; halved when fp32 runs out of memory.
        padding: side of shorter windows that is filled.
        job: its device and log.

    Raises:
        StageError: padding on the left of a network that takes no positions, and would count the padding; one of
            another sort than transformers' causal language models.
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
        """Which windows make a batch, and their summed negative log-likelihoods in nats, until all are done.

        The longest come first, so that what does not fit into memory shows at once and few positions are padding.

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
        """None where memory does not suffice for so many at once."""
        try:
            with torch.inference_mode(), exact():
                return self._sums(batch)
        except (RuntimeError, MemoryError) as e:
            if not is_out_of_memory(e):
                raise
        # Outside of the handler, for the exception holds on to what filled the memory.
        if self.job.device != "cpu":
            torch.cuda.empty_cache()
        return None

    def _sums(self, batch: Sequence[Window]) -> NDArray[np.float64]:
        """Float64 sums of the float32 losses of each window's targets, (B,)."""
        device = self.job.device
        tokens, mask, keep = arranged(batch, self.padding)
        inputs: dict[str, Tensor] = {"input_ids": tokens.to(device)}
        if not bool(mask.all()):
            inputs["attention_mask"] = mask.to(device)
            if self.padding == "left":
                inputs["position_ids"] = (mask.cumsum(dim=1) - 1).clamp(min=0).to(device)
        # Of shape (N, V): positions that nobody asks for never reach the vocabulary.
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
    """Tokens (int64), where they are no padding (int64) and where their prediction counts (bool), each (B, T).

    Padding is token 0 and known by its place alone: whether it is also EOS, or some word, makes no difference.
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
