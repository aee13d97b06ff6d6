"""Prepares once what training reads at every step: images in the autoencoder's scaling, latents and captions."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor
from transformers import CLIPTokenizer

from harness.artifact import Artifact, Json
from harness.compute.precisions import PRECISIONS, for_gpus
from harness.errors import StageError
from harness.formats import image_folder
from harness.formats.opening import opened
from harness.stage import Job
from harness.stages.systems.text_to_image.augmenting import ORIENTATIONS
from harness.stages.systems.text_to_image.components import read_pipeline
from harness.stages.systems.text_to_image.recipe import Recipe

MARK = "_harness_pixels"
"""Entry of the VAE's ``config.json``. It stays with the weights whenever they are opened and saved, because diffusers
keeps entries whose names begin with an underscore, without a warning."""


@dataclass(frozen=True)
class Pixels:
    """Scaling of pixels in [0, 1] for the autoencoder: ``(x − mean) / std`` by channel."""

    mean: Sequence[float]
    std: Sequence[float]

    @classmethod
    def of(cls, vae: AutoencoderKL) -> Pixels:
        """The scaling that an encoder expects: [-1, 1], unless a fine-tuning recorded the statistics of its data.

        Raises:
            StageError: the recorded entry is not valid.
        """
        found = vae.config.get(MARK)
        if found is None:
            return VAE_PIXELS
        try:
            pixels = cls(tuple(map(float, found["mean"])), tuple(map(float, found["std"])))
        except (KeyError, TypeError, ValueError):
            pixels = cls((), ())
        numbers = (*pixels.mean, *pixels.std)
        if len(pixels.mean) != 3 or len(pixels.std) != 3 or not all(map(math.isfinite, numbers)):
            raise StageError(
                f"the pipeline: {MARK} of its vae is {found!r:.80}; expected mean and std of three channels"
            )
        if min(pixels.std) <= 0:
            raise StageError(f"the pipeline: {MARK} of its vae has std {pixels.std}; expected more than 0")
        return pixels

    def apply(self, images: Tensor) -> Tensor:
        """Scale images of shape (B, 3, H, W)."""
        mean, std = torch.tensor(self.mean), torch.tensor(self.std)
        return (images - mean[:, None, None]) / std[:, None, None]

    def fold_into(self, vae: AutoencoderKL) -> None:
        """Make a decoder that was trained in this scaling return pixels in [-1, 1], as diffusers expects.

        Its last layer is linear, so this is exact. A scaling that was folded in before is undone. The encoder still
        expects images in this scaling, which is recorded in the configuration.
        """
        before, last = Pixels.of(vae), vae.decoder.conv_out
        scale = torch.tensor(self.std).to(last.weight) / torch.tensor(before.std).to(last.weight)
        black, black_before = (2 * torch.tensor(p.mean) - 1 for p in (self, before))
        last.weight.data *= scale[:, None, None, None]
        last.bias.data = last.bias.data * scale + (
            black.to(last.weight) - black_before.to(last.weight) * scale
        )
        vae.register_to_config(**{MARK: {"mean": list(self.mean), "std": list(self.std)}})


VAE_PIXELS = Pixels((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""The convention of diffusers: [-1, 1]."""


def oriented(images: Tensor, orientation: int) -> Tensor:
    """Images (…, H, W) in one of eight orientations: quarter turns (``% 4``), mirrored first from 4 on."""
    if orientation >= 4:
        images = images.flip(-1)
    return torch.rot90(images, orientation % 4, (-2, -1))


