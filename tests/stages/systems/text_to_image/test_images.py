"""Sampling: the images are diffusers' own, whatever the batch, the memory and the kills on the way."""

import json
from typing import get_args

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from image_files import everything, pixels
from jobs import FolderJob
from safetensors.torch import load_file, save_file
from tiny_pipeline import tiny_pipeline

from harness.artifact import Captions
from harness.errors import StageError
from harness.formats.image_folder import rows
from harness.stages.metrics import cost
from harness.stages.systems.text_to_image import sample
from harness.stages.systems.text_to_image.encoding import EMBEDDINGS, encode
from harness.stages.systems.text_to_image.pipelines import cast
from harness.stages.systems.text_to_image.sampler import generator
from harness.stages.systems.text_to_image.schedulers import Name, scheduler_for

LEVEL = 1
"""Of 255. Rounding errors of a few steps in single precision are a hundredth of it, so a pixel may be rounded the other
way, and no more."""

pytestmark = [
    pytest.mark.numeric,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # diffusers' schedulers, by the thousand
]


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return tiny_pipeline(tmp_path_factory.mktemp("pipeline"))


@pytest.fixture(scope="module")
def captions(tmp_path_factory):
    folder = tmp_path_factory.mktemp("captions")
    lines = [
        {"file_name": f"{i}.png", "captions": [f"a lake, number {i}"], "label": "Water Body"}
        for i in range(32)
    ]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Captions(folder)


@pytest.fixture(scope="module")
def prompts_of(pipeline, captions, tmp_path_factory):
    def encoded(count, **changed):
        settings = {"positive": ("sharp",), "negative": ("blurry",)} | changed
        job = FolderJob(tmp_path_factory.mktemp("job"))
        return encode(pipeline, captions, count=count, **settings, job=job)

    return encoded


@pytest.fixture(scope="module")
def five(prompts_of):
    return prompts_of(5)


@pytest.fixture
def draw(pipeline, five, tmp_path_factory):
    def drawn(of=five, *, root=None, on_progress=None, **changed):
        job = FolderJob(root or tmp_path_factory.mktemp("job"), on_progress)
        return sample(pipeline, of, **({"scheduler": "ddim", "steps": 2} | changed), job=job)

    return drawn


def images(made):
    """Float64 of shape (N, H, W, 3)."""
    found = np.stack([pixels(row.path) for row in rows(made)]).astype(np.float64)
    assert found.std() > 1
    return found


@pytest.mark.parametrize("scheduler", ["pndm", "euler_ancestral"])
def test_the_images_are_those_of_a_plain_diffusers_call(pipeline, five, draw, scheduler):
    """With texts for embeddings, and the generators alone for the first noise and all that follows."""
    plain = StableDiffusionPipeline.from_pretrained(pipeline.path, safety_checker=None)
    plain.set_progress_bar_config(disable=True)
    plain.scheduler = scheduler_for(scheduler, plain.scheduler, 4)
    prompts = [row.columns["prompt"] for row in rows(five)]
    expected = plain(
        prompts,
        negative_prompt=["blurry"] * 5,
        num_inference_steps=4,
        guidance_scale=3.0,
        generator=[generator(7, i) for i in range(5)],
    ).images
    made = draw(scheduler=scheduler, steps=4, guidance=3.0, seed=7)
    np.testing.assert_allclose(images(made), np.stack([np.asarray(image) for image in expected]), atol=LEVEL)


@pytest.mark.proves("text_to_image.sample", "batch_size")
def test_batches_of_1_and_3_and_16_give_the_same_images(prompts_of, draw):
    many = prompts_of(17)
    one, three, sixteen = (
        images(draw(many, scheduler="euler_ancestral", steps=2, batch_size=size)) for size in (1, 3, 16)
    )
    for other in (three, sixteen):
        np.testing.assert_allclose(other, one, atol=LEVEL)
        assert (other != one).mean() < 0.005


KNOBS = [
    {"steps": 3}, {"guidance": 3.0}, {"guidance": 1.0}, {"size": 32}, {"precision": "bf16"}, {"seed": 1},
    *({"scheduler": name} for name in get_args(Name) if name != "ddim"),
]  # fmt: skip


