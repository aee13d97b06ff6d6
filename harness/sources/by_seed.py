"""Sources of which each repeat reads its own file or folder: ``path:../out/seed-{seed}.csv``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True)
class Member(Source):
    """The source of one repeat, which its seed has chosen."""


def is_by_seed(source: Source) -> bool:
    """Whether a source is one file or folder for each repeat."""
    return source.place is not None and SEED in source.text


def has_seed(source: Any) -> bool:
    """Whether a seed decides what is read: a source by seed, as written, looked up, or that of one repeat."""
    return isinstance(source, BySeed | Member) or (isinstance(source, Source) and is_by_seed(source))


def by_seed(source: Source, seeds: Iterable[int]) -> BySeed:
    """The sources of some repeats, not yet resolved.

    Raises:
        UsageError: the source is pinned.
    """
    if source.pin is not None:
        raise UsageError(f"{source.text}: one digest cannot pin the files of several repeats")
    return BySeed(source.text, {seed: _of_seed(source, seed) for seed in seeds})


def _of_seed(source: Source, seed: int) -> Member:
    # Only the end of the path is the pattern's: the folder of the suite may have any name.
    parts = str(source.place).rsplit(SEED, source.text.count(SEED))
    return Member(source.text.replace(SEED, str(seed)), place=Path(str(seed).join(parts)))


REPEATS_NOTHING = (
    f"all seeds would read the same: put {SEED} into the path of the source, for one of each seed"
)


def idle_without_pattern(parameters: Mapping[str, Any]) -> Mapping[str, str]:
    """For stages that draw nothing: their ``seed`` has no effect, unless it chooses the ``source``."""
    return {} if has_seed(parameters["source"]) else {"seed": REPEATS_NOTHING}