@dataclass(frozen=True)
class Frames:
    """Images of one size."""

    pixels: NDArray[np.uint8]
    """(N, 3, H, W), a memory map."""
    names: Sequence[str]
    captions: Sequence[Sequence[str]]
    """Captions of each image; empty if it has none."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[2], self.pixels.shape[3]

    def batch(self, indices: Sequence[int]) -> Tensor:
        """Images as float32 (B, 3, H, W) in [0, 1]."""
        return torch.from_numpy(self.pixels[list(indices)]).float() / 255

    def statistics(self) -> tuple[list[float], list[float]]:
        """Mean and standard deviation per channel of all pixels in [0, 1], computed image by image.

        Bytes and their squares are summed as integers, so the result does not depend on the order of the images.
        """
        total, squares = np.zeros(3, dtype=np.int64), np.zeros(3, dtype=np.int64)
        for image in self.pixels:
            values = image.reshape(3, -1).astype(np.int64)
            total += values.sum(axis=1)
            squares += np.square(values).sum(axis=1)
        count = self.pixels.size // 3
        mean = total / count
        variance = np.maximum(squares / count - np.square(mean), 1e-12)
        return (mean / 255).tolist(), (np.sqrt(variance) / 255).tolist()


def decode(sources: Sequence[Artifact], file: Path, multiple: int, what: str, job: Job) -> Frames:
    """Read every image of some folders into one file.

    Args:
        sources: image folders.
        file: the file that the pixels are written to.
        multiple: height and width must be divisible by this.
        what: name of the images in messages.
        job: its progress is reported.

    Raises:
        StageError: no images, an unreadable one, sizes that differ or are not divisible by ``multiple``.
    """
    rows = [row for source in sources for row in image_folder.rows(source)]
    if not rows:
        raise StageError(f"no {what} images")
    first = _read(rows[0].path)
    if any(side % multiple for side in first.shape[:2]):
        height, width = first.shape[:2]
        raise StageError(
            f"{what} images are {width}×{height} pixels; the networks need multiples of {multiple}"
        )
    shape = (len(rows), 3, *first.shape[:2])
    pixels = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
    for i, row in enumerate(rows):
        image = _read(row.path)
        if image.shape != first.shape:
            raise StageError(
                f"{row.path}: {image.shape[1]}×{image.shape[0]} pixels where others have "
                f"{first.shape[1]}×{first.shape[0]}; resize them"
            )
        pixels[i] = image.transpose(2, 0, 1)
        job.progress(i + 1, len(rows), f"{what} images")
    return Frames(pixels, [row.name for row in rows], [row.captions for row in rows])


def _read(path: Path) -> NDArray[np.uint8]:
    """An image as uint8 (H, W, 3)."""
    with opened(path, path) as picture:
        if picture.image.mode != "RGB":
            raise StageError(f"{path}: mode {picture.image.mode}, not 8-bit RGB")
        return np.asarray(picture.upright(picture.image), dtype=np.uint8)


_CHUNK = 16


@dataclass(frozen=True)
class Latents:
    """Posterior mean and log variance of each image in each orientation."""

    moments: NDArray[np.float32]
    """(N, K, 2C, h, w), a memory map."""
    scaling: float

    def sample(self, images: Sequence[int], orientations: Sequence[int], noise: Tensor) -> Tensor:
        """Latents (B, C, h, w) drawn from the posterior by standard normal ``noise`` of that shape, scaled."""
        moments = torch.from_numpy(self.moments[list(images), list(orientations)])
        mean, log_variance = moments.chunk(2, dim=1)
        return (mean + noise * (log_variance.clamp(-30, 20) / 2).exp()) * self.scaling

    def mean(self, images: Sequence[int]) -> Tensor:
        """Posterior means (B, C, h, w) of images in their original orientation, scaled."""
        mean, _ = torch.from_numpy(self.moments[list(images), 0]).chunk(2, dim=1)
        return mean * self.scaling


@torch.inference_mode()
def encode(
    vae: AutoencoderKL,
    frames: Frames,
    orientations: Sequence[int],
    pixels: Pixels,
    file: Path,
    what: str,
    job: Job,
) -> Latents:
    """Encode all images in all orientations, in fp32, into ``file``."""
    done = 0
    moments = None
    for start in range(0, len(frames), _CHUNK):
        chosen = range(start, min(start + _CHUNK, len(frames)))
        images = pixels.apply(frames.batch(chosen))
        for k, orientation in enumerate(orientations):
            found = vae.encode(oriented(images, orientation).to(vae.device)).latent_dist.parameters
            if moments is None:
                shape = (len(frames), len(orientations), *found.shape[1:])
                moments = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=shape)
            moments[list(chosen), k] = found.float().cpu().numpy()
        done += len(chosen)
        job.progress(done, len(frames), f"{what} latents")
    assert moments is not None, "frames are never empty"
    return Latents(moments, float(vae.config.scaling_factor))


_DONE = "prepared.json"


@dataclass(frozen=True)
class Side:
    """Training or held-out images."""

    captions: list[list[str]]
    latents: Latents


@dataclass(frozen=True)
class Prepared:
    """The prepared data, which each process reads back from the folder."""

    training: Side
    held_out: Side | None
    pixels: Pixels
    facts: dict[str, Json]


def prepare(
    recipe: Recipe, pipeline: Artifact, data: Artifact, validation: Artifact | None, job: Job
) -> None:
    """Write latents and captions to ``job.scratch``, unless a killed run has already done so.

    Raises:
        StageError: see ``text_to_image.finetune``.
    """
    if (job.scratch / _DONE).exists():
        return
    if PRECISIONS[recipe.precision].scaled and job.device == "cpu":  # accelerate scales losses on GPUs only
        raise StageError(for_gpus(recipe.precision))
    opened = read_pipeline(pipeline.path, "the pipeline", torch.float32)
    vae = opened.vae.to(job.device)
    multiple = opened.vae_scale_factor  # the UNet also takes latents of odd size
    sides = {"training": data} if validation is None else {"training": data, "held-out": validation}
    frames = {
        side: decode([images], job.scratch / f"{side}-pixels.npy", multiple, side, job)
        for side, images in sides.items()
    }
    for side, read in frames.items():
        _captioned(read, side)
    if len({read.size for read in frames.values()}) > 1:
        raise StageError(
            f"held-out images have {frames['held-out'].size} pixels, {frames['training'].size} the others"
        )
    height, width = frames["training"].size
    if recipe.augment == "dihedral" and width != height:
        raise StageError(
            f"augment: dihedral turns images, and these are {width}×{height}, not square; set flips"
        )
    own = recipe.normalisation == "dataset"
    pixels = Pixels(*frames["training"].statistics()) if own else Pixels.of(vae)
    described: dict[str, Json] = {}
    for side, read in frames.items():
        orientations = ORIENTATIONS[recipe.augment] if side == "training" else ORIENTATIONS["none"]
        file = job.scratch / f"{side}-latents.npy"
        latents = encode(vae, read, orientations, pixels, file, side, job)
        described[side] = {"captions": [list(c) for c in read.captions], "scaling": latents.scaling}
    described["pixels"] = {"mean": list(pixels.mean), "std": list(pixels.std)}
    described["facts"] = {
        "images": len(frames["training"]),
        "captions": sum(len(c) for c in frames["training"].captions),
        "captions_cut_at_77_tokens": _cut(opened.tokenizer, frames["training"]),
        "normalisation": described["pixels"],
    }
    (job.scratch / _DONE).write_text(json.dumps(described), encoding="utf-8")


def prepared(scratch: Path) -> Prepared:
    """Read what ``prepare`` wrote."""
    described = json.loads((scratch / _DONE).read_text(encoding="utf-8"))
    sides = {
        side: Side(
            described[side]["captions"],
            Latents(np.load(scratch / f"{side}-latents.npy", mmap_mode="r"), described[side]["scaling"]),
        )
        for side in ("training", "held-out")
        if side in described
    }
    return Prepared(
        sides["training"], sides.get("held-out"), Pixels(**described["pixels"]), described["facts"]
    )


def _captioned(frames: Frames, side: str) -> None:
    bare: Sequence[str] = [n for n, c in zip(frames.names, frames.captions, strict=True) if not c]
    if bare:
        raise StageError(f"{side} image {bare[0]} has no caption ({len(bare)} of {len(frames)} images)")
    blank = [n for n, c in zip(frames.names, frames.captions, strict=True) if not all(s.strip() for s in c)]
    if blank:
        raise StageError(
            f"{side} image {blank[0]} has a blank caption ({len(blank)} of {len(frames)} images); "
            "caption_drop trains without captions"
        )


def _cut(tokenizer: CLIPTokenizer, frames: Frames) -> int:
    """Number of captions that are cut because they have more tokens than the text encoder takes."""
    sentences = [caption for captions in frames.captions for caption in captions]
    lengths = (len(ids) for ids in tokenizer(sentences, verbose=False).input_ids)
    return sum(length > tokenizer.model_max_length for length in lengths)
