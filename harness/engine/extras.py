"""The extras of this package: which one brings the packages that a stage declares."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib import metadata

PACKAGE = "remote-sensing-harness"

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[([^\]]*)\])?")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")


def hint(software: Iterable[str]) -> str:
    """The words to add to a message about a missing package: the smallest extra with all of these packages.

    Args:
        software: names of distributions, as stages declare them.

    Returns:
        ``": pip install 'remote-sensing-harness[…]'"``, or an empty text if no extra has them.
    """
    wanted = {_normal(name) for name in software}
    known = extras()
    fitting = [name for name, brought in known.items() if wanted <= brought | known.get("", set())]
    best = min(fitting, key=lambda name: (len(known[name]), name), default="")
    return f": pip install '{PACKAGE}[{best}]'" if best else ""


@cache
def extras() -> dict[str, set[str]]:
    """Extra → the packages that it names, those of extras in it included; ``""`` is the core."""
    try:
        requirements = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:  # the source tree is on the path, but not installed
        return {}
    named: dict[str, set[str]] = {"": set()}
    inner: dict[str, set[str]] = {}
    for line in requirements:
        found = _REQUIREMENT.match(line)
        of = _EXTRA.search(line)
        extra = of[1] if of else ""
        if found is None:
            continue
        if _normal(found[1]) == PACKAGE:
            inner.setdefault(extra, set()).update(found[2].split(","))
        else:
            named.setdefault(extra, set()).add(_normal(found[1]))
    return {extra: _closure(extra, named, inner) for extra in named.keys() | inner.keys()}


def _closure(extra: str, named: dict[str, set[str]], inner: dict[str, set[str]]) -> set[str]:
    held = set(named.get(extra, ()))
    for other in inner.get(extra, ()):
        held |= _closure(other, named, inner)
    return held


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