@pytest.mark.proves("text_to_image.sample", "scheduler steps guidance size precision seed")
@pytest.mark.slow
def test_every_knob_gives_images_of_its_own(draw, prompts_of):
    """Other than at the plain settings, and than with any other knob."""
    two = prompts_of(2)
    found = [
        tuple(row.path.read_bytes() for row in rows(draw(two, **({"steps": 4} | knob))))
        for knob in ({}, *KNOBS)
    ]
    assert len({image for pair in found for image in pair}) == 2 * (len(KNOBS) + 1)


def test_the_first_noise_is_the_same_under_every_scheduler(draw):
    """Solvers of one differential equation end close together only where they start from the same point."""
    settings = {"steps": 25, "guidance": 1.0}
    first, second = (images(draw(scheduler=name, **settings)) for name in ("dpmsolver++", "unipc"))
    apart = np.abs(first[:, None] - second[None]).mean(axis=(2, 3, 4))
    assert apart.shape == (5, 5)
    assert (apart.argmin(axis=1) == np.arange(5)).all()
    assert apart.diagonal().max() < 0.2 * (apart.sum() - apart.trace()) / 20


def test_no_two_images_of_any_seeds_share_their_noise():
    noise = {
        tuple(torch.randn(4, generator=generator(seed, i)).tolist()) for seed in range(20) for i in range(20)
    }
    assert len(noise) == 400


@pytest.mark.parametrize(("scheduler", "evaluations"), [("pndm", 6), ("ddim", 5), ("heun", 9), ("kdpm2", 9)])
def test_network_evaluations_are_counted_for_each_image_and_cost_is_measured(draw, scheduler, evaluations):
    made = draw(scheduler=scheduler, steps=5, batch_size=2)
    assert cost.sampling(made).evaluations == evaluations
    assert cost.speed(made).peak_bytes > 50e6
    assert cost.speed(made).conditions["n"] == 5
    assert cost.speed(made).conditions["threads"] == torch.get_num_threads()


def test_progress_counts_denoising_steps_of_all_images(draw):
    reports = []
    draw(scheduler="pndm", steps=2, batch_size=2, on_progress=lambda *report: reports.append(report))
    assert [done for done, _, _ in reports] == [2, 4, 6, 8, 10, 12, 13, 14, 15]
    assert {report[1:] for report in reports} == {(15, "denoising steps")}


def test_a_row_keeps_what_its_prompt_is_from(draw, five):
    images = draw(seed=3)
    made, prompts = list(rows(images)), list(rows(five))
    assert [row.name for row in made] == [row.name for row in prompts]
    for row, prompt in zip(made, prompts, strict=True):
        assert (row.captions, row.label) == (prompt.captions, "Water Body")
        assert row.columns == {name: prompt.columns[name] for name in ("prompt", "of", "cut")} | {"seed": 3}
    assert images.facts["sampling"]["seed"] == 3
    assert images.facts["sampling"]["pipeline"].startswith("sha256:")


class StopError(Exception):
    """What interrupts a sampling here."""


@pytest.mark.parametrize("scheduler", ["ddim", "euler_ancestral"])
def test_a_killed_sampling_goes_on_and_ends_in_the_same_images(draw, tmp_path, scheduler):
    settings = {"scheduler": scheduler, "steps": 3, "batch_size": 2}

    def stop(done, total, what):
        if done == 10:  # in the middle of the second batch
            raise StopError

    with pytest.raises(StopError):
        draw(root=tmp_path, on_progress=stop, **settings)
    resumed_at = []
    resumed = draw(root=tmp_path, on_progress=lambda done, *_: resumed_at.append(done), **settings)
    whole = draw(**settings)
    assert resumed_at[0] == 8, "the first batch was made again"
    assert len(everything(whole)) == 5
    assert everything(resumed) == everything(whole)
    assert resumed.facts["cost"]["images"] == 5


def out_of_memory(times):
    """Fails as CUDA does, so many times."""
    left = [times]

    def fail(done, total, what):
        if left[0]:
            left[0] -= 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    return fail


