"""A random order of names that depends on nothing but a seed and the names themselves."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256


def drawn(names: Iterable[str], seed: int) -> list[str]:
    """``names`` in random order.

    They are sorted by the hash of seed and name. The order is therefore the same on every platform and with every
    version of every library, and adding or removing a name does not change the order of the others.
    """
    return sorted(names, key=lambda name: sha256(f"{seed}:{name}".encode()).digest())
