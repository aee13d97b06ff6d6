"""One process of a fine-tuning: the training loop, alone or as one of several started by ``accelerate launch``."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from diffusers import DDPMScheduler
from diffusers.training_utils import EMAModel
from safetensors.torch import save_file

from harness.artifact import Json
from harness.compute.arithmetic import enough_memory
from harness.compute.precisions import Precision, dtype_of
from harness.compute.resume import Stateful
from harness.compute.training import train
from harness.errors import StageError
from harness.stages.systems.text_to_image.checkpoints import trainable
from harness.stages.systems.text_to_image.components import read_pipeline
from harness.stages.systems.text_to_image.denoising import Denoiser, Drawing, held_out_loss
from harness.stages.systems.text_to_image.recipe import Recipe
from harness.stages.systems.text_to_image.training_data import Prepared, prepared

Tell = Callable[[int, int, str], None]
RESULT, HISTORY, CHECKPOINTS = "trained.safetensors", "history.json", "checkpoints"
ERROR = "error.txt"
"""File with the error that stopped a process started by the stage."""


@dataclass(frozen=True)
class Task:
    """The input of a process. Paths are text, so that it can be passed as JSON."""

    recipe: Recipe
    pipeline: str
    scratch: str
    device: str

    def to_json(self) -> str:
        return json.dumps({**asdict(self), "recipe": self.recipe.to_json()})

    @classmethod
    def from_json(cls, text: str) -> Task:
        told = json.loads(text)
        return cls(**{**told, "recipe": Recipe.from_json(told["recipe"])})


def run(task: Task, tell: Tell) -> None:
    """Train to the end, from where a killed run stopped. Weights and history are written to the scratch folder.

    Raises:
        StageError: the loss is not a finite number, or there is not enough memory.
    """
    AcceleratorState._reset_state(reset_partial_state=True)  # left by an earlier training in this process
    recipe, scratch = task.recipe, Path(task.scratch)
    accelerator = Accelerator(
        cpu=task.device == "cpu",
        mixed_precision="no" if recipe.precision == "fp32" else recipe.precision,
        gradient_accumulation_steps=recipe.accumulate,
        log_with=None if recipe.tracker == "none" else recipe.tracker,
    )
    advice = f"at batch_size {recipe.batch_size}; halve it and double accumulate, or set gradient_checkpointing: true"
    try:
        with enough_memory(advice):
            _train(DiffusionLearner(task, accelerator, prepared(scratch)), scratch, tell)
    finally:
        accelerator.end_training()


def _train(learner: DiffusionLearner, scratch: Path, tell: Tell) -> None:
    main = learner.accelerator.is_main_process
    history = train(learner, scratch, tell if main else lambda *_: None, saves=main)
    if main:
        learner.save(scratch / RESULT)
        (scratch / HISTORY).write_text(json.dumps(history), encoding="utf-8")
    learner.accelerator.wait_for_everyone()


class DiffusionLearner:
    """A denoiser that is trained, in one process of several or alone."""

    recipe: Recipe
    precision: Precision

    def __init__(self, task: Task, accelerator: Accelerator, data: Prepared) -> None:
        self.recipe, self.scratch = task.recipe, Path(task.scratch)
        self.precision = self.recipe.precision
        self.accelerator = accelerator
        self.steps = self.recipe.steps(len(data.training.captions))
        pipeline = read_pipeline(Path(task.pipeline), "the pipeline", torch.float32)
        noise = DDPMScheduler.from_config(pipeline.scheduler.config)
        self.drawing, self.held_out = (
            side and Drawing(self.recipe, side.captions, side.latents, noise, pipeline.tokenizer)
            for side in (data.training, data.held_out)
        )
        self.trained = trainable(self.recipe, pipeline)
        pipeline.unet.to(memory_format=torch.channels_last)  # a fifth faster on CPUs
        network = Denoiser(pipeline.unet, pipeline.text_encoder)
        if self.recipe.precision != "fp32" and not self.recipe.text_encoder:
            network.text_encoder.to(dtype_of(self.recipe.precision))
        parameters = self.trained.parameters()
        self.ema = Average(parameters, decay=self.recipe.ema) if self.recipe.ema is not None else None
        optimizer = _optimizer(self.recipe, parameters)
        self.rate = self.recipe.rate(optimizer, self.steps)
        self.network, self.optimizer = accelerator.prepare(network, optimizer)
        if self.ema is not None:
            self.ema.to(accelerator.device)
        self._track()

    @property
    def parts(self) -> Mapping[str, Stateful]:
        parts: dict[str, Any] = {"weights": self.trained, "optimizer": self.optimizer, "rate": self.rate}
        if self.ema is not None:
            parts["ema"] = self.ema
        if self.accelerator.scaler is not None:
            parts["scaler"] = self.accelerator.scaler
        return parts

    def step(self, step: int) -> tuple[float, int]:
        """Do one step of the optimiser, keep a checkpoint if one is due, and return the mean loss as one number."""
        accelerator, recipe = self.accelerator, self.recipe
        whole, losses = self.drawing.step(step), []
        self.network.train()
        for number in range(recipe.accumulate):
            part = whole.part(number, recipe.accumulate)
            part = part.part(accelerator.process_index, accelerator.num_processes)
            with accelerator.accumulate(self.network):
                loss = part.loss(self.network)
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    accelerator.clip_grad_norm_(self.trained.parameters(), recipe.max_norm)
                self.optimizer.step()
                self.optimizer.zero_grad()
            losses.append(loss.detach())
        self.rate.step()
        if self.ema is not None:
            self.ema.step(self.trained.parameters())
        every = recipe.checkpoint_every
        if accelerator.is_main_process and every and (step + 1) % every == 0:
            self.save(self.scratch / CHECKPOINTS / f"{step + 1}.safetensors")
        return float(accelerator.reduce(torch.stack(losses).mean(), reduction="mean")), 1

    def note(self, row: dict[str, Json], look: bool) -> None:
        """Add the learning rate of the next step, and the held-out loss."""
        row["lr"] = self.rate.get_last_lr()[0]
        row["validation_loss"] = self._look(self.held_out) if self.held_out and look else None
        self.accelerator.log(
            {k: v for k, v in row.items() if v is not None and k != "step"}, step=row["step"]
        )

    def _look(self, held_out: Drawing) -> float:
        """The held-out loss of the weights that would be saved now."""
        self.network.eval()
        if self.ema is None:
            return held_out_loss(held_out, self.network)
        self.ema.store(self.trained.parameters())
        self.ema.copy_to(self.trained.parameters())
        loss = held_out_loss(held_out, self.network)
        self.ema.restore(self.trained.parameters())
        return loss

    def save(self, file: Path) -> None:
        """Save the trained weights, or their moving average, in fp32."""
        file.parent.mkdir(exist_ok=True)
        weights = dict(zip(self.trained.found, self.ema.shadow_params, strict=True)) if self.ema else {}
        state = weights or self.trained.state_dict()
        torn = file.with_suffix(".torn")
        save_file({n: t.detach().float().cpu().contiguous() for n, t in state.items()}, torn)
        torn.replace(file)

    def _track(self) -> None:
        if self.recipe.tracker == "none":
            return
        if "WANDB_API_KEY" not in os.environ:
            os.environ.setdefault("WANDB_MODE", "offline")
        self.accelerator.init_trackers(
            "harness", config=self.recipe.to_json(), init_kwargs={"wandb": {"dir": str(self.scratch)}}
        )


class Average(EMAModel):  # type: ignore[misc]
    """A moving average that stays on its device when a saved state, which is on the CPU, is restored."""

    def load_state_dict(self, state_dict: Any) -> None:
        device = self.shadow_params[0].device
        super().load_state_dict(state_dict)
        self.to(device)


def _optimizer(recipe: Recipe, parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True)
    return torch.optim.Adafactor(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay)


def main() -> int:
    """``python -m harness.stages.systems.text_to_image.worker TASK``: reports progress to the stage in JSON lines."""
    task = Task.from_json(Path(sys.argv[1]).read_text(encoding="utf-8"))

    def tell(*done: Any) -> None:
        print(json.dumps({"progress": done}), flush=True)

    try:
        run(task, tell)
    except StageError as e:
        # A file, because the output lines of several processes may be interleaved.
        (Path(task.scratch) / ERROR).write_text(str(e), encoding="utf-8")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
