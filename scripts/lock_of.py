"""Print the part of requirements.lock that some extras need: for an image that holds one component.

    python scripts/lock_of.py EXTRA… > part.lock
    python scripts/lock_of.py --common EXTRA… > shared.lock     what all of these extras need
    python scripts/lock_of.py > core.lock                       the core alone
    python scripts/lock_of.py --alone EXTRA… > tool.lock        without the core: for a tool beside the harness

The lock says for each package by which others it is required ("via"), so nothing is resolved anew: versions and hashes
are those of the lock. The core is part of it, except with --alone. Only the standard library is needed.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROJECT = "remote-sensing-harness"
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_SELF = re.compile(rf"{PROJECT}\[([^\]]+)\]")


@dataclass
class Lock:
    """The packages of a lock file."""

    blocks: dict[str, str] = field(default_factory=dict)
    """Name → its lines."""
    needs: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Name → the packages that are in the lock because of it."""

    @classmethod
    def parse(cls, text: str) -> Lock:
        """Read a lock file as ``uv pip compile`` writes it."""
        lock = cls()
        for block in re.split(r"(?m)^(?=[A-Za-z0-9])", text):
            found = _NAME.match(block)
            if found is None:
                continue
            name = normal(found[0])
            lock.blocks[name] = lock.blocks.get(name, "") + block
            for line in block.splitlines():
                parent = re.fullmatch(r"\s+#\s+(?:via\s+)?([A-Za-z0-9._-]+)(?:\s.*)?", line)
                if parent is not None and parent[1] != "via":
                    lock.needs[normal(parent[1])].add(name)
        return lock

    def closure(self, names: Iterable[str]) -> set[str]:
        """These packages and all that they require."""
        held: set[str] = set()
        waiting = [normal(n) for n in names]
        while waiting:
            name = waiting.pop()
            if name not in held and name in self.blocks:
                held.add(name)
                waiting += self.needs[name]
        return held

    def text(self, names: Iterable[str]) -> str:
        """The lines of these packages, in the lock's order."""
        kept = set(names)
        return "".join(block for name, block in self.blocks.items() if name in kept)


def direct(project: Any, extra: str | None, alone: bool = False) -> set[str]:
    """The requirements of an extra (None: of none), those of extras in it, and of the core unless it is ``alone``.

    Raises:
        SystemExit: there is no such extra.
    """
    extras = project["optional-dependencies"] | {None: []}
    if extra not in extras:
        raise SystemExit(f"no extra {extra!r}; there are {', '.join(sorted(filter(None, extras)))}")
    core = [] if alone else project["dependencies"]
    names = {_NAME.match(line)[0] for line in core}
    for line in extras[extra]:
        inner = _SELF.match(line)
        if inner is not None:
            names |= set().union(*(direct(project, name, alone) for name in inner[1].split(",")))
        else:
            names.add(_NAME.match(line)[0])  # type: ignore[index]
    return names


def normal(name: str) -> str:
    """The one spelling of a distribution's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--common", action="store_true")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument(
        "--folder", type=Path, default=Path(), help="where pyproject.toml and requirements.lock are"
    )
    parser.add_argument("extras", nargs="*")
    given = parser.parse_args()
    project = tomllib.loads((given.folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = Lock.parse((given.folder / "requirements.lock").read_text(encoding="utf-8"))
    parts = [lock.closure(direct(project, extra, given.alone)) for extra in given.extras or [None]]
    sys.stdout.write(lock.text(set.intersection(*parts) if given.common else set.union(*parts)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
