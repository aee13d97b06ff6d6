"""Text to image: a Stable Diffusion pipeline is built or loaded, trained and sampled with diffusers.

A pipeline is a folder in the format of diffusers. So diffusers opens what a stage produces, and the other way round.
Weights are safetensors only.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.artifact import EncodedPrompts, GeneratedImages, Images, Json, Pipeline
from harness.compute.precisions import Precision
from harness.errors import ResourceError, StageError, nearest
from harness.formats.image_folder import METADATA, Row, Writer, new_file, rows
from harness.formats.pixels import Resize, Scale
from harness.sources.by_seed import idle_without_pattern
from harness.sources.content import DigestCache, content_digest, files_of
from harness.sources.hub import Source
from harness.stage import Count, Execution, Job, NonNegative, Reading, Seed, stage
from harness.stages.data.folders import captioned
from harness.stages.data.folders.listed import listed
from harness.stages.systems.text_to_image.encoding import encode, load_tokenizer, train_tokenizer
from harness.stages.systems.text_to_image.finetuning import (
    checkpoint,
    finetune,
    reconstruct,
    train_autoencoder,
)
from harness.stages.systems.text_to_image.pipelines import build, cast, load
from harness.stages.systems.text_to_image.schedulers import Scheduler

if TYPE_CHECKING:
    from harness.stages.systems.text_to_image.sampler import Batch, Sampler

__all__ = [
    "build",
    "cast",
    "checkpoint",
    "encode",
    "finetune",
    "folder",
    "load",
    "load_tokenizer",
    "reconstruct",
    "sample",
    "train_autoencoder",
    "train_tokenizer",
]


_BATCH = "batch-"
_COST = "cost.json"
_PASSED_ON = ("prompt", "of", "cut", "writer")
"""Columns that are copied from a prompt's row to its image's row if present, besides label and captions."""


@stage(version=1, software=("torch", "diffusers", "transformers", "scipy", "pillow"))
def sample(
    pipeline: Pipeline,
    prompts: EncodedPrompts,
    *,
    scheduler: Scheduler,
    steps: Count,
    guidance: NonNegative = 7.5,
    size: Count | None = None,
    precision: Precision = "fp32",
    batch_size: Execution[Count] = 16,
    seed: Seed = 0,
    job: Job,
) -> GeneratedImages:
    """Sample one image per prompt.

    Image *i* of a seed begins with the same noise for every scheduler, number of steps, batch size, precision and
    device, so that settings are compared image by image. In fp32 the batch size does not change the images, and it
    is halved when memory runs out. At half precision it does change them: there it is a condition of every score,
    and running out of memory is an error. A killed sampling resumes after its last finished batch and gives the
    same images.

    Args:
        pipeline: denoises and decodes; its noise schedule is kept whatever the scheduler.
        prompts: from ``encode``, by this pipeline or one with the same text encoder.
        scheduler: the sampler.
        steps: as diffusers counts them. There may be more network evaluations (PNDM 50: 51; Heun 50: 99). The facts
            have them as ``cost.evaluations``, per image: a guided evaluation counts once.
        guidance: weight of the prompt against the negative prompt. 0 and 1 both mean no guidance in diffusers:
            half the work, and the negative prompt has no effect, which facts and log then state.
        size: width and height in pixels; null for those of the pipeline.
        precision: precision of the networks; the noise is drawn in fp32.
        batch_size: images at once.
        seed: seed for the noise.
        job: its device, folder and scratch.

    Raises:
        StageError: a number of steps not possible with the scheduler, a size not possible with the pipeline, a guidance
            between 0 and 1, prompts of another text encoder, images that are not finite, too little memory.
    """
    from harness.stages.systems.text_to_image.sampler import Sampler, Settings

    if 0 < guidance < 1:
        raise StageError(
            f"guidance: {guidance:g} would be none at all, as 0 and 1 are; set more than 1, or 1"
        )
    unused = guidance <= 1 and bool(prompts.facts["negative"])
    if unused:
        job.log(f"guidance {guidance:g} is none, so the negative prompt has no effect")
    sampler = Sampler(pipeline, prompts, Settings(scheduler, steps, guidance, size, precision, seed), job)
    planned = list(rows(prompts))
    batches = _sample_all(sampler, planned, batch_size, job)
    folder = job.folder()
    _gather(batches, folder)
    return GeneratedImages(
        folder,
        facts={
            "count": len(planned),
            "size": [sampler.width, sampler.height],
            "guided": guidance > 1,
            "negative_unused": unused,
            "sampling": {
                "pipeline": content_digest(files_of(pipeline.path), DigestCache(job.scratch / "digests")),
                "scheduler": scheduler,
                "steps": steps,
                "guidance": guidance,
                "precision": precision,
                "seed": seed,
                "positive": prompts.facts["positive"],
                "negative": prompts.facts["negative"],
            },
            "cost": _total([_cost(batch) for batch in batches]),
        },
        conditions={} if precision == "fp32" else {"batch_size": batch_size},
    )


def _sample_all(sampler: Sampler, planned: Sequence[Row], batch_size: int, job: Job) -> list[Path]:
    """Folders of batches in the job's scratch, in order; those that a killed run finished are not made again."""
    finished = sorted(job.scratch.glob(f"{_BATCH}*"))
    done = sum(_cost(batch)["images"] for batch in finished)
    size = _cost(finished[-1])["batch_size"] if finished else batch_size
    while done < len(planned):
        members = planned[done : done + size]
        batch = sampler.draw(members, done, len(planned))
        if batch is None:
            size = _halved(len(members), sampler)
            job.log(f"out of memory with {len(members)} images at once; going on with {size}")
            continue
        finished.append(
            _keep(batch, members, job.scratch / f"{_BATCH}{done:08d}", size, sampler.settings.seed)
        )
        done += len(members)
    return finished


