"""What of a corpus is scored as one text, and windows over its tokens such that each is predicted exactly once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from harness.errors import StageError
from harness.formats.corpus import Row

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


class Window(NamedTuple):
    """One input of the network, and what its last positions are to predict."""

    inputs: Sequence[int]
    targets: Sequence[int]
    """At least one, and no more than there are inputs."""


def windows(
    tokens: Sequence[int], *, context: int, stride: int, prefix: int | None, repeat: bool
) -> Iterator[Window]:
    """The windows of one text, in order.

    The first predicts up to ``context`` tokens, each further one the next ``stride``, given as many of the tokens
    before them as fit. The last is no shorter than the others: it reaches further back. With a prefix that is not
    repeated these are the rolling windows of the EleutherAI harness, ``get_rolling_token_windows(tokens, prefix,
    max_seq_len=context, context_len=context - stride + 1)``.

    Args:
        tokens: of the whole text.
        context: inputs of one window, at most.
        stride: from 1 to ``context``.
        prefix: what the first token is predicted from; None where the first token is not predicted.
        repeat: begin every window with the prefix, at the expense of the earliest token in it.
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
    """What is scored as one."""

    item: str
    """Unique."""
    document: str
    text: str


def texts(rows: Sequence[Row], unit: Unit) -> list[Text]:
    """The texts of a corpus, in order of first appearance.

    Args:
        rows: of the corpus.
        unit: ``document`` joins a document's rows, by number, with a newline; ``row`` takes each by itself.

    Raises:
        StageError: a document has a row twice.
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
    """A text's tokens, and how much of it its windows predict."""

    ids: Sequence[int]
    tokens: int
    bytes: int
    """UTF-8, of the text itself: what its tokenizer drops or replaces counts all the same."""
    unknown: int
    """Tokens that stand for something that the tokenizer does not know."""


@dataclass(frozen=True)
class Rule:
    """How a text becomes windows.

    Special tokens are added here and never by the tokenizer, whose own might double them.
    """

    context: int
    stride: int
    prefix: int | None
    """None: the first token is not predicted."""
    repeat: bool
    """The prefix begins every window, not only the first."""
    eos: int | None
    """Appended and predicted."""

    def plan(self, text: str, tokenizer: PreTrainedTokenizerFast) -> Planned | None:
        """None for a text of which nothing is predicted."""
        encoded = tokenizer(
            text,
            add_special_tokens=False,
            return_attention_mask=False,
            return_offsets_mapping=self.prefix is None,
            verbose=False,  # a text longer than the model's context is what the windows are for
        )
        ids: list[int] = encoded["input_ids"]
        if not ids:
            return None
        given = 0
        if self.prefix is None:
            # Up to the second token: a character that it shares with the first is predicted, in part at least.
            starts = [start for start, _ in encoded["offset_mapping"][1:2]]
            given = len(text[: starts[0]].encode()) if starts else len(text.encode())
        unknown = 0 if tokenizer.unk_token_id is None else ids.count(tokenizer.unk_token_id)
        if self.eos is not None:
            ids = [*ids, self.eos]
        predicted = len(ids) - (self.prefix is None)
        return Planned(ids, predicted, len(text.encode()) - given, unknown) if predicted else None

    def windows(self, planned: Planned) -> Iterator[Window]:
        """They predict ``planned.tokens`` tokens in all."""
        return windows(
            planned.ids, context=self.context, stride=self.stride, prefix=self.prefix, repeat=self.repeat
        )


def rule(
    tokenizer: PreTrainedTokenizerFast, *, context: int, stride: int, bos: Bos, eos: bool, longest: int
) -> Rule:
    """The rule that a stage's parameters mean for a tokenizer; a text begins with BOS, or EOS where there is none.

    Args:
        tokenizer: names the special tokens.
        context, stride, bos, eos: as in ``likelihood``.
        longest: input that the model takes, in tokens.

    Raises:
        StageError: more context than the model takes; a special token that the tokenizer does not have.
    """
    if context > longest:
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
    return Rule(context, stride, prefix, bos == "window", tokenizer.eos_token_id if eos else None)
