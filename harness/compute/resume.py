"""Training that can be resumed after a kill: its state is saved in the job's scratch folder, as often as is cheap."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from harness.artifact import Json


class Stateful(Protocol):
    """Anything with a state that training needs to continue: a network, an optimiser, a schedule."""

    def state_dict(self) -> Mapping[str, Any]: ...

    def load_state_dict(self, state_dict: Any, /) -> Any: ...


class Resume:
    """The parts of a training that have a state, kept in one file.

    The file holds no random state: what a step draws depends on seed and step alone.
    """

    SHARE = 0.1
    """Largest share of the time spent on saving, so short trainings save often and large models seldom."""

    def __init__(self, scratch: Path, parts: Mapping[str, Stateful], name: str = "training") -> None:
        self.parts = parts
        self._file = scratch / f"{name}.pt"
        self._saved_at = time.monotonic()
        self._took = 0.0

    def restore(self) -> dict[str, Json]:
        """Restore every part to the last save; returns the values saved with it, an empty dict without a save."""
        if not self._file.exists():
            return {}
        saved = torch.load(self._file, weights_only=True, map_location="cpu")
        for name, part in self.parts.items():
            part.load_state_dict(saved["parts"][name])
        told: dict[str, Json] = saved["told"]
        return told

    def save_if_due(self, told: Mapping[str, Json]) -> None:
        """Save, unless the last save is too recent.

        Args:
            told: numbers and texts that ``restore`` returns, such as the step and the history.
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
    """One 63-bit seed from several numbers; similar numbers give unrelated seeds."""
    from hashlib import sha256

    digest = sha256(":".join(str(n) for n in numbers).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
