"""Where a classifier's first weights come from: a TorchGeo weight name, a file of one's own, or the hub."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.artifact import Json
from harness.data.hub import Source
from harness.errors import StageError, nearest

if TYPE_CHECKING:
    from torch import Tensor

_URL = re.compile(r"https://(?:hf\.co|huggingface\.co)/([^/]+/[^/]+)/resolve/([0-9a-f]{40})/(.+)")
_PICKLED = (".pt", ".pth", ".ckpt", ".bin", ".pkl")


@dataclass(frozen=True)
class Weights:
    """Exactly one of the two is set."""

    name: str | None = None
    """Of TorchGeo, e.g. ``ResNet18_Weights.SENTINEL2_RGB_MOCO``; TorchGeo pins its file to a commit."""
    source: Source | None = None
    """A safetensors file: ``path:…`` or ``org/name@commit:file``."""

    @classmethod
    def from_text(cls, text: str) -> Weights:
        """Read a weight name or a reference to a file; nothing heavy is imported.

        Raises:
            ValueError: no such name in the installed TorchGeo, a malformed reference, or a pickled file.
        """
        if ":" not in text and "@" not in text:
            names = torchgeo_weights()
            if text not in names:
                raise ValueError(
                    f"{text!r} is no weight name of the installed TorchGeo{nearest(text, names)}"
                )
            return cls(name=text)
        if text.endswith(_PICKLED):
            raise ValueError(
                f"{text!r} is a pickle, which can run code when it is read; convert it once: "
                'python -c "import torch, safetensors.torch as s; '
                "s.save_file(torch.load('IN', weights_only=True), 'OUT.safetensors')\""
            )
        return cls(source=Source.from_text(text))

    def relative_to(self, folder: Path) -> Weights:
        """With a relative ``path:`` taken from ``folder``."""
        return self if self.source is None else Weights(source=self.source.relative_to(folder))

    def to_key(self) -> Json:
        """The name, which TorchGeo's version pins, or the content of the file."""
        return self.name if self.source is None else self.source.to_key()

    def load(self) -> dict[str, Tensor]:
        """The state dict.

        Raises:
            StageError: it is not here and cannot be fetched, or is no safetensors file.
        """
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        if self.source is None:
            assert self.name is not None
            state: dict[str, Tensor] = torch.load(
                _torchgeo_file(self.name), map_location="cpu", weights_only=True
            )
            return state
        path = self.source.path / "model.safetensors" if self.source.path.is_dir() else self.source.path
        try:
            return load_file(path)
        except (SafetensorError, OSError) as e:
            raise StageError(f"weights {self.source.text}: not a readable safetensors file ({e})") from None


@cache
def torchgeo_weights() -> tuple[str, ...]:
    """Names like ``ResNet18_Weights.SENTINEL2_RGB_MOCO``, read off TorchGeo's source without importing it."""
    spec = importlib.util.find_spec("torchgeo")
    if spec is None or not spec.submodule_search_locations:
        return ()
    tree = ast.parse((Path(spec.submodule_search_locations[0]) / "models" / "resnet.py").read_text())
    return tuple(
        f"{node.name}.{target.id}"
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name.endswith("_Weights")
        for statement in node.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    )


def _torchgeo_file(name: str) -> Path:
    """The file behind a weight name: mirror, local hub cache, hub. TorchGeo ships pickles; they are read with
    ``weights_only``, which runs no code."""
    from torchgeo.models import get_weight

    weight: Any = get_weight(name)
    match = _URL.fullmatch(weight.url)
    if match is None:
        raise StageError(f"{name} is not on the model hub ({weight.url})")
    repo, commit, file = match.groups()
    mirror = os.environ.get("HARNESS_MIRROR")
    if mirror and (Path(mirror) / repo / file).is_file():
        return Path(mirror) / repo / file
    return _from_hub(name, repo, commit, file)


def _from_hub(name: str, repo: str, commit: str, file: str) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(repo, file, revision=commit))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as e:
        raise StageError(
            f"{name}: {repo}@{commit}:{file} is neither in the mirror nor in the hub cache, and the hub did not "
            f"answer ({type(e).__name__}); put it at MIRROR/{repo}/{file}"
        ) from None
