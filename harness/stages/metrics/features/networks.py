"""Networks from image to feature vector: building, filling, saving, restoring, running, and their description."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from harness.artifact import Extractor, Json
from harness.compute.behaviour import kind, repeatable
from harness.compute.device import is_out_of_memory
from harness.compute.precisions import Precision, dtype_of
from harness.compute.weights import UNREADABLE, one_line
from harness.errors import ResourceError, StageError
from harness.stage import Job
from harness.stages.metrics.features.families import FAMILIES, Architecture, Network
from harness.stages.metrics.features.view import View

DESCRIPTION = "extractor.json"
MODEL = "model.safetensors"


@dataclass(frozen=True)
class Description:
    """Everything that determines the features of an image, except the weights."""

    architecture: Architecture
    view: View
    dim: int
    """Features per image."""

    def write(self, folder: Path) -> None:
        """Write the description into an extractor's folder."""
        described = {"architecture": self.architecture.text, "view": self.view.to_json(), "dim": self.dim}
        (folder / DESCRIPTION).write_text(json.dumps(described, indent=1, sort_keys=True), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Description:
        """Read the description from an extractor's folder.

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
            weights: their origin, for the record.
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
            **({} if self.view.edge is None else {"edge": self.view.edge}),
        }
        return Extractor(folder, facts)


def _digest(folder: Path) -> str:
    """Digest of every file in the folder, by name; a ``transformers`` extractor has a ``config.json`` too."""
    total = sha256(b"harness/extractor/1")
    for file in sorted(folder.iterdir()):
        with file.open("rb") as content:
            total.update(f":{file.name}:{file_digest(content, 'sha256').hexdigest()}".encode())
    return f"sha256:{total.hexdigest()}"


ANY_SIZE = 64
"""Picture size for trying out networks that take pictures as they are (ResNets)."""


def build(architecture: Architecture, folder: Path | None) -> Network:
    """A network in evaluation mode.

    Args:
        architecture: its name and layer.
        folder: for ``transformers``, the folder with the configuration. The other families need none.

    Raises:
        StageError: the package has no such network after all, or a package is missing.
    """
    network = FAMILIES[architecture.family].build(architecture.name, folder)
    network.module.eval().requires_grad_(False)
    return network


def own_view(architecture: Architecture, module: nn.Module, folder: Path | None, what: str) -> View:
    """A network's own preparation of pictures.

    Inception resizes as TensorFlow did, because published distances use that. torchvision's networks are assumed
    to be ImageNet's at 224 pixels, resized by Pillow's bicubic filter; timm and transformers give their own values.

    Raises:
        StageError: the ``transformers`` folder does not give them, or they are not followed here.
    """
    return FAMILIES[architecture.family].own_view(module, folder, what)


def fill(network: Network, state: Mapping[str, Tensor], what: str) -> None:
    """Load weights; everything must fit, except classification layers.

    Args:
        network: receives the weights.
        state: weights by layer, of any float type.
        what: the weights' name in messages.

    Raises:
        StageError: a layer is missing, unknown or of another shape.
    """
    heads = tuple(f"{name}." for name in network.head)
    own = network.module.state_dict()
    used = {n: t for n, t in state.items() if n in own or not n.startswith(heads)}
    absent = [n for n in own if n not in used and not n.endswith("num_batches_tracked")]
    wrong = [n for n, t in used.items() if n not in own or t.shape != own[n].shape]
    for problem, names in (("nothing for", absent), ("no place for", wrong)):
        if names:
            raise StageError(f"{what} does not fit: {problem} {names[0]} ({len(names)} layers)")
    network.module.load_state_dict(used, strict=False)


def feature_count(module: nn.Module, view: View, what: str) -> int:
    """The number of features of a picture, found by trying three.

    Raises:
        StageError: the network does not take such pictures, does not give a vector, or is not ``repeatable``.
    """
    size = view.size or ANY_SIZE
    ramp = torch.linspace(0, 255, 3 * 3 * size * size).reshape(3, 3, size, size).sin().abs() * 255
    pictures = view.normalised(ramp)
    try:
        features = repeatable(lambda count: module(pictures[:count]), module, what)
    except StageError:
        raise
    except UNREADABLE as e:
        told = f"no features of {size}×{size} pixels from {kind(module)} ({one_line(e)})"
        raise StageError(f"{what}: {told}; expected a network that makes a vector of each picture") from None
    if features.ndim != 2:
        raise StageError(
            f"{what}: features of shape {tuple(features.shape[1:])}, expected one vector per image"
        )
    return int(features.shape[1])


def save(module: nn.Module, folder: Path, what: str) -> None:
    """Write a network's weights into an extractor's folder.

    Raises:
        StageError: some weights are not finite.
    """
    # Copies, because safetensors refuses weights that two layers share.
    layout = torch.contiguous_format
    state = {name: tensor.clone(memory_format=layout) for name, tensor in module.state_dict().items()}
    broken = [name for name, tensor in state.items() if not tensor.isfinite().all()]
    if broken:
        raise StageError(f"{what}: values that are not finite numbers in {broken[0]} ({len(broken)} layers)")
    save_file(state, folder / MODEL)


def restore(folder: Path) -> tuple[Description, nn.Module]:
    """The network of an extractor's folder, ready for use, on the CPU.

    Raises:
        StageError: the folder is damaged.
    """
    description = Description.read(folder)
    network = build(description.architecture, folder)
    try:
        state = load_file(folder / MODEL)
    except (SafetensorError, OSError) as e:
        raise StageError(f"{folder / MODEL}: not a readable safetensors file ({e})") from None
    fill(network, state, f"{folder / MODEL}")
    ready = FAMILIES[description.architecture.family].ready
    if ready is not None:
        ready(network.module)
    return description, network.module


class Runner:
    """Applies a network to batches.

    Args:
        module: on the CPU; moved to the job's device.
        view: gives the normalisation.
        batch_size: images at once, at most; halved when fp32 runs out of memory.
        precision: fp32, bf16 or fp16.
        job: gives the device and the log.
    """

    precision: Precision

    def __init__(
        self, module: nn.Module, view: View, batch_size: int, precision: Precision, job: Job
    ) -> None:
        self.device = torch.device(job.device)
        # Convolutions on a CPU are up to a third faster with the channels last.
        layout = torch.channels_last if self.device.type == "cpu" else torch.contiguous_format
        self.module = module.to(self.device, memory_format=layout)
        self.view = view
        self.batch_size = batch_size
        self.precision = precision
        self.job = job

    def features(self, pixels: NDArray[np.uint8 | np.float32]) -> NDArray[np.float32]:
        """Maps (N, H, W, 3) of values from 0 to 255 to features (N, D).

        Raises:
            ResourceError: out of memory with one image, or at half precision.
        """
        while True:
            try:
                parts = torch.from_numpy(pixels).permute(0, 3, 1, 2).split(self.batch_size)
                return np.concatenate([self._part(part) for part in parts])
            except (RuntimeError, MemoryError) as e:
                if not is_out_of_memory(e):
                    raise
            # Outside the handler, because the exception keeps alive what filled the memory.
            self._halve()

    def _part(self, pixels: Tensor) -> NDArray[np.float32]:
        with (
            torch.inference_mode(),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
            torch.autocast(self.device.type, dtype_of(self.precision), enabled=self.precision != "fp32"),
        ):
            features: NDArray[np.float32] = (
                self.module(self.view.normalised(pixels.to(self.device))).float().cpu().numpy()
            )
        return features

    def _halve(self) -> None:
        smaller = self.batch_size // 2
        if smaller == 0:
            raise ResourceError(f"out of memory on {self.device} with a single image")
        if self.precision != "fp32":
            raise ResourceError(
                f"out of memory on {self.device} with {self.batch_size} images at {self.precision}, where the "
                f"batch decides about the features; set batch_size: {smaller}"
            )
        self.job.log(f"out of memory with {self.batch_size} images at once; going on with {smaller}")
        self.batch_size = smaller
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
