"""The source digest: the part of our own code that a stage's result depends on, in whatever module it is.

The digest of a definition is made of its own text (without comments, docstrings, annotations and layout) and of the
digests of the definitions that its names refer to, within the function's own package and this one. It is a Merkle tree
that contains no module names. So an edited helper re-runs exactly the stages that reach it, and a moved one re-runs
nothing.

Third-party objects are in the text by their import path and are not followed: their versions are in the key by
``software=``. A module that binds ``__contract__`` is not followed either. Names in annotations are followed but are
not in the text, because a stage calls methods of the types that its annotations name. Names that are looked up at run
time (``getattr``, an import for its side effects in another module) are not seen.

A table of choices that a parameter's annotation names is in the digest only by how it is used: the entry that the
parameter chooses is a separate part of the key (``choices``). If the code may look up another entry, the digest
contains the whole table.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from harness.engine.code_digest import hints, modules, spelling
from harness.engine.code_digest.names import Definition
from harness.engine.code_digest.spelling import Reference, Spelled, spelled


@dataclass(frozen=True)
class _Known:
    """What was found out about a function when it was first asked for."""

    digest: str
    choices: Mapping[str, Mapping[str, str]]
    files: Mapping[Path, str]
    """Every file that the result depends on → sha256 of its content."""

    def is_in(self, other: _Known) -> bool:
        """Whether the digest and all entries are equal in ``other``, whose tables may have more entries."""
        entries = ((other.choices.get(name, {}), own) for name, own in self.choices.items())
        return self.digest == other.digest and all(own.items() <= there.items() for there, own in entries)


def digest(function: Callable[..., Any]) -> str:
    """sha256 over what ``function`` reaches, as 64 hex digits; cached for the life of the process.

    Raises:
        TypeError: a table of choices that is not written as one dictionary.
    """
    return _known(function).digest


def choices(function: Callable[..., Any]) -> Mapping[str, Mapping[str, str]]:
    """Parameter of a stage function → entry of the table that it chooses from → digest of that entry."""
    return _known(function).choices


def edited(function: Callable[..., Any]) -> str | None:
    """The name of a changed file, if what ``function`` reaches was edited since ``digest`` read it; else None."""
    known = _known(function)
    changed = [file for file, content in known.files.items() if modules.content_of(file) != content]
    if not changed:
        return None
    forget()
    try:
        same = known.is_in(_read(function))
    except (SyntaxError, TypeError, ValueError, OSError):
        same = False
    return None if same else changed[0].name


def forget() -> None:
    """Read source files anew from now on. Digests that were already computed stay as they are."""
    for remembered in (modules.read, spelling.spelled, hints.entries, _digests):
        remembered.cache_clear()


@cache
def _known(function: Callable[..., Any]) -> _Known:
    return _read(function)


def _read(function: Callable[..., Any]) -> _Known:
    root = Definition(function.__module__, function.__qualname__.partition(".")[0])
    by = hints.chosen_by(root)
    chosen: dict[Definition, str] = {}
    for name, named in (*by.inputs.items(), *by.parameters.items()):
        for table in named:
            chosen[table] = f"{chosen[table]} or {name}" if table in chosen else name
    digests = _digests(tuple(chosen.items()))
    of_entries = {name: _entries(named, digests) for name, named in by.parameters.items()}
    roots = [root, *(Definition(t.module, t.name, e) for t in chosen for e in hints.entries(t))]
    reached = {d for r in roots for d in digests.reached(r)}
    names = {m for d in reached for m in spelling.spelled(d).modules}
    read = [m for n in sorted(names) if (m := modules.load(n)) is not None]
    return _Known(digests.of(root), of_entries, {m.file: m.content for m in read})


@cache
def _digests(chosen: tuple[tuple[Definition, str], ...]) -> Digests:
    """The digests for these chosen tables; functions that choose from the same tables share them."""
    return Digests(dict(chosen))


def _entries(chosen: list[Definition], digests: Digests) -> dict[str, str]:
    """The digest of each entry; if a parameter chooses from several tables, equal names share one digest."""
    found: dict[str, str] = {}
    for name in sorted({name for table in chosen for name in hints.entries(table)}):
        parts = [digests.of(t._replace(entry=name)) for t in chosen if name in hints.entries(t)]
        found[name] = sha256(f"harness/entry/1:{json.dumps(parts)}".encode()).hexdigest()
    return found


@dataclass
class Digests:
    """The digests of definitions. A table in ``chosen`` is represented by the one entry that will be chosen."""

    chosen: Mapping[Definition, str] = field(default_factory=dict)
    """Table → what chooses its entry. Code that looks up the chosen entry does not depend on the others."""
    known: dict[Definition, str] = field(default_factory=dict)

    def of(self, root: Definition) -> str:
        """The digest of ``root`` as 64 hex digits."""
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
        return [*taken, *own.types]

    def _is_chosen(self, reference: Reference) -> bool:
        return reference.chooses and reference.to in self.chosen

    def _digest(self, component: list[Definition]) -> None:
        """Digest n definitions that refer to one another by unrolling them 2n times.

        Two sets of n definitions that agree for 2n rounds agree for ever: each round that distinguishes two of the 2n
        leaves fewer that are not yet distinguished.
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
