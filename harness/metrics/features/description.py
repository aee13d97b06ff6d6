"""``extractor.json`` beside ``model.safetensors``: what an extractor is, and the digest by which it is known."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import file_digest, sha256
from pathlib import Path

from harness.artifact import Extractor, Json
from harness.errors import StageError
from harness.metrics.features.architectures import Architecture
from harness.metrics.features.view import View

DESCRIPTION = "extractor.json"
MODEL = "model.safetensors"


@dataclass(frozen=True)
class Description:
    """All that decides the features of an image, but for the weights."""

    architecture: Architecture
    view: View
    dim: int
    """Features per image."""

    def write(self, folder: Path) -> None:
        """Leave it in an extractor's folder."""
        described = {"architecture": self.architecture.text, "view": asdict(self.view), "dim": self.dim}
        (folder / DESCRIPTION).write_text(json.dumps(described, indent=1, sort_keys=True), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Description:
        """What an extractor's folder says.

        Raises:
            StageError: the file is missing or damaged.
        """
        try:
            described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
            view = described["view"]
            channels = {name: tuple(view[name]) for name in ("mean", "std")}
            architecture = Architecture.from_text(described["architecture"])
            return cls(architecture, View(**{**view, **channels}), int(described["dim"]))
        except (OSError, ValueError, KeyError, TypeError) as e:
            raise StageError(f"{folder / DESCRIPTION}: not the description of an extractor ({e})") from None

    def artifact(self, folder: Path, weights: str) -> Extractor:
        """The extractor, once description and weights are written.

        Args:
            weights: where they are from, for the record.
        """
        facts: dict[str, Json] = {
            "extractor": _digest(folder),
            "network": self.architecture.text,
            "weights": weights,
            "dim": self.dim,
            "size": self.view.size,
            "resize": self.view.fit,
            "mean": list(self.view.mean),
            "std": list(self.view.std),
        }
        return Extractor(folder, facts)


def _digest(folder: Path) -> str:
    """Over every file of the folder, by name; a ``transformers`` extractor has a ``config.json`` too."""
    total = sha256(b"harness/extractor/1")
    for file in sorted(folder.iterdir()):
        with file.open("rb") as content:
            total.update(f":{file.name}:{file_digest(content, 'sha256').hexdigest()}".encode())
    return f"sha256:{total.hexdigest()}"
