"""Drawing lots by name: a random order that depends on nothing but a seed and the names themselves."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256


def drawn(names: Iterable[str], seed: int) -> list[str]:
    """``names`` in random order.

    By the hash of seed and name, so the same on every platform and for every version of every library, and
    a name more or less leaves the order of the others as it was.
    """
    return sorted(names, key=lambda name: sha256(f"{seed}:{name}".encode()).digest())
