"""More repeats than a suite lists: the same ones wherever they are added, so that they pair."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import count, islice

from harness.suite.model import Suite


def continued(suite: Suite, repeats: int) -> Suite:
    """The suite with ``repeats`` repeats: its own first, in their order, or the first of them.

    Each list of seeds goes on with the smallest numbers from 0 that are not in it: ``[0, 1, 2]`` with 3, 4, 5 …,
    ``[7, 1]`` with 0, 2, 3 … Repeat *i* takes the *i*-th of each list, new ones too. A list that is continued in
    two steps is the list continued in one.
    """
    axes = (replace(a, values=tuple(islice(_continued(a.values), repeats))) for a in suite.seeds)
    return replace(suite, seeds=tuple(axes))


def _continued(values: Iterable[int]) -> Iterator[int]:
    own = list(values)
    taken = frozenset(own)
    yield from own
    yield from (n for n in count() if n not in taken)
