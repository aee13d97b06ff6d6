"""Windows over a text's tokens, such that every token is predicted exactly once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple


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
