"""The evidence of the repeats on both sides of a comparison: how far a field changed, and how sure that is.

The repeats of each side are those of ``sample``. A change is *exact* only if both sides were made of equal bytes, or of
items that are all alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.compare import stats
from harness.compare.match import Pair
from harness.compare.sample import (
    LEAST,
    Rows,
    SeedKey,
    Side,
    by_seeds,
    distinct,
    grid_of,
    is_same,
    known_outputs,
    known_over_items,
    known_over_seeds,
    mean_of,
    nested,
    outputs,
    rows_of,
    seeds_of,
    step_of,
    value_of,
)
from harness.store.record import Score

Unit = Literal["seeds", "items", "exact", "one"]

ONE = "one value a side, and nothing says how far another would be"
NO_STEP = "which says nothing of a further one: the metric names no `steps` for it"


@dataclass(frozen=True)
class Evidence:
    """One field of one metric on both sides, in the metric's own unit and sign."""

    baseline: float
    candidate: float
    unit: Unit
    paired: bool
    repeats: int
    """Number of differences, or of the smaller side's repeats if not paired; nested repeats and clusters count once."""
    spread: stats.Estimate | None
    """Estimate of candidate − baseline; None if nothing was repeated, or too little."""
    lacking: str = ""
    """Why these repeats are too few for a verdict; empty if they are enough."""
    silent: str = ""
    """Why no claim can be made about the change; empty if one can be made."""
    note: str = ""
    """Which repeats gave the same output as another, and how many seeds are shared if too few; empty if all count."""
    seeds: frozenset[SeedKey] | None = None
    """The seeds that count, if seeds are the unit."""
    alike: bool = True
    """If items are the unit: whether both sides have the same items in the same clusters."""
    pairs: Sequence[Pair] = ()
    """The scores with those repeats that count, and their equals: what else is said about the change is of these."""

    @property
    def change(self) -> float:
        """Candidate − baseline, 0 where it is no more than rounding."""
        if self.spread is not None:
            return self.spread.mean
        change = self.candidate - self.baseline
        size = max(abs(self.baseline), abs(self.candidate))
        return 0.0 if abs(change) <= stats.rounding(size, 1) else change

    @property
    def exact(self) -> bool:
        """Whether both sides were made of the same bytes, or of items that are all alike: then nothing is uncertain."""
        return self.unit == "exact"

    def interval(self, confidence: float = stats.CONFIDENCE) -> tuple[float, float] | None:
        """Interval of the change; a point if it is exact, None if nothing bounds it."""
        if self.exact:
            return self.change, self.change
        return None if self.spread is None or self.silent else self.spread.interval(confidence)


def gather(pairs: Sequence[Pair], field: str, candidate: Side, baseline: Side) -> Evidence:
    """The evidence on one field of one metric: the mean over the points of ``pairs``, repeat by repeat.

    Every score of ``pairs`` is complete and has the field.
    """
    metric = pairs[0].candidate.metric
    counted = counting(pairs, candidate.run.metrics[metric].seeds)
    return replace(_gathered(counted, field, candidate, baseline), pairs=counted)


def counting(pairs: Sequence[Pair], order: Sequence[str]) -> Sequence[Pair]:
    """The pairs with the repeats of shared seeds only, if these are enough; otherwise as they are."""
    scores = [s for p in pairs for s in (p.candidate, p.baseline)]
    have = [{seeds_of(r) for r in s.repeats} for s in scores]
    shared = frozenset.intersection(*map(frozenset, have))
    if all(len(seeds) == len(shared) for seeds in have):
        return pairs
    if len(nested(sorted(shared), order)) < LEAST:
        return pairs
    return [Pair(_only(p.candidate, shared), _only(p.baseline, shared)) for p in pairs]


def _only(score: Score, seeds: frozenset[SeedKey]) -> Score:
    return replace(score, repeats=tuple(r for r in score.repeats if seeds_of(r) in seeds))


def _gathered(pairs: Sequence[Pair], field: str, candidate: Side, baseline: Side) -> Evidence:
    metric = pairs[0].candidate.metric
    ours, theirs = [p.candidate for p in pairs], [p.baseline for p in pairs]
    values = value_of(theirs, field), value_of(ours, field)
    info, other = candidate.run.metrics[metric], baseline.run.metrics[metric]
    timed = info.timed or other.timed
    if timed and (cached := _from_the_cache(theirs, ours)):
        return Evidence(*values, "one", False, 1, None, silent=cached)
    same = is_same(theirs, ours) and not timed
    note = ""
    if any((info.seeds, other.seeds)):
        found = _over_seeds(theirs, ours, field, other.seeds, info.seeds)
        if isinstance(found, Evidence):
            if not same or found.lacking:
                return found
            return replace(found, unit="exact", paired=True, spread=None, silent="")
        note = found
    if same:
        return Evidence(*values, "exact", True, 1, None, note=note)
    return _over_items(theirs, ours, field, baseline, candidate, note)


