"""Sources of which each repeat reads its own file or folder: ``path:../out/seed-{seed}.csv``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.artifact import Json
from harness.errors import UsageError
from harness.sources.hub import Source

SEED = "{seed}"
"""What stands for the seed of a repeat in a path."""


@dataclass(frozen=True)
class BySeed:
    """A source for each repeat, by the seed of the stage that reads it."""

    text: str
    """As written in the suite."""
    members: Mapping[int, Source] = field(compare=False)
    """Seed → the source of that repeat."""

    def to_key(self) -> Json:
        """The name with the content of each repeat, as settings have it. The key of a task has that of its repeat."""
        return {self.text: {str(seed): member.to_key() for seed, member in self.members.items()}}


def is_by_seed(source: Source) -> bool:
    """Whether a source is one file or folder for each repeat."""
    return source.place is not None and SEED in source.text


def by_seed(source: Source, seeds: Iterable[int]) -> BySeed:
    """The sources of some repeats, not yet resolved.

    Raises:
        UsageError: the source is pinned.
    """
    if source.pin is not None:
        raise UsageError(f"{source.text}: one digest cannot pin the files of several repeats")
    return BySeed(source.text, {seed: _of_seed(source, seed) for seed in seeds})


def _of_seed(source: Source, seed: int) -> Source:
    place = Path(str(source.place).replace(SEED, str(seed)))
    return Source(source.text.replace(SEED, str(seed)), place=place)
