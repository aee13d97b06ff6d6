"""What a network must do before its results are believed, tried on a small input whenever one is opened.

One input gives one result: again, and in a batch of another size. A network that draws random numbers (the masked
autoencoders of transformers mask other patches in each forward), or in which the rows of a batch change one another,
gives figures that nobody can repeat. A language model must not look ahead either: a later token must leave the scores
of the earlier ones alone, or its perplexity is that of a text it was shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from harness.compute.device import exact
from harness.compute.weights import article, hushed, one_line
from harness.errors import StageError

CONDITION = 32
"""How much a layer may amplify the rounding of its inputs; networks in use amplify it by less than 10."""
MOST = 0.25
"""Largest tolerance. In bf16 that of a deep network would otherwise allow results that have nothing in common."""
SMALL = 2_000_000_000
"""Weights of a half-precision network that is tried in fp32: the copy takes 8 GB at most."""
TOKENS = 16
_PLAIN = 1e-4
"""Least limit for what a later token may change: fp32's tolerance is below it at any depth in use."""


def tolerance(network: nn.Module, dtype: torch.dtype) -> float:
    """Largest relative difference of two results that rounding explains, by the network's depth and number type.

    Roundings of the layers are independent, so that their sum grows with the root of the number of layers.
    """
    layers = sum(
        1 for module in network.modules() if next(module.parameters(recurse=False), None) is not None
    )
    rounding = float(torch.finfo(dtype).eps)
    return min(MOST, CONDITION * rounding * math.sqrt(max(layers, 1)))


def repeatable(compute: Callable[[int], Tensor], network: nn.Module, what: str) -> Tensor:
    """Try that one input has one result: again, and in another batch.

    Args:
        compute: the results for the first *n* of at least three inputs that differ, (n, …), from one batch.
        network: what computes them, in evaluation mode.
        what: its name in messages.

    Returns:
        The results for three inputs.

    Raises:
        StageError: results that differ by more than rounding.
    """
    with _undisturbed():
        batch, again, alone = compute(3), compute(3), compute(1)
    limit = tolerance(network, _dtype(network))
    if (apart := _apart(batch, again)) > limit:
        raise StageError(
            f"{what}: {kind(network)} is random at inference: one input twice gives results {apart:.2g} apart "
            f"(relative to their size; rounding explains {limit:.2g}); expected a network that draws nothing"
        )
    if (apart := _apart(batch[:1], alone)) > limit:
        raise StageError(
            f"{what}: {kind(network)} mixes the inputs of a batch: one input alone gives a result {apart:.2g} apart "
            f"from its result among three (rounding explains {limit:.2g}); expected rows that are independent"
        )
    return batch


def causal(network: nn.Module, vocabulary: int, context: int | None, what: str) -> None:
    """Try that a language model is repeatable and causal. A small one in half precision is tried in fp32.

    Args:
        network: maps ``input_ids`` (N, T) to ``logits`` (N, T, V), in evaluation mode.
        vocabulary: tokens that it has embeddings for.
        context: how many tokens it reads; None if it does not say.
        what: its name in messages.

    Raises:
        StageError: a network of another kind, random results, or scores that later tokens change.
    """
    length = min(TOKENS, context or TOKENS)
    device = next(network.parameters()).device
    # Spread over the vocabulary, away from its ends, where the tokens that pad and mask usually are.
    spread = torch.linspace(vocabulary * 0.2, vocabulary * 0.8, 3 * length + 1).long().to(device)
    ids, other = spread[:-1].reshape(length, 3).T.contiguous(), spread[-1]

    def scores(given: Tensor) -> Tensor:
        found = network(input_ids=given, use_cache=False).logits
        if found.ndim != 3 or found.shape[:2] != given.shape:
            raise ValueError(f"scores of shape {tuple(found.shape)} for tokens of shape {tuple(given.shape)}")
        scored: Tensor = found
        return scored

    with _in_single(network):
        try:
            before = repeatable(lambda n: scores(ids[:n]), network, what)[:, :-1]
            changed = ids.clone()
            changed[:, -1] = other
            with _undisturbed():
                after = scores(changed)[:, :-1]
        except StageError:
            raise
        except Exception as e:  # whatever the inside of a network of another kind raises
            raise StageError(
                f"{what}: {kind(network)} does not score texts ({one_line(e)}); expected a causal language model"
            ) from None
        dtype = _dtype(network)
        # The shapes are equal, so that only layers that route tokens may round differently, by units of the type.
        limit = min(tolerance(network, dtype), max(_PLAIN, 2 * float(torch.finfo(dtype).eps)))
    if length > 1 and (apart := _apart(before, after)) > limit:
        raise StageError(
            f"{what}: {kind(network)} is not causal: another last token changes the scores of earlier ones "
            f"(by {apart:.2g}; rounding explains {limit:.2g}); expected a language model that reads left to right"
        )


def kind(network: nn.Module) -> str:
    """The network's class with its article; of a network that only reads one output of a model, the model's."""
    name = type(getattr(network, "model", network)).__name__ if _wraps(network) else type(network).__name__
    return article(name)


def _wraps(network: nn.Module) -> bool:
    """Whether it only reads one output of the model in it."""
    return [name for name, _ in network.named_children()] == ["model"] and not hasattr(network, "config")


def _apart(one: Tensor, other: Tensor) -> float:
    """Distance relative to the size of the first; infinite for other shapes.

    Numbers that are not finite in both are left out: the stages refuse them, and say where they are.
    """
    if one.shape != other.shape:
        return math.inf
    one, other = one.detach().double().cpu(), other.detach().double().cpu()
    finite = one.isfinite()
    if not bool((finite == other.isfinite()).all()):
        return math.inf
    gap, size = float((one - other)[finite].norm()), float(one[finite].norm())
    return 0.0 if gap == 0 else gap / size if size else math.inf


def _dtype(network: nn.Module) -> torch.dtype:
    """The coarsest floating-point type of the weights."""
    types = {p.dtype for p in network.parameters() if p.is_floating_point()} or {torch.float32}
    return max(types, key=lambda dtype: torch.finfo(dtype).eps)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """No gradients, exact arithmetic, and the CPU's random numbers as they were."""
    from transformers.utils import logging

    # Not inference_mode: a network may keep a tensor of this forward, and be trained later.
    with torch.random.fork_rng(devices=[]), torch.no_grad(), exact(), hushed(logging):
        yield


@contextmanager
def _in_single(network: nn.Module) -> Iterator[None]:
    """A small network's half-precision weights in fp32 for a while; every weight gets its own type back."""
    halves = [p for p in network.parameters() if p.dtype in (torch.bfloat16, torch.float16)]
    if sum(p.numel() for p in network.parameters()) > SMALL or len({p.dtype for p in halves}) != 1:
        halves = []
    dtype = halves[0].dtype if halves else torch.float32
    if any(p.dtype == torch.uint8 for p in network.parameters()):
        halves = []  # quantised layers compute in the type that they were opened for
    for weight in halves:
        weight.data = weight.data.float()
    try:
        yield
    finally:
        for weight in halves:
            weight.data = weight.data.to(dtype)
