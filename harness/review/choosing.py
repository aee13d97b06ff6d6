"""Which images people see, and in which order: balanced, mixed with real ones, some of them twice.

Pure: the same pool, numbers and seed make the same choice.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import UsageError
from harness.review.pool import Picture, Pool

CONTROLS = 0.2
"""Share of real images."""
REPEATS = 10
"""One image in so many is shown again; its two showings lie a third of the review apart or more."""
LEAST = 6


@dataclass(frozen=True)
class Showing:
    """One place in the order."""

    picture: Picture
    again: bool
    """The second time."""


def choose(pool: Pool, count: int, seed: int) -> list[Showing]:
    """``count`` different images in the order of the page, and a tenth of them once more.

    Every system gets as many as every other, or one more; within a system every class likewise.

    Raises:
        UsageError: fewer images than asked for, or too few for every system to be rated.
    """
    rng = random.Random(seed)
    real = min(max(round(CONTROLS * count), 1), len(pool.controls)) if pool.controls else 0
    least = max(LEAST, len(pool.systems) + real)
    if count < least:
        raise UsageError(
            f"--count {count}: {len(pool.systems)} systems and {real} real images need {least} at least"
        )
    queues = [_by_class(pictures, rng, turn) for turn, pictures in enumerate(pool.systems.values())]
    rng.shuffle(queues)
    chosen = _in_turn(queues, count - real) + _by_class(pool.controls, rng, 0)[:real]
    if len(chosen) < count:
        raise UsageError(f"--count {count}: the run has {len(chosen)} images to rate")
    rng.shuffle(chosen)
    return _with_repeats(chosen, rng)


def _by_class(pictures: Sequence[Picture], rng: random.Random, turn: int) -> list[Picture]:
    """In random order, but the first few are of different classes; ``turn`` is the class that begins."""
    shuffled = list(pictures)
    rng.shuffle(shuffled)
    seen: Counter[str] = Counter()
    labels = sorted({p.row.label or "" for p in pictures})
    rank = {label: (i - turn) % len(labels) for i, label in enumerate(labels)}
    placed = []
    for picture in shuffled:
        label = picture.row.label or ""
        placed.append((seen[label], rank[label], picture))
        seen[label] += 1
    return [picture for *_, picture in sorted(placed, key=lambda p: p[:2])]


def _in_turn(queues: Sequence[Sequence[Picture]], count: int) -> list[Picture]:
    """The first of every queue, then the second of every queue."""
    longest = max(map(len, queues), default=0)
    return [queue[i] for i in range(longest) for queue in queues if i < len(queue)][:count]


def _with_repeats(order: Sequence[Picture], rng: random.Random) -> list[Showing]:
    """Images of the first third come again among the last third."""
    third = len(order) // 3
    again = rng.sample(list(order[:third]), -(-len(order) // REPEATS))
    late = [Showing(p, False) for p in order[2 * third :]] + [Showing(p, True) for p in again]
    rng.shuffle(late)
    return [Showing(p, False) for p in order[: 2 * third]] + late
