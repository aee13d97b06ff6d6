"""Training that can be resumed after a kill: its state is saved in the job's scratch folder, as often as is cheap."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch


class Stateful(Protocol):
    """Anything with a state that training needs to continue: a network, an optimiser, a schedule."""

    def state_dict(self) -> Mapping[str, Any]: ...

    def load_state_dict(self, state_dict: Any, /) -> Any: ...


class Resume:
    """The state of a training, kept in one file.

    The file holds no random state: what a step draws depends on seed and step alone.
    """

    SHARE = 0.1
    """Largest share of the time spent on saving, so short trainings save often and large models seldom."""

    def __init__(self, scratch: Path) -> None:
        self._file = scratch / "training.pt"
        self._saved_at = time.monotonic()
        self._took = 0.0
        self._saved: dict[str, Any] | None = None
        if self._file.exists():
            self._saved = torch.load(self._file, weights_only=True, map_location="cpu")
        self.told: dict[str, Any] = self._saved["told"] if self._saved else {}
        """What was saved with the parts, such as the step and the history; empty without a save."""

    def restore(self, parts: Mapping[str, Stateful]) -> None:
        """Restore every part to the last save, if there is one; once, because it is then forgotten."""
        if self._saved is not None:
            for name, part in parts.items():
                part.load_state_dict(self._saved["parts"][name])
            self._saved = None

    def save_if_due(self, parts: Mapping[str, Stateful], told: Mapping[str, Any]) -> None:
        """Save, unless the last save is too recent.

        Args:
            parts: all that has a state: networks, the optimiser, the schedule.
            told: what else is needed to continue: numbers, texts and tensors.
        """
        before = time.monotonic()
        if before < self._saved_at + self._took / self.SHARE:
            return
        torn = self._file.with_suffix(".torn")
        torch.save({"parts": {n: p.state_dict() for n, p in parts.items()}, "told": dict(told)}, torn)
        torn.replace(self._file)
        self._saved_at = time.monotonic()
        self._took = self._saved_at - before


def mixed(*numbers: int) -> int:
    """One 63-bit seed from several numbers; similar numbers give unrelated seeds."""
    from hashlib import sha256

    digest = sha256(":".join(str(n) for n in numbers).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
