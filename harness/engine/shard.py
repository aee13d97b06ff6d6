"""A part of a plan's scores, for machines that share a store."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.formats.strict_json import canonical

if TYPE_CHECKING:
    from harness.engine.plan import Plan


@dataclass(frozen=True)
class Shard:
    """One of N parts of a plan's scores: ``2/3`` is the second of three."""

    number: int
    of: int

    @classmethod
    def from_text(cls, text: str) -> Shard:
        """Read ``I/N``.

        Raises:
            ValueError: it is not of this form, or I is not one of 1 to N.
        """
        found = re.fullmatch(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})", text)
        if found is None or int(found[1]) > int(found[2]):
            raise ValueError(f"{text!r}: expected I/N with I from 1 to N, as in 2/3")
        return cls(int(found[1]), int(found[2]))

    def part(self, plan: Plan) -> Plan:
        """The plan with the scores of this shard alone.

        Every N-th point belongs to it, each point with one repeat of its seeds. Tasks that several shards need are in
        all of them: the first that comes makes one, the others wait for it.
        """
        place: dict[str, int] = {}
        for score in plan.scores:
            for repeat in score.repeats:
                place.setdefault(canonical([score.point, repeat.seeds]), len(place))
        scores = []
        for score in plan.scores:
            own = tuple(r for r in score.repeats if self._owns(place[canonical([score.point, r.seeds])]))
            if own:
                scores.append(replace(score, repeats=own))
        pictures = tuple(p for i, p in enumerate(plan.pictures) if self._owns(i))
        return replace(plan, scores=tuple(scores), pictures=pictures)

    def _owns(self, place: int) -> bool:
        return place % self.of == self.number - 1
