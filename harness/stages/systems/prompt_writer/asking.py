"""The input of a language model that writes prompts, and its answers, determined by seed, class, number and attempt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Literal, NamedTuple

from jinja2 import TemplateError
from transformers.utils import logging as transformers_logging

from harness.compute.precisions import Precision, dtype_of
from harness.compute.seeds import drawn
from harness.compute.weights import hushed
from harness.errors import StageError
from harness.formats.prompts import Passage
from harness.stage import Job
from harness.stages.systems.language_model import checks, decoding, write_all
from harness.stages.systems.language_model.adapters import Quantisation, quantised
from harness.stages.systems.language_model.checks import context_of, fit, read_tokenizer, tried
from harness.stages.systems.language_model.opening import Opened, open_model
from harness.stages.systems.prompt_writer.drafting import (
    Answer,
    Instruction,
    Turn,
    continued,
    instructed,
    one_line,
)

Style = Literal["instruct", "complete"]

_TURN = "\n\nPrompt:"
"""Added for a model without a chat template, which would otherwise continue the instruction."""


class Question(NamedTuple):
    """The tokens that a model continues."""

    ids: list[int]
    passages: tuple[Passage, ...]
    """The passages as they are in the question."""
    shortened: bool
    """Whether some of their words were left out for lack of room."""


@dataclass(frozen=True)
class Asker:
    """Makes questions for one model."""

    opened: Opened
    instruction: Instruction
    style: Style
    room: int
    """Maximum number of tokens of a question."""

    def question(self, label: str, passages: Sequence[Passage]) -> Question:
        """The instruction for a class with passages, which lose their last words if there is too little room.

        Raises:
            StageError: there is not even room for one word of the passages.
        """
        texts = [self._harmless(passage.text).split() for passage in passages]
        total = sum(len(text) for text in texts)
        if len(ids := self._ids(label, texts)) <= self.room:
            return Question(ids, _kept(passages, texts), False)
        fits, too_many = 0, total
        while too_many - fits > 1:
            middle = (fits + too_many) // 2
            if len(self._ids(label, _first(texts, middle))) <= self.room:
                fits = middle
            else:
                too_many = middle
        if fits == 0:
            reads = self.opened.context or self.room
            raise StageError(
                f"the instruction for {label!r} leaves no room for a passage: the model reads "
                f"{reads} tokens at once, and {reads - self.room} are to be written; "
                "set a shorter instruction, or fewer max_tokens"
            )
        kept = _first(texts, fits)
        return Question(self._ids(label, kept), _kept(passages, kept), True)

    def _ids(self, label: str, texts: Sequence[Sequence[str]]) -> list[int]:
        text = self.instruction.of(label, [" ".join(words) for words in texts if words])
        with hushed(transformers_logging):  # warnings about texts that are too long
            return self._encoded(text)

    def _encoded(self, text: str) -> list[int]:
        tokenizer = self.opened.tokenizer
        if self.style == "complete":
            return decoding.encoded(tokenizer, text)
        if tokenizer.chat_template is None:
            return decoding.encoded(tokenizer, f"{text}{_TURN}")
        try:
            chat = tokenizer.apply_chat_template(
                [{"role": "user", "content": text}], add_generation_prompt=True, tokenize=False
            )
        except TemplateError as e:
            raise StageError(f"the model: its chat template cannot be used ({e})") from None
        ids: list[int] = tokenizer(chat, add_special_tokens=False).input_ids
        return ids

    def _harmless(self, text: str) -> str:
        """A passage without special tokens, so that it cannot end the question or begin an answer."""
        for mark in self.opened.tokenizer.all_special_tokens:
            text = text.replace(mark, " ")
        return one_line(text)


def open_writer(
    model: Path, base: Path | None, *, four_bits: bool, precision: Precision, device: str
) -> Opened:
    """Open a model as ``open_model`` does, or with its linear layers in four bits (nf4, double quantisation).

    Raises:
        StageError: as ``open_model``; ``four_bits`` for an adapter, which itself records how its base is quantised.
    """
    if not four_bits:
        return open_model(model, base, precision=precision, device=device)
    if base is not None or checks.is_adapter(model):
        raise StageError(
            "four_bits: an adapter's base is stored as it was when the adapter was trained; remove it"
        )
    network = quantised(model, Quantisation("nf4", True, precision), dtype_of(precision), device, "the model")
    tokenizer = read_tokenizer(model, "the model")
    fit(tokenizer, network, model, "the model")
    tried(network, network, "the model")
    return Opened(network, tokenizer, context_of(network))


def _first(texts: Sequence[Sequence[str]], count: int) -> list[Sequence[str]]:
    """The first ``count`` words of all texts together."""
    kept: list[Sequence[str]] = []
    for words in texts:
        kept.append(words[:count])
        count = max(0, count - len(words))
    return kept


def _kept(passages: Sequence[Passage], texts: Sequence[Sequence[str]]) -> tuple[Passage, ...]:
    return tuple(p._replace(text=" ".join(words)) for p, words in zip(passages, texts, strict=True) if words)


@dataclass
class Answering:
    """Asks one model and keeps the questions."""

    asker: Asker
    hits: Mapping[str, Sequence[Passage]]
    """The passages found for each class, the best first."""
    passages: int
    """Number of passages in a question."""
    sampling: decoding.Sampling
    max_tokens: int
    precision: Precision
    batch_size: int
    """Prompts at once; reduced to what fits into memory."""
    job: Job
    questions: dict[Turn, Question] = field(default_factory=dict)
    tokens: int = 0
    """Number of tokens generated so far."""

    def ask(self, turns: Sequence[Turn]) -> list[Answer]:
        """One answer for each turn."""
        for turn in turns:
            self.questions[turn] = self.asker.question(turn.place.label, self._passages(turn))
        prompts = [decoding.Prompt(_draws(turn), turn.attempt, self.questions[turn].ids) for turn in turns]
        opened, size = self.asker.opened, self.batch_size
        written, self.batch_size = write_all(
            opened, prompts, self.max_tokens, self.sampling, self.precision, size, self.job
        )
        self.tokens += sum(text.tokens for text in written)
        return [self._answer(turn.place.label, text.text) for turn, text in zip(turns, written, strict=True)]

    def _passages(self, turn: Turn) -> list[Passage]:
        """Passages drawn anew for each prompt and each attempt at it, in the index's order."""
        (label, number), attempt = turn
        named = {f"{label}#{number}#{attempt}#{hit.id}": hit for hit in self.hits[label]}
        chosen = set(drawn(named, self.sampling.seed)[: self.passages])
        return [hit for name, hit in named.items() if name in chosen]

    def _answer(self, label: str, text: str) -> Answer:
        instruction = self.asker.instruction
        if self.asker.style == "complete":
            return continued(instruction.last_line.of(label), text)
        return instructed(text, instruction.sentences(label))


def _draws(turn: Turn) -> int:
    """Seed for the draws of one prompt, independent of the other classes and prompts."""
    return int.from_bytes(sha256(f"{turn.place.label}#{turn.place.number}".encode()).digest()[:6], "big")
