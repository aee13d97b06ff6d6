"""Contrastive training of a small CLIP model: each image of a batch is contrasted with the captions of the others."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    CLIPTokenizer,
    get_cosine_schedule_with_warmup,
)

from harness.artifact import CaptionedImages, Json, Tokenizer
from harness.compute.device import exact
from harness.errors import StageError
from harness.formats.image_folder import Row
from harness.formats.pixels import Decoder
from harness.stage import Job
from harness.stages.metrics.alignment.scoring import captioned

LENGTH = 77
"""Most tokens in a caption, start and end included; CLIP's value."""
HEAD = 32
"""Features per attention head."""
DECAY = 0.1
"""Weight decay, per step and learning rate."""
HIGHEST_SCALE = math.log(100)
"""CLIP's own limit of the logit scale (Radford et al. 2021, section 2.5); without it long trainings diverge."""


@dataclass(frozen=True)
class Recipe:
    """Training settings, from the stage's parameters."""

    size: int
    patch: int
    width: int
    layers: int
    epochs: int
    batch_size: int
    lr: float
    dihedral: bool
    seed: int


@dataclass(frozen=True)
class Trained:
    network: Any
    """A ``CLIPModel`` on the CPU."""
    processor: Any
    """Its ``CLIPProcessor``."""
    images: int
    captions_cut: int
    """Number of captions longer than 77 tokens; the model has seen their first 76 tokens and the end token."""
    history: list[dict[str, Json]]
    """Per epoch: ``epoch``, ``train_loss``."""


def fit(recipe: Recipe, data: CaptionedImages, tokenizer: Tokenizer, job: Job) -> Trained:
    """Train to the end. This takes a minute or two, so no state is kept for resuming.

    Raises:
        StageError: see the stage.
    """
    rows = captioned(data, "training")
    words = CLIPTokenizer.from_pretrained(tokenizer.path, local_files_only=True)
    side = {"height": recipe.size, "width": recipe.size}
    shaper = CLIPImageProcessor(size={"shortest_edge": recipe.size}, crop_size=side)
    pixels = _prepared(rows, shaper, recipe.size, job.scratch / "pixels.npy")
    network: Any = _network(recipe, words)
    network.to(job.device).train()

    batch = min(recipe.batch_size, len(rows))
    steps = recipe.epochs * (len(rows) // batch)
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.lr, weight_decay=DECAY, fused=True)
    schedule = get_cosine_schedule_with_warmup(optimiser, steps // 10, steps)
    draw = random.Random(recipe.seed)
    history: list[dict[str, Json]] = []
    done = 0
    for epoch in range(1, recipe.epochs + 1):
        losses = []
        for chosen in _batches(len(rows), batch, draw):
            images = _turned(pixels[chosen], draw) if recipe.dihedral else torch.from_numpy(pixels[chosen])
            captions = captions_for([rows[i].captions for i in chosen], draw)
            read = words(captions, padding=True, truncation=True, max_length=LENGTH, return_tensors="pt")
            ids = read.input_ids.to(job.device)
            with exact():
                loss = network(input_ids=ids, pixel_values=images.to(job.device), return_loss=True).loss
                losses.append(_finite(float(loss.detach()), done + 1, epoch))
                _step(network, loss, optimiser, schedule)
            done += 1
            job.progress(done, steps, "steps")
        history.append({"epoch": epoch, "train_loss": math.fsum(losses) / len(losses)})
    cut = sum(len(ids) > LENGTH for row in rows for ids in words(list(row.captions)).input_ids)
    processor: Any = CLIPProcessor
    return Trained(network.cpu().eval(), processor(shaper, words), len(rows), cut, history)


def _batches(count: int, batch: int, draw: random.Random) -> Iterator[list[int]]:
    """One epoch: full batches in random order."""
    order = draw.sample(range(count), count)
    for start in range(0, count - batch + 1, batch):
        yield order[start : start + batch]


def _step(network: Any, loss: Tensor, optimiser: Any, schedule: Any) -> None:
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    schedule.step()
    with torch.no_grad():
        network.logit_scale.clamp_(max=HIGHEST_SCALE)


def captions_for(rows: Sequence[Sequence[str]], draw: random.Random) -> list[str]:
    """One caption of each row of a batch; a sentence is repeated only if all captions of a row are already taken."""
    taken: list[str] = []
    for captions in rows:
        fresh = [caption for caption in captions if caption not in taken]
        taken.append(draw.choice(fresh or list(captions)))
    return taken


def _prepared(rows: Sequence[Row], shaper: CLIPImageProcessor, size: int, file: Path) -> Any:
    """All images as the network sees them, float32 (N, 3, size, size), on disk.

    They are read and resized once instead of once per epoch, and memory does not grow with their number.
    """
    pixels = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=(len(rows), 3, size, size))
    for i, row in enumerate(rows):
        picture = Decoder().decode(row.path, row.path)
        pixels[i] = shaper(picture, return_tensors="np").pixel_values[0]
    return pixels


def _network(recipe: Recipe, words: CLIPTokenizer) -> CLIPModel:
    tower = {
        "hidden_size": recipe.width,
        "intermediate_size": 4 * recipe.width,
        "num_hidden_layers": recipe.layers,
        "num_attention_heads": recipe.width // HEAD,
        "projection_dim": recipe.width,
    }
    text = {
        "vocab_size": len(words),
        "max_position_embeddings": LENGTH,
        "bos_token_id": words.bos_token_id,
        "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id,
    }
    vision = {"image_size": recipe.size, "patch_size": recipe.patch}
    config = CLIPConfig(
        text_config={**tower, **text}, vision_config={**tower, **vision}, projection_dim=recipe.width
    )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(recipe.seed)
        return CLIPModel(config)


def _turned(images: Any, draw: random.Random) -> Tensor:
    """Each image of an array (B, 3, S, S) in a random one of the square's eight symmetries."""
    turned = []
    for image in torch.from_numpy(images):
        symmetry = draw.randrange(8)
        mirrored = image.flip(-1) if symmetry >= 4 else image
        turned.append(mirrored.rot90(symmetry % 4, (1, 2)))
    return torch.stack(turned)


def _finite(loss: float, step: int, epoch: int) -> float:
    if not math.isfinite(loss):
        raise StageError(f"the training loss became {loss} at step {step} (epoch {epoch}); lower lr")
    return loss