def _from_the_cache(theirs: Sequence[Score], ours: Sequence[Score]) -> str:
    """Why a comparison of times is not possible; empty if both sides took their times in the run itself."""
    late = [
        where
        for scores, where in ((theirs, "the baseline"), (ours, "this run"))
        if not all(r.clocked for s in scores for r in s.repeats)
    ]
    if not late:
        return ""
    return (
        f"no timing of {' or of '.join(late)}: what was timed came from the store (run it with --fresh STAGE)"
    )


def _over_seeds(
    theirs: Sequence[Score],
    ours: Sequence[Score],
    field: str,
    their_order: Sequence[str],
    our_order: Sequence[str],
) -> Evidence | str:
    """Paired on the seeds that both sides have, if these are enough; otherwise unpaired.

    If the seeds gave one output a side, the sentence that says so: items can be used instead.

    Repeats with the same value of the seed that repeats (which share the training, for example) are averaged to one.
    Repeats with the same output as another on either side are one repeat: a side that gave one output for all seeds
    does not show how far another would be.
    """
    before, after = by_seeds(theirs, field), by_seeds(ours, field)
    shared = [seeds for seeds in before if seeds in after]
    groups = nested(shared, our_order)
    if len(groups) >= LEAST:
        left_made, made = outputs(theirs), outputs(ours)
        both = distinct({o: [(left_made[s], made[s]) for s in seeds] for o, seeds in groups.items()})
        by_side = [
            distinct({o: [known[s] for s in seeds] for o, seeds in groups.items()})
            for known in (known_outputs(theirs), known_outputs(ours))
        ]
        kept = min(both, *by_side, key=len)
        note = _repeated(len(groups), len(both), *map(len, by_side))
        if len(both) == 1:
            return note
        if len(kept) < LEAST:
            return _of_two(theirs, ours, field, note)
        left, right = (
            [mean_of([mean_of([side[s] for s in groups[o]]) for o in outers]) for outers in kept]
            for side in (before, after)
        )
        weights = [len(outers) for outers in kept]
        spread = stats.weighted([b - a for a, b in zip(left, right, strict=True)], weights)
        means = _mean_of(left, weights), _mean_of(right, weights)
        grid = grid_of([*theirs, *ours], field, len(ours), groups)
        return _judged(spread, means, [*left, *right], grid, paired=True, note=note, seeds=frozenset(shared))
    theirs_by, ours_by = nested(list(before), their_order), nested(list(after), our_order)
    if min(len(theirs_by), len(ours_by)) < LEAST:
        lacking = _too_few(len(theirs_by), len(ours_by))
        values = value_of(theirs, field), value_of(ours, field)
        return Evidence(*values, "seeds", False, min(len(theirs_by), len(ours_by)), None, lacking)
    return _unpaired(theirs, ours, field, theirs_by, ours_by)


def _unpaired(
    theirs: Sequence[Score],
    ours: Sequence[Score],
    field: str,
    theirs_by: Mapping[int | None, Sequence[SeedKey]],
    ours_by: Mapping[int | None, Sequence[SeedKey]],
) -> Evidence | str:
    """Compares two means with different seeds."""
    sides, notes, counts = [], [], []
    for scores, groups, where in ((theirs, theirs_by, "in the baseline"), (ours, ours_by, "here")):
        values, made = by_seeds(scores, field), outputs(scores)
        kept = distinct({o: [made[s] for s in seeds] for o, seeds in groups.items()})
        means = [mean_of([mean_of([values[s] for s in groups[o]]) for o in outers]) for outers in kept]
        weights = [len(outers) for outers in kept]
        if len(kept) < len(groups):
            notes.append(f"{_once(len(groups), len(kept))} {where}")
        counts.append(len(kept))
        if len(kept) >= LEAST:
            spread = stats.weighted(means, weights)
            floored = stats.floored(spread, grid_of([*theirs, *ours], field, len(ours), groups))
            sides.append((floored, _mean_of(means, weights), means))
    note = "; ".join(notes)
    if max(counts) == 1:
        return note
    if min(counts) < LEAST:
        return _of_two(theirs, ours, field, note)
    (left, before, lefts), (right, after, rights) = sides
    shared = len(by_seeds(theirs, field).keys() & by_seeds(ours, field).keys())
    told = f"{shared} of the baseline's {len(by_seeds(theirs, field))} seeds are shared: they are not paired"
    note = "; ".join(filter(None, [note, told]))
    return _judged(stats.apart(left, right), (before, after), [*lefts, *rights], 0.0, paired=False, note=note)


