"""Every scheduler name is one sampler, on the pipeline's own noise schedule."""

import json
from typing import get_args

import pytest
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler, PNDMScheduler

from harness.errors import StageError
from harness.stages.systems.text_to_image.schedulers import Name, scheduler_for

pytestmark = [
    pytest.mark.numeric,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # diffusers' own, by the thousand
]

NAMES = get_args(Name)
HUB = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
}
"""``scheduler_config.json`` of Stable Diffusion v1.5."""


@pytest.fixture
def own(tmp_path):
    """The scheduler of a pipeline from the hub."""
    (tmp_path / "scheduler_config.json").write_text(json.dumps(HUB))
    return PNDMScheduler.from_pretrained(tmp_path)


def test_an_unknown_prediction_type_is_named_whatever_the_scheduler(own):
    own.register_to_config(prediction_type="vv")
    for name in NAMES:
        with pytest.raises(
            StageError, match=r"^the pipeline's scheduler has prediction_type 'vv'; expected one of epsilon"
        ):
            scheduler_for(name, own, 2)
    own.register_to_config(prediction_type="v_predicton")
    with pytest.raises(StageError, match="did you mean 'v_prediction'"):
        scheduler_for("unipc", own, 2)


def times(scheduler, steps=10):
    scheduler.set_timesteps(steps)
    return scheduler.timesteps.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_every_scheduler_follows_the_noise_and_the_prediction_of_the_pipeline(own, name):
    own.register_to_config(prediction_type="v_prediction")
    made = scheduler_for(name, own, 10)
    assert torch.equal(made.betas, own.betas)
    assert made.config.prediction_type == "v_prediction"
    assert made.config.get("clip_sample", False) is False


@pytest.mark.parametrize("name", NAMES)
def test_on_a_config_from_the_hub_it_is_what_diffusers_makes_of_it(own, name):
    made = scheduler_for(name, own, 10)
    options = {"algorithm_type": made.config.get("algorithm_type")} if "dpmsolver" in name else {}
    options |= {
        key: made.config[key]
        for key in ("use_karras_sigmas", "final_sigmas_type", "lower_order_final")
        if key in made.config and "dpmsolver" in name
    }
    theirs = type(made).from_config(own.config, **options)
    assert times(made) == times(theirs)
    if hasattr(made, "sigmas"):
        assert torch.equal(made.sigmas, theirs.sigmas)


@pytest.mark.parametrize("name", NAMES)
def test_a_pipeline_that_was_saved_again_samples_at_the_same_times(own, tmp_path, name):
    """Diffusers then takes the first class's default spacing for a choice, and hands it to every other class."""
    own.save_pretrained(tmp_path / "again")
    again = PNDMScheduler.from_pretrained(tmp_path / "again")
    assert times(scheduler_for(name, again, 10)) == times(scheduler_for(name, own, 10))


def test_a_spacing_that_the_pipeline_chose_is_kept(own):
    own.register_to_config(timestep_spacing="trailing")
    assert times(scheduler_for("euler", own, 4), 4) == [999.0, 749.0, 499.0, 249.0]


def test_the_pipelines_own_scheduler_gives_way_to_the_name(own):
    ddim = DDIMScheduler.from_config(own.config)
    made = scheduler_for("pndm", ddim, 50)
    assert times(made, 50) == times(own, 50)
    assert len(times(made, 50)) == 51


@pytest.mark.parametrize(
    ("name", "evaluations"),
    [("pndm", 51), ("ddim", 50), ("heun", 99), ("kdpm2", 99), ("kdpm2_ancestral", 99), ("unipc", 50)],
)
def test_evaluations_of_50_steps(own, name, evaluations):
    assert len(times(scheduler_for(name, own, 50), 50)) == evaluations


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", [2, 3, 25])
def test_few_steps_are_possible(own, name, steps):
    assert len(times(scheduler_for(name, own, steps), steps)) >= steps


@pytest.mark.parametrize(
    ("name", "steps", "message"),
    [
        ("euler", 1, r"steps: with 1, euler starts at time 0 of 1000, .* take at least 2"),
        ("pndm", 1, "steps: with 1, pndm starts at time 1 of 1000"),
        ("unipc", 1001, "steps: 1001 is more than the 1000 that the pipeline's noise schedule has"),
        ("ddim", 1000, r"steps: ddim cannot do 1000 \(index 1000 is out of bounds"),
        ("dpmsolver++", 1000, r"steps: dpmsolver\+\+ cannot do 1000: it ends in numbers that are not finite"),
    ],
)
def test_steps_that_cannot_be_done_are_refused_before_anything_runs(own, name, steps, message):
    with pytest.raises(StageError, match=message):
        scheduler_for(name, own, steps)


def test_a_single_step_is_possible_where_it_starts_from_noise(own):
    assert times(scheduler_for("dpmsolver++", own, 1), 1) == [999]


def test_a_schedule_that_ends_in_pure_noise_is_followed_or_refused(own):
    ddim = DDIMScheduler.from_config(own.config, rescale_betas_zero_snr=True)
    assert torch.equal(scheduler_for("ddpm", ddim, 10).betas, ddim.betas)
    with pytest.raises(StageError, match="pndm cannot follow the pipeline's noise schedule"):
        scheduler_for("pndm", ddim, 10)


def test_a_pipeline_without_betas_is_refused():
    with pytest.raises(StageError, match="this one has a FlowMatchEulerDiscreteScheduler"):
        scheduler_for("ddim", FlowMatchEulerDiscreteScheduler(), 10)
