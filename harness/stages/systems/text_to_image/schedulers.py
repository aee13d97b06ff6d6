"""Schedulers by short name, each on the noise schedule that the pipeline was trained with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from harness.errors import StageError, nearest
from harness.stage import Choices

if TYPE_CHECKING:
    from diffusers import SchedulerMixin

Name = Literal[
    "pndm",
    "ddim",
    "ddpm",
    "lms",
    "euler",
    "euler_ancestral",
    "heun",
    "kdpm2",
    "kdpm2_ancestral",
    "dpmsolver++",
    "dpmsolver++_karras",
    "dpmsolver++_sde",
    "dpmsolver++_singlestep",
    "deis",
    "unipc",
]
"""The schedulers of diffusers that can use Stable Diffusion's noise schedule and do not need a distilled network."""

SCHEDULERS: Choices[tuple[str, dict[str, Any]]] = Choices(
    {
        "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),  # in latent space always PLMS
        "ddim": ("DDIMScheduler", {}),
        "ddpm": ("DDPMScheduler", {}),
        "lms": ("LMSDiscreteScheduler", {}),
        "euler": ("EulerDiscreteScheduler", {}),
        "euler_ancestral": ("EulerAncestralDiscreteScheduler", {}),
        "heun": ("HeunDiscreteScheduler", {}),
        "kdpm2": ("KDPM2DiscreteScheduler", {}),
        "kdpm2_ancestral": ("KDPM2AncestralDiscreteScheduler", {}),
        "dpmsolver++": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
        "dpmsolver++_karras": (
            "DPMSolverMultistepScheduler",
            {"algorithm_type": "dpmsolver++", "use_karras_sigmas": True},
        ),
        "dpmsolver++_sde": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
        "dpmsolver++_singlestep": ("DPMSolverSinglestepScheduler", {"lower_order_final": True}),
        "deis": ("DEISMultistepScheduler", {}),
        "unipc": ("UniPCMultistepScheduler", {}),
    }
)

Scheduler = Annotated[Name, SCHEDULERS]

_SCHEDULE = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "prediction_type",
    "rescale_betas_zero_snr",
    "steps_offset",
)
"""Settings that the network was trained with; every scheduler must keep them."""

_PREDICTIONS = ("epsilon", "v_prediction", "sample")
"""The prediction types of Stable Diffusion's networks: the noise, its velocity, or the image."""

_LATENT = {"clip_sample": False, "set_alpha_to_one": False}
"""Stable Diffusion's choices, unless the pipeline's configuration differs. Clipping to [-1, 1] is for pixels;
diffusers' DDIM and DDPM do it by default."""


def scheduler_for(name: Scheduler, own: SchedulerMixin, steps: int) -> SchedulerMixin:
    """The scheduler of that name with a pipeline's noise schedule, tried out without the network.

    The result is that of diffusers' ``from_config`` with a config from the hub. With a config that diffusers has
    saved again, ``from_config`` also carries over mere defaults of the first class, above all the spacing of the
    steps, so the same name would mean a different sampler. Therefore the noise schedule is carried over, but the
    spacing only if the pipeline's differs from its own scheduler's default.

    Args:
        name: name of the scheduler.
        own: the pipeline's scheduler.
        steps: denoising steps.

    Raises:
        StageError: the pipeline's scheduler has another kind of noise schedule or an unknown prediction type, or the
            requested one cannot use the noise schedule or do that many steps.
    """
    import diffusers

    if "beta_schedule" not in own.config:
        raise StageError(
            f"scheduler: {name} needs a pipeline that was trained with a schedule of betas; "
            f"this one has a {type(own).__name__}"
        )
    predicts = own.config.get("prediction_type", "epsilon")
    if predicts not in _PREDICTIONS:
        raise StageError(
            f"the pipeline's scheduler has prediction_type {predicts!r}; expected one of "
            f"{', '.join(_PREDICTIONS)}{nearest(str(predicts), _PREDICTIONS)}"
        )
    class_name, options = SCHEDULERS[name]
    kind = getattr(diffusers, class_name)
    known = _defaults(kind)
    settings = {key: own.config[key] for key in _SCHEDULE if key in own.config}
    if settings.get("rescale_betas_zero_snr") and "rescale_betas_zero_snr" not in known:
        raise StageError(
            f"scheduler: {name} cannot follow the pipeline's noise schedule, which ends in pure noise "
            "(rescale_betas_zero_snr); use ddim, ddpm, euler, euler_ancestral or dpmsolver++"
        )
    settings |= {key: own.config.get(key, value) for key, value in _LATENT.items()}
    spacing = own.config.get("timestep_spacing")
    if spacing != _defaults(type(own)).get("timestep_spacing"):
        settings["timestep_spacing"] = spacing
    settings = {key: value for key, value in (settings | options).items() if key in known}
    _try_out(kind(**settings), name, steps)
    return kind(**settings)


def _defaults(kind: type[SchedulerMixin]) -> dict[str, Any]:
    """Default parameters of a scheduler's class."""
    import inspect

    return {p.name: p.default for p in inspect.signature(kind).parameters.values()}


def _try_out(scheduler: SchedulerMixin, name: str, steps: int) -> None:
    """Run all steps on a single number, with the sample itself in place of the network's output."""
    import inspect

    import torch

    trained = scheduler.config.num_train_timesteps
    if steps > trained:
        raise StageError(f"steps: {steps} is more than the {trained} that the pipeline's noise schedule has")
    accepts = inspect.signature(scheduler.step).parameters
    extra = {"generator": torch.Generator().manual_seed(0)} if "generator" in accepts else {}
    try:
        scheduler.set_timesteps(steps)
        start = int(scheduler.timesteps.max())
        sample = torch.ones(1, 1, 1, 1) * scheduler.init_noise_sigma
        for time in scheduler.timesteps:
            answer = scheduler.scale_model_input(sample, time)
            sample = scheduler.step(answer, time, sample, **extra, return_dict=False)[0]
    except (IndexError, ValueError, RuntimeError, ZeroDivisionError) as e:
        raise StageError(f"steps: {name} cannot do {steps} ({e})") from None
    if not bool(sample.isfinite().all()):
        raise StageError(
            f"steps: {name} cannot do {steps}: it ends in numbers that are not finite; take fewer"
        )
    if 2 * start < trained:
        raise StageError(
            f"steps: with {steps}, {name} starts at time {start} of {trained}, where the network expects an image "
            "with hardly any noise, and gets nothing but noise; take at least 2"
        )
