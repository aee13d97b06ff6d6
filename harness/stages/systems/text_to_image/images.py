"""Images from encoded prompts: any scheduler, any number of steps, the same noise for all of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.artifact import EncodedPrompts, GeneratedImages, Images, Json, Pipeline
from harness.compute.precisions import Precision
from harness.data.content import DigestCache, content_digest, files_of
from harness.data.image_folder import METADATA, Row, Writer, rows
from harness.errors import ResourceError, StageError
from harness.stage import Count, Execution, Job, NonNegative, Seed, stage
from harness.systems.text_to_image.sampling.schedulers import Scheduler

if TYPE_CHECKING:
    from harness.systems.text_to_image.sampling.sampler import Batch, Sampler

_BATCH = "batch-"
_COST = "cost.json"
_PASSED_ON = ("prompt", "of", "cut", "writer")
"""Columns of a prompt's row that its image's row has too, where that has them, beside label and captions."""


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

    Image *i* of a seed begins with the same noise under every scheduler, number of steps, batch size, precision
    and device, so that settings are compared image by image. In fp32 the batch size does not change the images,
    and when memory runs out it is halved. At half precision it does change them: there it is a condition of
    every score, and running out of memory is an error. A sampling that was killed goes on after its last
    finished batch and ends in the same images.

    Args:
        pipeline: what denoises and decodes; its noise schedule is kept whatever the scheduler.
        prompts: from ``encode``, by this pipeline or one with the same text encoder.
        scheduler: the sampler.
        steps: as diffusers counts them. Network evaluations may be more (PNDM 50: 51; Heun 50: 99); the facts
            have them as ``cost.evaluations``, per image: a guided evaluation counts once.
        guidance: weight of the prompt against the negative prompt. 0 and 1 are diffusers' two names for none:
            half the work, and the negative prompt has no effect, which facts and log then say.
        size: width and height in pixels; null for those of the pipeline.
        precision: of the networks; the noise is drawn in fp32.
        batch_size: images at once.
        seed: of the noise.
        job: its device, folder and scratch.

    Raises:
        StageError: a number of steps that the scheduler cannot do, a size that the pipeline cannot, a guidance
            between 0 and 1, prompts of another text encoder, images that are not finite, too little memory.
    """
    from harness.systems.text_to_image.sampling.sampler import Sampler, Settings

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
    """Folders of batches in the job's scratch, in order; those that a killed try finished are not made again."""
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
    """A batch as a folder that is complete or not there at all."""
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
    """One image folder of all of them; copied, so that a kill in the middle of it loses nothing."""
    with (folder / METADATA).open("w", encoding="utf-8") as lines:
        for batch in batches:
            lines.write((batch / METADATA).read_text(encoding="utf-8"))
            for row in rows(Images(batch)):
                shutil.copyfile(row.path, folder / row.name)


def _total(costs: Sequence[Mapping[str, Any]]) -> dict[str, Json]:
    """What ``cost.sampling`` and ``cost.speed`` report, over all batches and tries."""
    from harness.compute.meter import Usage, total

    evaluations = {cost["evaluations"] for cost in costs}
    assert len(evaluations) == 1, "batches of one sampling take the same evaluations"
    return {
        "evaluations": evaluations.pop(),
        "images": sum(cost["images"] for cost in costs),
        "batch_size": min(cost["batch_size"] for cost in costs),
        **total([Usage(**cost["usage"]) for cost in costs]),
    }
