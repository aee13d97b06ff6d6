"""Sampling beside plain diffusers on the same pipeline, as many threads as there are; ratios are asserted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import count, product
from pathlib import Path
from statistics import median

import pytest
from jobs import FolderJob
from pytest_benchmark.fixture import BenchmarkFixture
from tiny_pipeline import tiny_pipeline

from harness.artifact import EncodedPrompts, Extractor, GeneratedImages, Pipeline, Scenes
from harness.formats.image_folder import Writer, rows
from harness.stages.data import scenes
from harness.stages.metrics import features
from harness.stages.systems.text_to_image import encode, sample
from harness.stages.systems.text_to_image.schedulers import Scheduler, scheduler_for

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SCHEDULERS: tuple[Scheduler, ...] = ("pndm", "ddim", "dpmsolver++", "unipc", "euler")
STEPS = (2, 5, 10)
BATCH = 16
ROUNDS = 5


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[FolderJob]:
    return (FolderJob(tmp_path / str(i)) for i in count())


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return tiny_pipeline(tmp_path_factory.mktemp("pipeline"))


def drawn(per_class: int, jobs: Iterator[FolderJob]) -> Scenes:
    return scenes.draw(per_class=per_class, size=64, job=next(jobs))


def plain(
    pipeline: Pipeline, prompts: EncodedPrompts, name: Scheduler, steps: int, job: FolderJob
) -> GeneratedImages:
    """A script as people write it: load, set the scheduler, loop over batches of prompts, save PNG files."""
    import torch
    from diffusers import StableDiffusionPipeline

    pipe = StableDiffusionPipeline.from_pretrained(pipeline.path, safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = scheduler_for(name, pipe.scheduler, steps)
    texts = [str(row.columns["prompt"]) for row in rows(prompts)]
    with Writer(job.folder()) as out:
        for start in range(0, len(texts), BATCH):
            batch = texts[start : start + BATCH]
            generator = torch.Generator().manual_seed(start)
            images = pipe(batch, num_inference_steps=steps, guidance_scale=7.5, generator=generator).images
            for i, image in enumerate(images, start=start):
                out.add(image, f"{i:05d}.png", captions=[texts[i]])
    return GeneratedImages(out.folder)


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def test_sampling_beside_a_plain_loop(
    pipeline: Pipeline, jobs: Iterator[FolderJob], benchmark: BenchmarkFixture
) -> None:
    """32 images, PNDM 10, batches of 16, loading and writing included on both sides.

    ``images_per_s_ratio`` is ours by the plain loop's, the median of alternating rounds. It is to be at least 1;
    5 % are left to the noise of a shared machine.
    """
    prompts = encode(pipeline, drawn(5, jobs), count=2 * BATCH, job=next(jobs))
    theirs: list[float] = []
    ours: list[float] = []

    def plain_round() -> None:
        theirs.append(seconds(lambda: plain(pipeline, prompts, "pndm", 10, next(jobs))))

    def our_round() -> GeneratedImages:
        started = time.perf_counter()
        made = sample(pipeline, prompts, scheduler="pndm", steps=10, batch_size=BATCH, job=next(jobs))
        ours.append(time.perf_counter() - started)
        return made

    made = benchmark.pedantic(our_round, setup=plain_round, rounds=ROUNDS, warmup_rounds=1)
    assert made.facts["count"] == 2 * BATCH
    pairs = zip(theirs[1:], ours[1:], strict=True)
    ratio = median(t / o for t, o in pairs)
    benchmark.extra_info["images_per_s_ratio"] = round(ratio, 3)
    benchmark.extra_info["plain_s"] = round(median(theirs[1:]), 3)
    assert ratio > 0.95


def test_a_sweep_beside_a_script_for_each_of_its_cells(
    pipeline: Pipeline, jobs: Iterator[FolderJob], benchmark: BenchmarkFixture
) -> None:
    """Five schedulers at three numbers of steps, with features of real and generated images at 224 px.

    Each script loads the pipeline, encodes the prompts, samples, and extracts features of real and generated images;
    our sweep encodes once and extracts the real features once. Images are in the proportion of the smoke suite,
    about two real ones for each generated one of a cell. Scripts are function calls in this process: what fifteen
    processes would spend on importing torch and diffusers is left out, in favour of the scripts. Both sides extract
    with our stage.
    """
    real = drawn(3, jobs)
    extractor: Extractor = features.load(
        architecture=features.families.Architecture.from_text("torchvision:resnet18"),
        weights=None,
        job=next(jobs),
    )
    cells = list(product(SCHEDULERS, STEPS))

    def scripts() -> None:
        prompts = encode(pipeline, real, count=10, job=next(jobs))  # only to know the texts
        for name, steps in cells:
            made = plain(pipeline, prompts, name, steps, next(jobs))
            for images in (real, made):
                features.extract(images, extractor, job=next(jobs))

    def sweep() -> int:
        prompts = encode(pipeline, real, count=10, job=next(jobs))
        features.extract(real, extractor, job=next(jobs))
        for name, steps in cells:
            made = sample(pipeline, prompts, scheduler=name, steps=steps, batch_size=BATCH, job=next(jobs))
            features.extract(made, extractor, job=next(jobs))
        return len(cells)

    theirs = seconds(scripts)
    started = time.perf_counter()
    assert benchmark.pedantic(sweep, rounds=1) == 15
    speedup = theirs / (time.perf_counter() - started)
    benchmark.extra_info["speedup"] = round(speedup, 3)
    benchmark.extra_info["scripts_s"] = round(theirs, 2)
    assert speedup > 1.2
