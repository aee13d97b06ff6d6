"""What a language model reads before it writes a prompt: instruction and passages, as many as it has room for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from jinja2 import TemplateError
from transformers.utils import logging as transformers_logging

from harness.compute.precisions import Precision, dtype_of
from harness.compute.quiet import hushed
from harness.errors import StageError
from harness.systems.language_model import decoding
from harness.systems.language_model.models import checks
from harness.systems.language_model.models.opening import Opened, context_of, open_model
from harness.systems.language_model.models.quantising import Quantisation, quantised
from harness.systems.language_model.models.tokenizers import fit, read_tokenizer
from harness.systems.prompt_writer.writing.table import Passage
from harness.systems.prompt_writer.writing.tidying import one_line
from harness.systems.prompt_writer.writing.wording import Instruction

Style = Literal["instruct", "complete"]

_TURN = "\n\nPrompt:"
"""Where a model without a chat template is to begin; else it goes on with the instruction."""


class Question(NamedTuple):
    """The tokens that a model goes on from."""

    ids: list[int]
    passages: tuple[Passage, ...]
    """As they stand in it."""
    shortened: bool
    """Some of their words had no room."""


@dataclass(frozen=True)
class Asker:
    """Makes questions for one model."""

    opened: Opened
    instruction: Instruction
    style: Style
    room: int
    """The most tokens that a question may have."""

    def question(self, label: str, passages: Sequence[Passage]) -> Question:
        """The instruction for a class, with passages whose last words are left out where there is no room.

        Raises:
            StageError: there is no room for a single word of them.
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
            raise StageError(
                f"the instruction for {label!r} leaves no room for a passage: the model reads "
                f"{self.opened.context} tokens at once, and {self.opened.context - self.room} are to be written; "
                "set a shorter instruction, or fewer max_tokens"
            )
        kept = _first(texts, fits)
        return Question(self._ids(label, kept), _kept(passages, kept), True)

    def _ids(self, label: str, texts: Sequence[Sequence[str]]) -> list[int]:
        text = self.instruction.of(label, [" ".join(words) for words in texts if words])
        with hushed(transformers_logging):  # of texts that are too long
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
        """A passage cannot end the question or begin an answer: the marks that do so are taken out of it."""
        for mark in self.opened.tokenizer.all_special_tokens:
            text = text.replace(mark, " ")
        return one_line(text)


def open_writer(
    model: Path, base: Path | None, *, four_bits: bool, precision: Precision, device: str
) -> Opened:
    """Open a model as ``open_model`` does, or with its linear layers in four bits (nf4, double).

    Raises:
        StageError: as ``open_model``; ``four_bits`` for an adapter, which says itself how its base is stored.
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
    return Opened(network, tokenizer, context_of(network, "the model"))


def _first(texts: Sequence[Sequence[str]], count: int) -> list[Sequence[str]]:
    """The first ``count`` words of all texts together."""
    kept: list[Sequence[str]] = []
    for words in texts:
        kept.append(words[:count])
        count = max(0, count - len(words))
    return kept


def _kept(passages: Sequence[Passage], texts: Sequence[Sequence[str]]) -> tuple[Passage, ...]:
    return tuple(p._replace(text=" ".join(words)) for p, words in zip(passages, texts, strict=True) if words)
