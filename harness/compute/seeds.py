"""Random choices that depend on nothing but a seed and names or numbers: an order of names, the seed of one draw."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256


def drawn(names: Iterable[str], seed: int) -> list[str]:
    """``names`` in random order.

    They are sorted by the hash of seed and name. The order is therefore the same on every platform and with every
    version of every library, and adding or removing a name does not change the order of the others.
    """
    return sorted(names, key=lambda name: sha256(f"{seed}:{name}".encode()).digest())


def mixed(*numbers: int) -> int:
    """One 63-bit seed from several numbers; similar numbers give unrelated seeds."""
    digest = sha256(":".join(str(n) for n in numbers).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