def _mean_of(values: Sequence[float], weights: Sequence[int]) -> float:
    """Exact if all values are equal."""
    return mean_of([v for v, n in zip(values, weights, strict=True) for _ in range(n)])


def _judged(
    spread: stats.Estimate,
    means: tuple[float, float],
    values: Sequence[float],
    grid: float,
    *,
    paired: bool,
    note: str,
    seeds: frozenset[SeedKey] | None = None,
) -> Evidence:
    known = known_over_seeds(spread, values, grid)
    silent = "" if known else f"all {spread.n} repeats moved by the same, {NO_STEP}"
    estimate = known or stats.without_rounding(spread, max(map(abs, values)), 1)
    return Evidence(*means, "seeds", paired, spread.n, estimate, silent=silent, note=note, seeds=seeds)


def _of_two(theirs: Sequence[Score], ours: Sequence[Score], field: str, note: str) -> Evidence:
    """Evidence for a side whose seeds gave one or two outputs, which do not show how far another would be.

    Items cannot be used instead: they do not have the variation over seeds.
    """
    few = f"{note}; at least {LEAST} different outputs are needed on each side"
    values = value_of(theirs, field), value_of(ours, field)
    return Evidence(*values, "seeds", False, LEAST - 1, None, silent=few, note=note)


def _repeated(groups: int, both: int, before: int, after: int) -> str:
    """Which repeats are equal to others; empty if all outputs differ."""
    if both <= min(before, after) or before == after:
        return _once(groups, min(both, before))
    sides = ((before, "in the baseline"), (after, "here"))
    return "; ".join(f"{_once(groups, n)} {where}" for n, where in sides if n < groups)


def _once(repeats: int, different: int) -> str:
    """``"5 seeds gave the same bytes: one repeat"``; empty if all outputs differ."""
    if different == repeats:
        return ""
    if different == 1:
        return f"{repeats} seeds gave the same bytes: one repeat"
    return f"{repeats} seeds gave {different} different outputs: {different} repeats"


def _too_few(before: int, after: int) -> str:
    lacking = " and ".join(
        f"{repeats} repeat{'' if repeats == 1 else 's'} {where}"
        for repeats, where in ((before, "in the baseline"), (after, "in the candidate"))
        if repeats < LEAST
    )
    return f"{lacking}; where a seed reaches the metric at least {LEAST} are needed"


def _over_items(
    theirs: Sequence[Score],
    ours: Sequence[Score],
    field: str,
    baseline: Side,
    candidate: Side,
    note: str,
) -> Evidence:
    """Over the union of both sides' items, those of one cluster together. ``note``: why not over seeds."""
    values = value_of(theirs, field), value_of(ours, field)
    before, after = rows_of(theirs, field, baseline.items), rows_of(ours, field, candidate.items)
    if before is None or after is None:
        because = f"{note}; {ONE}" if note else ONE
        return Evidence(*values, "one", False, 1, None, silent=because, note=note)
    shared = before.moves.keys() == after.moves.keys()
    if before.moves.keys() - after.moves.keys():
        both = len(before.moves.keys() & after.moves.keys())
        told = f"{both} of the baseline's {len(before.moves)} items are shared"
    else:
        told = "the items are in other clusters" if shared and before.clusters != after.clusters else ""
    note = "; ".join(filter(None, [note, told]))
    found = _of_rows(before, after, values, step_of([*theirs, *ours], field), note)
    return replace(found, alike=shared and before.clusters == after.clusters)


def _of_rows(before: Rows, after: Rows, values: tuple[float, float], step: float, note: str) -> Evidence:
    fewest = min(before.independent, after.independent)
    shared = before.moves.keys() == after.moves.keys()
    if before.values == after.values:
        return Evidence(*values, "exact", True, fewest, None, note=note)
    if fewest < LEAST:
        few = f"only {fewest} independent item{'' if fewest == 1 else 's'}, and at least {LEAST} are needed"
        return Evidence(*values, "one", False, 1, None, silent=few, note=note)
    change = values[1] - values[0]
    clusters = {**before.clusters, **after.clusters}
    spread = stats.overlapping(change, before.moves, after.moves, clusters)
    size, n = max(before.size, after.size), max(len(before.moves), len(after.moves))
    known = known_over_items(spread, size, n, step)
    if known is None and shared and stats.without_rounding(spread, size, n).mean == 0.0:
        return Evidence(*values, "exact", True, fewest, None, note=note)
    silent = "" if known else f"all {spread.n} items moved by the same, {NO_STEP}"
    estimate = known or stats.without_rounding(spread, size, n)
    return Evidence(*values, "items", shared, spread.n, estimate, silent=silent, note=note)
