"""Training that survives a kill: state in the job's scratch folder, saved as often as it is cheap."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from harness.artifact import Json


class Stateful(Protocol):
    """A network, an optimiser, a schedule: whatever a training goes on from."""

    def state_dict(self) -> Mapping[str, Any]: ...

    def load_state_dict(self, state_dict: Any, /) -> Any: ...


class Resume:
    """The parts of a training that have a state, kept in one file.

    There is no random state in it: what a step draws is decided by seed and step alone.
    """

    SHARE = 0.1
    """At most this share of the time goes into saving: short trainings save often, large models seldom."""

    def __init__(self, scratch: Path, parts: Mapping[str, Stateful], name: str = "training") -> None:
        self.parts = parts
        self._file = scratch / f"{name}.pt"
        self._saved_at = time.monotonic()
        self._took = 0.0

    def restore(self) -> dict[str, Json]:
        """Put every part back to where the last save left it; what was told then, or nothing."""
        if not self._file.exists():
            return {}
        saved = torch.load(self._file, weights_only=True, map_location="cpu")
        for name, part in self.parts.items():
            part.load_state_dict(saved["parts"][name])
        told: dict[str, Json] = saved["told"]
        return told

    def save_if_due(self, told: Mapping[str, Json]) -> None:
        """Save, unless the last time is too short ago.

        Args:
            told: numbers and texts that ``restore`` gives back: the step, the history.
        """
        before = time.monotonic()
        if before < self._saved_at + self._took / self.SHARE:
            return
        torn = self._file.with_suffix(".torn")
        torch.save({"parts": {n: p.state_dict() for n, p in self.parts.items()}, "told": dict(told)}, torn)
        torn.replace(self._file)
        self._saved_at = time.monotonic()
        self._took = self._saved_at - before


def mixed(*numbers: int) -> int:
    """One 63-bit seed from several numbers: neighbours do not resemble one another."""
    from hashlib import sha256

    digest = sha256(":".join(str(n) for n in numbers).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
