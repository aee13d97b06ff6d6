"""Continues prompts token by token: greedily, or sampled with a separate generator for each text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from harness.compute.device import exact
from harness.compute.seeds import mixed
from harness.errors import StageError
from harness.stages.systems.language_model.opening import Opened


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen."""

    temperature: float
    """0 takes the most likely token."""
    top_p: float
    """Sample only from the most likely tokens with this total probability (Holtzman et al. 2020)."""
    seed: int


@dataclass(frozen=True)
class Prompt:
    """The beginning of one text."""

    index: int
    """Index of the prompt, from 0."""
    sample: int
    """Index among the texts for this prompt, from 0."""
    ids: list[int]


class Written(NamedTuple):
    """The continuation of a prompt."""

    text: str
    tokens: int
    """Number of tokens, without the end-of-text token."""
    ended: bool
    """Whether it ended by itself, not because of the maximum number of tokens."""


def encoded(tokenizer: PreTrainedTokenizerFast, prompt: str) -> list[int]:
    """The tokens of a prompt, begun as the tokenizer begins texts. An empty prompt is a beginning-of-text token.

    An end-of-text token that some tokenizers append is removed, because no text can follow it.
    """
    ids: list[int] = tokenizer(prompt).input_ids
    if ids[-1:] == [tokenizer.eos_token_id] and not prompt.endswith(tokenizer.eos_token):
        ids = ids[:-1]
    start = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    return ids or [start]


def write_on(
    opened: Opened, prompts: Sequence[Prompt], *, max_tokens: int, sampling: Sampling, device: str
) -> list[Written]:
    """The texts for one batch of prompts, in the same order.

    Prompts are padded on the left and the padding is masked, so that (in fp32) a text does not depend on the others in
    its batch. The padding token does not matter: it is the end of a text, which every tokenizer has.
    """
    longest = max(len(prompt.ids) for prompt in prompts)
    end = opened.tokenizer.eos_token_id
    ids = torch.tensor([[end] * (longest - len(p.ids)) + p.ids for p in prompts])
    mask = torch.tensor([[0] * (longest - len(p.ids)) + [1] * len(p.ids) for p in prompts])
    stops = _stops(opened)
    with torch.inference_mode(), exact():
        out = opened.network.generate(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            max_new_tokens=max_tokens,
            do_sample=False,  # ``Choice`` has left a single token to choose
            logits_processor=[Choice(prompts, sampling)],
            eos_token_id=stops,
            pad_token_id=end,
        )
    new = out[:, longest:].tolist()
    return [written(opened.tokenizer, p.ids, ids, stops) for p, ids in zip(prompts, new, strict=True)]


class Choice:
    """Chooses the next token of each text by giving all others a score of minus infinity.

    Called by ``generate`` with the tokens so far, int64 (B, L), and the scores of the next one, float (B, V), for
    the B texts that it was made for.
    """

    def __init__(self, prompts: Sequence[Prompt], sampling: Sampling) -> None:
        self.sampling = sampling
        self.generators = [
            torch.Generator().manual_seed(mixed(sampling.seed, prompt.index, prompt.sample))
            for prompt in prompts
        ]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if not bool(scores.isfinite().all()):
            raise StageError("the model gives scores of tokens that are not finite numbers")
        if self.sampling.temperature == 0:
            return scores
        # On the CPU and in float64, so that for the same scores a draw is the same on every device.
        likely, order = scores.cpu().double().sort(dim=-1, descending=True, stable=True)
        shares = ((likely - likely[:, :1]) / self.sampling.temperature).softmax(dim=-1)
        before = shares.cumsum(dim=-1) - shares
        shares[:, 1:].masked_fill_(before[:, 1:] >= self.sampling.top_p, 0)
        sums = shares.cumsum(dim=-1)
        draws = torch.stack([torch.rand(1, generator=g, dtype=torch.float64) for g in self.generators])
        chosen = torch.searchsorted(sums, draws * sums[:, -1:], right=True)
        chosen = chosen.clamp(max=scores.shape[-1] - 1)
        only = torch.full_like(scores, -torch.inf)
        return only.scatter(1, order.gather(1, chosen).to(scores.device), 0)


def _stops(opened: Opened) -> list[int]:
    """Tokens that end a text: the tokenizer's, and those in the model's own settings."""
    said: Any = opened.network.generation_config.eos_token_id
    own = said if isinstance(said, list) else [] if said is None else [said]
    return sorted({opened.tokenizer.eos_token_id, *own})


def written(
    tokenizer: PreTrainedTokenizerFast, prompt: list[int], new: list[int], stops: list[int]
) -> Written:
    """Decode a text with its prompt and cut the prompt off. Decoded alone, its first word may lose its space."""
    length = next((i for i, token in enumerate(new) if token in stops), len(new))
    before, whole = (
        tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        for ids in (prompt, prompt + new[:length])
    )
    return Written(whole[len(before) :], length, length < len(new))