def test_out_of_memory_in_fp32_halves_the_batch_and_the_images_stay(draw):
    halved = draw(batch_size=5, on_progress=out_of_memory(2))
    assert halved.facts["cost"]["batch_size"] == 1
    np.testing.assert_allclose(images(halved), images(draw(batch_size=5)), atol=LEVEL)


@pytest.mark.parametrize(
    ("setting", "times", "message"),
    [
        (
            {"precision": "bf16", "batch_size": 4},
            1,
            r"out of memory with 4 images at bf16, .* set batch_size: 2",
        ),
        ({"batch_size": 2}, 2, "out of memory with a single image of 64 × 64 pixels; set a smaller size"),
    ],
)
def test_out_of_memory_that_nothing_can_be_done_about_says_what_to_set(draw, setting, times, message):
    with pytest.raises(StageError, match=message):
        draw(**setting, on_progress=out_of_memory(times))


def test_the_batch_size_is_a_condition_at_half_precision_only(draw):
    assert draw(precision="bf16", batch_size=3).conditions == {"batch_size": 3}
    assert draw(precision="fp32", batch_size=3).conditions == {}


@pytest.mark.parametrize("guidance", [0.0, 1.0])
def test_without_guidance_the_negative_prompt_has_no_effect_and_that_is_said(
    draw, prompts_of, guidance, tmp_path
):
    with_cues, without = prompts_of(2), prompts_of(2, negative=())
    made = draw(with_cues, guidance=guidance)
    assert everything(made) == everything(draw(without, guidance=guidance))
    assert made.facts["guided"] is False
    assert made.facts["negative_unused"] is True
    guided = draw(with_cues)
    assert guided.facts["guided"] is True
    assert guided.facts["negative_unused"] is False
    assert everything(guided) != everything(draw(without))


def test_images_that_are_not_finite_are_refused_with_the_first_one_and_advice(draw):
    with pytest.raises(
        StageError, match=r"00000\.png \('a lake.*not finite in fp32.*guidance 1e\+38; look at"
    ):
        draw(guidance=1e38)
    with pytest.raises(StageError, match=r"not finite in bf16, .*; try precision: fp32"):
        draw(guidance=1e38, precision="bf16")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"size": 60}, "size: 60 is not a multiple of 8, as this pipeline needs; the nearest: 56 or 64"),
        ({"size": 5}, "the nearest: 8"),
        ({"guidance": 0.5}, "guidance: 0.5 would be none at all"),
        ({"steps": 1001}, "steps: 1001 is more than the 1000"),
        ({"scheduler": "pndm", "steps": 1}, "take at least 2"),
    ],
    ids=str,
)
def test_what_cannot_be_sampled_is_refused_before_the_first_batch(draw, setting, message):
    reports = []
    with pytest.raises(StageError, match=message):
        draw(**setting, on_progress=lambda *report: reports.append(report))
    assert reports == []


def test_prompts_of_another_text_encoder_are_refused(draw, prompts_of):
    strange = prompts_of(2)
    stored = load_file(strange.path / EMBEDDINGS)
    save_file({n: t[..., :8].contiguous() for n, t in stored.items()}, strange.path / EMBEDDINGS)
    with pytest.raises(
        StageError, match="prompts: encoded in 8 features by another pipeline; this one takes 96"
    ):
        draw(strange)


def test_prompts_of_another_text_encoder_of_the_same_width_are_refused(five, tmp_path):
    """Nothing else would tell: the images would be of other prompts."""
    other = tiny_pipeline(tmp_path / "other", seed=1)
    with pytest.raises(StageError, match=r"prompts: encoded by another text encoder .* encode them with"):
        sample(other, five, scheduler="ddim", steps=2, job=FolderJob(tmp_path / "job"))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_prompts_of_the_same_text_encoder_stored_in_half_precision_are_taken(
    pipeline, five, tmp_path, precision
):
    half = cast(pipeline, dtype="fp16", job=FolderJob(tmp_path / "half"))
    made = sample(half, five, scheduler="ddim", steps=2, precision=precision, job=FolderJob(tmp_path / "job"))
    assert made.facts["count"] == 5
