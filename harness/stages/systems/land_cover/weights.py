"""Initial weights of a classifier: from a TorchGeo weight name, a local file, or the hub.

All three are sources. They are looked for in the mirror, in the local cache and on the hub, and pinned by their
content before anything runs.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from harness.artifact import Json
from harness.errors import StageError, nearest
from harness.sources.content import PICKLED, conversion, refusal
from harness.sources.hub import Source

if TYPE_CHECKING:
    from torch import Tensor

_URL = re.compile(r"https://(?:hf\.co|huggingface\.co)/([^/]+/[^/]+)/resolve/([0-9a-f]{40})/([^?]+)")
_HASH = re.compile(r"-([0-9a-f]{8,64})\.pth$")


@dataclass(frozen=True)
class Weights:
    """Initial weights of a network for RGB images."""

    text: str
    """The text in the suite."""
    source: Source
    """One file, or a classifier's folder."""
    torchgeo: bool = False
    """Whether the source is TorchGeo's: a pickle, from which only tensors are read."""

    @classmethod
    def from_text(cls, text: str) -> Weights:
        """Read a weight name or a reference to a file. No heavy library is imported.

        Raises:
            ValueError: no such name in the installed TorchGeo, weights that do not take three bands, a
                malformed reference.
        """
        if ":" not in text and "@" not in text:
            return cls(text, Source.from_text(_reference(text)), torchgeo=True)
        return cls(text, Source.from_text(text))

    def relative_to(self, folder: Path) -> Weights:
        """The same, with a relative ``path:`` resolved against ``folder``.

        Raises:
            ValueError: a pickled file; the message has the command that converts it.
        """
        source = self.source.relative_to(folder)
        file = Path(os.path.normpath(source.place or source.inside))
        if file.suffix in PICKLED and not self.torchgeo:
            raise ValueError(
                refusal(repr(self.text), conversion(str(file), str(file.with_suffix(".safetensors"))))
            )
        return replace(self, source=source)

    def to_key(self) -> Json:
        """The digest of the content if known, else the reference."""
        return self.source.to_key()

    def load(self) -> dict[str, Tensor]:
        """The state dict, on the CPU.

        Raises:
            StageError: it is not a safetensors file, or its hash is not the one in TorchGeo's file name.
        """
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        from harness.compute.weights import held, one_line

        path = self.source.path
        if self.torchgeo:
            self._check_hash(path)
            state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
            return state
        try:
            return load_file(path / "model.safetensors" if path.is_dir() else path)
        except FileNotFoundError:
            raise StageError(f"weights {self.text}: {held(path)}; expected model.safetensors in it") from None
        except (SafetensorError, OSError) as e:
            raise StageError(
                f"weights {self.text}: not a readable safetensors file ({one_line(e)})"
            ) from None

    def _check_hash(self, path: Path) -> None:
        """Check the beginning of the sha256, which TorchGeo puts into its file names."""
        promised = _HASH.search(self.source.inside)
        found = self.source.found
        if promised and found and not found.digest.removeprefix("sha256:").startswith(promised[1]):
            raise StageError(
                f"weights {self.text}: {path} is damaged, its sha256 does not begin with {promised[1]}"
            )


def _reference(name: str) -> str:
    """The reference ``org/name@commit:file`` for a TorchGeo weight name.

    Raises:
        ValueError: there are no weights of that name for three bands on the model hub.
    """
    known = torchgeo_weights()
    if name not in known:
        raise ValueError(f"{name!r} is no weight name of the installed TorchGeo{nearest(name, known)}")
    weight = known[name]
    if weight.bands != 3:
        rgb = nearest(name, (n for n, w in known.items() if w.bands == 3))
        raise ValueError(f"{name!r} takes {weight.bands} bands, images here have three{rgb}")
    found = _URL.fullmatch(weight.url)
    if found is None:
        raise ValueError(f"{name!r} is not on the model hub ({weight.url})")
    repo, commit, file = found.groups()
    return f"{repo}@{commit}:{file}"


@dataclass(frozen=True)
class TorchGeoWeights:
    """One entry of TorchGeo's list."""

    url: str
    bands: int


@cache
def torchgeo_weights() -> Mapping[str, TorchGeoWeights]:
    """All entries by name (``ResNet18_Weights.SENTINEL2_RGB_MOCO``), parsed from TorchGeo's source without import."""
    spec = importlib.util.find_spec("torchgeo")
    if spec is None or not spec.submodule_search_locations:
        return {}
    tree = ast.parse((Path(spec.submodule_search_locations[0]) / "models" / "resnet.py").read_bytes())
    found = {}
    for enum in tree.body:
        if not isinstance(enum, ast.ClassDef) or not enum.name.endswith("_Weights"):
            continue
        for entry in enum.body:
            if isinstance(entry, ast.Assign) and isinstance(entry.value, ast.Call):
                assert isinstance(entry.targets[0], ast.Name)
                found[f"{enum.name}.{entry.targets[0].id}"] = _entry(entry.value)
    return found


def _entry(call: ast.Call) -> TorchGeoWeights:
    """The entry for a call ``Weights(url=…, transforms=…, meta={'in_chans': …})``."""
    arguments = {keyword.arg: keyword.value for keyword in call.keywords}
    url, meta = arguments["url"], arguments["meta"]
    assert isinstance(meta, ast.Dict)
    entries = {ast.literal_eval(key): value for key, value in zip(meta.keys, meta.values, strict=True) if key}
    return TorchGeoWeights(str(ast.literal_eval(url)), int(ast.literal_eval(entries["in_chans"])))
