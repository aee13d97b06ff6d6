"""Divides a corpus into texts, and the tokens of each text into windows that predict each token exactly once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from harness.errors import StageError
from harness.formats.corpus import Row

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


class Window(NamedTuple):
    """One input of the network, and the tokens that its last positions should predict."""

    inputs: Sequence[int]
    targets: Sequence[int]
    """At least one, at most as many as there are inputs."""


def windows(
    tokens: Sequence[int], *, context: int, stride: int, prefix: int | None, repeat: bool
) -> Iterator[Window]:
    """The windows of one text, in order.

    The first predicts up to ``context`` tokens. Each further window predicts the next ``stride`` tokens, given as many
    earlier tokens as fit. The last window is as long as the others: it reaches further back. With a prefix that is not
    repeated, these are the rolling windows of the EleutherAI harness, ``get_rolling_token_windows(tokens, prefix,
    max_seq_len=context, context_len=context - stride + 1)``.

    Args:
        tokens: tokens of the whole text.
        context: maximum number of inputs of one window.
        stride: from 1 to ``context``.
        prefix: token that the first token is predicted from; None if the first token is not predicted.
        repeat: begin every window with the prefix, which replaces the earliest token in it.
    """
    line = tokens if prefix is None else [prefix, *tokens]
    begin, end = 1, min(1 + context, len(line))
    while begin < end:
        start = max(0, end - 1 - context)
        inputs = line[start : end - 1]
        if repeat and prefix is not None and start > 0:
            inputs = [prefix, *inputs[1:]]
        yield Window(inputs, line[begin:end])
        begin, end = end, min(end + stride, len(line))


Bos = Literal["text", "window", "none"]
Unit = Literal["document", "row"]


class Text(NamedTuple):
    """A text that is scored as a unit."""

    item: str
    """Unique."""
    document: str
    text: str


def texts(rows: Sequence[Row], unit: Unit) -> list[Text]:
    """The texts of a corpus, in order of first appearance.

    Args:
        rows: rows of the corpus.
        unit: ``document`` joins a document's rows, by number, with a newline; ``row`` takes each by itself.

    Raises:
        StageError: a document has two rows with the same number.
    """
    documents: dict[str, dict[int, str]] = {}
    for row in rows:
        members = documents.setdefault(row.document, {})
        if row.row in members:
            raise StageError(f"{row.document}: row {row.row} is there twice")
        members[row.row] = row.text
    if unit == "row":
        return [Text(f"{row.document}:{row.row}", row.document, row.text) for row in rows]
    return [
        Text(document, document, "\n".join(text for _, text in sorted(members.items())))
        for document, members in documents.items()
    ]


class Planned(NamedTuple):
    """A text's tokens, and how much of the text its windows predict."""

    ids: Sequence[int]
    tokens: int
    bytes: int
    """Number of UTF-8 bytes of the text itself, including what its tokenizer drops or replaces."""
    unknown: int
    """Number of unknown tokens."""
    special: int
    """Number of special tokens that are spelt out in the text."""


@dataclass(frozen=True)
class Rule:
    """How a text is divided into windows.

    Special tokens are added here and never by the tokenizer, so that none is added twice.
    """

    context: int
    stride: int
    prefix: int | None
    """None: the first token is not predicted."""
    repeat: bool
    """Whether the prefix begins every window, not only the first."""
    eos: int | None
    """Token that is appended and predicted; None for none."""
    marks: frozenset[int] = frozenset()
    """Special tokens, which are counted where a text spells them out."""

    def plan(self, text: str, tokenizer: PreTrainedTokenizerFast) -> Planned | None:
        """The plan for a text; None if none of its tokens is predicted."""
        encoded = tokenizer(
            text,
            add_special_tokens=False,
            return_attention_mask=False,
            return_offsets_mapping=self.prefix is None,
            verbose=False,  # no warning: windows handle texts longer than the context
        )
        ids: list[int] = encoded["input_ids"]
        if not ids:
            return None
        given = 0
        if self.prefix is None:
            # Up to the second token: a character that it shares with the first is at least partly predicted.
            starts = [start for start, _ in encoded["offset_mapping"][1:2]]
            given = len(text[: starts[0]].encode()) if starts else len(text.encode())
        unknown = 0 if tokenizer.unk_token_id is None else ids.count(tokenizer.unk_token_id)
        special = sum(token in self.marks for token in ids)
        if self.eos is not None:
            ids = [*ids, self.eos]
        predicted = len(ids) - (self.prefix is None)
        return Planned(ids, predicted, len(text.encode()) - given, unknown, special) if predicted else None

    def windows(self, planned: Planned) -> Iterator[Window]:
        """The windows of a planned text. They predict ``planned.tokens`` tokens in all."""
        return windows(
            planned.ids, context=self.context, stride=self.stride, prefix=self.prefix, repeat=self.repeat
        )


def special_ids(tokenizer: PreTrainedTokenizerFast) -> frozenset[int]:
    """The tokens that mark something rather than stand for text (``<|endoftext|>``); the unknown token is none."""
    added = {token for token, of in tokenizer.added_tokens_decoder.items() if of.special}
    return frozenset((added | set(tokenizer.all_special_ids)) - {tokenizer.unk_token_id})


def rule(
    tokenizer: PreTrainedTokenizerFast, *, context: int, stride: int, bos: Bos, eos: bool, longest: int | None
) -> Rule:
    """The rule that a stage's parameters give for a tokenizer. A text begins with BOS, or with EOS if there is no BOS.

    Args:
        tokenizer: provides the special tokens.
        context, stride, bos, eos: as in ``likelihood``.
        longest: maximum input of the model, in tokens; None if it does not say.

    Raises:
        StageError: a context longer than the model's; a special token that the tokenizer does not have.
    """
    if longest is not None and context > longest:
        raise StageError(f"context: {context} tokens; this model takes at most {longest}")
    if stride > context:
        raise StageError(
            f"stride: {stride} is more than the context of {context}; every token is to be predicted"
        )
    prefix: int | None = None
    if bos != "none":
        prefix = tokenizer.eos_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
        if prefix is None:
            raise StageError(f"bos: {bos}, but the tokenizer has neither BOS nor EOS; set bos: none")
    if eos and tokenizer.eos_token_id is None:
        raise StageError("eos: yes, but the tokenizer has no EOS; set eos: no")
    end = tokenizer.eos_token_id if eos else None
    return Rule(context, stride, prefix, bos == "window", end, special_ids(tokenizer))
