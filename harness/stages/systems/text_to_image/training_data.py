"""What a fine-tuning reads at every step, prepared once: latents and captions of both sides."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import CLIPTokenizer

from harness.artifact import Artifact, Json
from harness.compute.precisions import PRECISIONS
from harness.errors import StageError
from harness.stage import Job
from harness.systems.text_to_image.pipelines.components import read_pipeline
from harness.systems.text_to_image.pipelines.normalisation import Pixels
from harness.systems.text_to_image.training.augmenting import ORIENTATIONS
from harness.systems.text_to_image.training.frames import Frames, decode
from harness.systems.text_to_image.training.latents import Latents, encode
from harness.systems.text_to_image.training.recipe import Recipe

_DONE = "prepared.json"


@dataclass(frozen=True)
class Side:
    """Training or held-out images."""

    captions: list[list[str]]
    latents: Latents


@dataclass(frozen=True)
class Prepared:
    """Read back from the folder, by as many processes as there are."""

    training: Side
    held_out: Side | None
    pixels: Pixels
    facts: dict[str, Json]


def prepare(
    recipe: Recipe, pipeline: Artifact, data: Artifact, validation: Artifact | None, job: Job
) -> None:
    """Leave latents and captions in ``job.scratch``, unless a killed run has.

    Raises:
        StageError: see ``text_to_image.finetune``.
    """
    if (job.scratch / _DONE).exists():
        return
    if PRECISIONS[recipe.precision].scaled and job.device == "cpu":  # accelerate scales losses on GPUs alone
        raise StageError(f"precision: {recipe.precision} is for GPUs; on a CPU use bf16 or fp32")
    opened = read_pipeline(pipeline.path, "the pipeline", torch.float32)
    vae = opened.vae.to(job.device)
    multiple = opened.vae_scale_factor  # the UNet takes odd latents too
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
    """What ``prepare`` left."""
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
    """How many captions have more tokens than the text encoder takes, and are cut."""
    sentences = [caption for captions in frames.captions for caption in captions]
    lengths = (len(ids) for ids in tokenizer(sentences, verbose=False).input_ids)
    return sum(length > tokenizer.model_max_length for length in lengths)