def _halved(size: int, sampler: Sampler) -> int:
    if size == 1:
        raise ResourceError(
            f"out of memory with a single image of {sampler.width} × {sampler.height} pixels; set a smaller size"
        )
    if sampler.settings.precision != "fp32":
        raise ResourceError(
            f"out of memory with {size} images at {sampler.settings.precision}, where the batch decides about "
            f"the images; set batch_size: {size // 2}"
        )
    return size // 2


def _keep(batch: Batch, members: Sequence[Row], folder: Path, batch_size: int, seed: int) -> Path:
    """Save a batch as a folder, atomically."""
    torn = folder.with_name("torn")
    shutil.rmtree(torn, ignore_errors=True)
    torn.mkdir()
    with Writer(torn) as out:
        for row, pixels in zip(members, batch.pixels, strict=True):
            columns: dict[str, Json] = {} if row.label is None else {"label": row.label}
            columns |= {name: row.columns[name] for name in _PASSED_ON if name in row.columns} | {
                "seed": seed
            }
            out.add(pixels, row.name, captions=row.captions, **columns)
    cost = {**asdict(batch.cost), "batch_size": batch_size}
    (torn / _COST).write_text(json.dumps(cost), encoding="utf-8")
    return torn.rename(folder)


def _cost(batch: Path) -> dict[str, Any]:
    cost: dict[str, Any] = json.loads((batch / _COST).read_text(encoding="utf-8"))
    return cost


def _gather(batches: Sequence[Path], folder: Path) -> None:
    """Copy all batches into one image folder; they are not moved, so that a kill halfway loses nothing."""
    with (folder / METADATA).open("w", encoding="utf-8") as lines:
        for batch in batches:
            lines.write((batch / METADATA).read_text(encoding="utf-8"))
            for row in rows(Images(batch)):
                shutil.copyfile(row.path, new_file(folder / row.name))


def _total(costs: Sequence[Mapping[str, Any]]) -> dict[str, Json]:
    """The values for ``cost.sampling`` and ``cost.speed``, over all batches and runs."""
    from harness.compute.device import Usage, total

    evaluations = {cost["evaluations"] for cost in costs}
    assert len(evaluations) == 1, "batches of one sampling take the same evaluations"
    return {
        "evaluations": evaluations.pop(),
        "images": sum(cost["images"] for cost in costs),
        "batch_size": min(cost["batch_size"] for cost in costs),
        **total([Usage(**cost["usage"]) for cost in costs]),
    }


@stage(version=1, software=("pillow",), idle=idle_without_pattern)
def folder(
    *,
    source: Source,
    prompt: Reading[str] = "prompt",
    label: Reading[str | None] = None,
    of: Reading[str | None] = None,
    size: Reading[Count | None] = None,
    resize: Reading[Resize] = "bicubic",
    scale: Reading[Scale | None] = None,
    seed: Seed = 0,
    job: Job,
) -> GeneratedImages:
    """Load generated images from a folder, with the prompts they were made from in its
    ``metadata.jsonl`` (or ``.csv``, ``.parquet``).

    Their cost is unknown, so ``cost.sampling`` refuses them; every other metric takes them. For metrics that pair
    images with real ones or use classes, name the columns ``of`` and ``label``.

    Args:
        source: the folder; ``metadata.jsonl`` has one row per image, ``file_name`` relative to the folder.
            ``path:../out/seed-{seed}`` is one folder for each repeat.
        prompt: the column with the prompt.
        label: the column with the class that the prompt asks for; null if there is none.
        of: the column with the ``file_name`` of the real image that the prompt describes; null if there is none.
        size: crop to the central square and resize to this width and height; null keeps images as they are.
        resize: the filter for resizing, antialiased.
        scale: the values that become 0 and 255 in images of one channel with more than 8 bits.
        seed: the repeat: chooses the folder. It draws nothing.
        job: its folder.

    Raises:
        StageError: no ``metadata.jsonl``, a damaged image, an image without a prompt, with a blank one or with
            several, a column that a row lacks.
    """
    made = captioned(source=source, captions=prompt, size=size, resize=resize, scale=scale, job=job)
    lines = []
    for row, (_, _, _, where, columns) in zip(rows(made), listed(source.path, prompt), strict=True):
        if len(row.captions) != 1:
            raise StageError(f"{where}: {len(row.captions)} sentences in {prompt!r}; an image has one prompt")
        kept: dict[str, Json] = {"file_name": row.name, "captions": row.captions}
        if label is not None:
            kept["label"] = _text(columns, label, where)
        if of is not None:
            kept["of"] = _text(columns, of, where)
        lines.append(json.dumps(kept, ensure_ascii=False) + "\n")
    (made.path / METADATA).write_text("".join(lines), encoding="utf-8")
    return GeneratedImages(made.path, facts=made.facts)


def _text(columns: Mapping[str, Any], column: str, where: str) -> str:
    if column not in columns:
        raise StageError(f"{where}: no {column!r}, only {', '.join(columns)}{nearest(column, columns)}")
    value = columns[column]
    if not isinstance(value, str) or not value:
        raise StageError(f"{where}: {column} must be a name, not {value!r:.60}")
    return value
