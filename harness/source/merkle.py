"""Digests of definitions: of each one's own text and the digests of what it refers to, with cycles."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from harness.source.names import Definition
from harness.source.spelling import Reference, Spelled, spelled


@dataclass
class Digests:
    """The digests of definitions, where some tables stand for the one entry that will be chosen."""

    chosen: Mapping[Definition, str] = field(default_factory=dict)
    """Table → what chooses its entry. A place that takes an entry of it does not depend on the others."""
    known: dict[Definition, str] = field(default_factory=dict)

    def of(self, root: Definition) -> str:
        """64 hex digits."""
        for component in self._components(root):
            self._digest(component)
        return self.known[root]

    def reached(self, root: Definition) -> set[Definition]:
        """Every definition that the digest of ``root`` depends on."""
        found, waiting = {root}, [root]
        while waiting:
            new = [d for d in self._next(waiting.pop()) if d not in found]
            found.update(new)
            waiting.extend(new)
        return found

    def _next(self, definition: Definition) -> list[Definition]:
        own = spelled(definition)
        taken = [r.to for r in own.references if not self._is_chosen(r)]
        return [*taken, *sorted(own.types, key=lambda d: (d.module, d.name))]

    def _is_chosen(self, reference: Reference) -> bool:
        return reference.chooses and reference.to in self.chosen

    def _digest(self, component: list[Definition]) -> None:
        """Definitions that refer to one another are unrolled twice as often as there are of them.

        Two sets of n definitions that agree for 2n rounds agree for ever: each round that tells two of the 2n apart
        leaves fewer to be told apart.
        """
        within = dict.fromkeys(component, "")
        for _ in range(2 * len(component)):
            within = {d: self._hashed(spelled(d), within) for d in component}
        self.known.update(within)

    def _hashed(self, own: Spelled, within: Mapping[Definition, str]) -> str:
        places = [self._place(r, within) for r in own.references]
        types = sorted({within[d] if d in within else self.known[d] for d in own.types})
        body = json.dumps([own.text, places, types])
        return sha256(f"harness/source/2:{body}".encode()).hexdigest()

    def _place(self, reference: Reference, within: Mapping[Definition, str]) -> str:
        if self._is_chosen(reference):
            return f"chosen by {self.chosen[reference.to]}"
        return within[reference.to] if reference.to in within else self.known[reference.to]

    def _components(self, root: Definition) -> Iterator[list[Definition]]:
        """Strongly connected components of what is not known yet, each after those that it refers to (Tarjan 1972)."""
        if root in self.known:
            return
        order: dict[Definition, int] = {root: 0}
        lowest: dict[Definition, int] = {root: 0}
        open_, is_open = [root], {root}
        path = [(root, iter(self._next(root)))]
        while path:
            definition, following = path[-1]
            for other in following:
                if other in self.known:
                    continue
                if other not in order:
                    order[other] = lowest[other] = len(order)
                    open_.append(other)
                    is_open.add(other)
                    path.append((other, iter(self._next(other))))
                    break
                if other in is_open:
                    lowest[definition] = min(lowest[definition], order[other])
            else:
                path.pop()
                if path:
                    above = path[-1][0]
                    lowest[above] = min(lowest[above], lowest[definition])
                if lowest[definition] == order[definition]:
                    cut = open_.index(definition)
                    component = open_[cut:]
                    del open_[cut:]
                    is_open.difference_update(component)
                    yield component
