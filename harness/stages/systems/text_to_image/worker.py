"""One process of a fine-tuning: the training loop, alone or as one of several started by ``accelerate launch``."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from diffusers import DDPMScheduler
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel
from safetensors.torch import save_file

from harness.artifact import Json
from harness.compute.arithmetic import is_out_of_memory
from harness.compute.precisions import dtype_of
from harness.compute.resume import Resume, Stateful
from harness.errors import ResourceError, StageError
from harness.stages.systems.text_to_image.checkpoints import trainable
from harness.stages.systems.text_to_image.components import read_pipeline
from harness.stages.systems.text_to_image.denoising import Denoiser, Drawing, held_out_loss
from harness.stages.systems.text_to_image.recipe import Recipe
from harness.stages.systems.text_to_image.training_data import Prepared, prepared

Tell = Callable[[int, int, str], None]
RESULT, HISTORY, CHECKPOINTS = "trained.safetensors", "history.json", "checkpoints"
ERROR = "error.txt"
"""File with the error that stopped a process started by the stage."""
ROWS, LOOKS = 100, 10
"""Maximum number of rows of the history, and of evaluations on the held-out images."""


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
    try:
        _Loop(task, accelerator, prepared(scratch), tell).run()
    except (RuntimeError, MemoryError) as e:
        if not is_out_of_memory(e):
            raise
        raise ResourceError(
            f"out of memory at batch_size {recipe.batch_size}; halve it and double accumulate, "
            "or set gradient_checkpointing: true"
        ) from None
    finally:
        accelerator.end_training()


class _Loop:
    """The parts of a training, and its steps."""

    recipe: Recipe

    def __init__(self, task: Task, accelerator: Accelerator, data: Prepared, tell: Tell) -> None:
        self.recipe, self.scratch = task.recipe, Path(task.scratch)
        self.accelerator, self.tell = accelerator, tell
        self.steps = self.recipe.steps(len(data.training.captions))
        pipeline = read_pipeline(Path(task.pipeline), "the pipeline", torch.float32)
        noise = DDPMScheduler.from_config(pipeline.scheduler.config)
        sides = [(data.training, self.recipe)]
        sides += [(data.held_out, self.recipe)] if data.held_out else []
        self.drawing, *self.held_out = (
            Drawing(recipe, side.captions, side.latents, noise, pipeline.tokenizer) for side, recipe in sides
        )
        self.trained = trainable(self.recipe, pipeline)
        pipeline.unet.to(memory_format=torch.channels_last)  # a fifth faster on CPUs
        network = Denoiser(pipeline.unet, pipeline.text_encoder)
        if self.recipe.precision != "fp32" and not self.recipe.text_encoder:
            network.text_encoder.to(dtype_of(self.recipe.precision))
        parameters = self.trained.parameters()
        self.ema = EMAModel(parameters, decay=self.recipe.ema) if self.recipe.ema is not None else None
        optimizer = _optimizer(self.recipe, parameters)
        self.schedule = get_scheduler(
            self.recipe.schedule if self.recipe.schedule != "constant" else "constant_with_warmup",
            optimizer,
            num_warmup_steps=self.recipe.warm_up,
            num_training_steps=self.steps,
        )
        self.network, self.optimizer = accelerator.prepare(network, optimizer)
        if self.ema is not None:
            self.ema.to(accelerator.device)
        self.history: list[dict[str, Json]] = []

    def run(self) -> None:
        resume = Resume(self.scratch, self._parts(), "training")
        told = resume.restore()
        if self.ema is not None:
            self.ema.to(self.accelerator.device)  # a restored state is on the CPU, where it was saved
        self.history = list(told.get("history", []))  # type: ignore[arg-type]
        since: list[float] = list(told.get("since", []))  # type: ignore[arg-type]
        first = int(told.get("step", 0))  # type: ignore[arg-type]
        main = self.accelerator.is_main_process
        self._track()
        for step in range(first + 1, self.steps + 1):
            since.append(self._step(step - 1))
            if main:
                self.tell(step, self.steps, "steps")
            if step % math.ceil(self.steps / ROWS) == 0 or step == self.steps:
                self._note(step, sum(since) / len(since))
                since = []
            every = self.recipe.checkpoint_every
            if main and every and step % every == 0:
                self._save(self.scratch / CHECKPOINTS / f"{step}.safetensors")
            if main:
                resume.save_if_due({"step": step, "history": self.history, "since": since})
        if main:
            self._save(self.scratch / RESULT)
            (self.scratch / HISTORY).write_text(json.dumps(self.history), encoding="utf-8")
        self.accelerator.wait_for_everyone()

    def _step(self, step: int) -> float:
        """Do one step of the optimiser and return the mean loss of its images."""
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
        self.schedule.step()
        if self.ema is not None:
            self.ema.step(self.trained.parameters())
        mean = float(accelerator.reduce(torch.stack(losses).mean(), reduction="mean"))
        if not math.isfinite(mean):
            raise StageError(
                f"the training loss became {mean} at step {step + 1}; lower lr, or use precision: fp32"
            )
        return mean

    def _note(self, step: int, loss: float) -> None:
        """Add a row to the history, every tenth of the way with the held-out loss."""
        looks = {math.ceil(self.steps * k / LOOKS) for k in range(1, LOOKS + 1)}
        due = any(step - math.ceil(self.steps / ROWS) < look <= step for look in looks)
        row: dict[str, Json] = {"step": step, "train_loss": loss, "lr": self.schedule.get_last_lr()[0]}
        row["validation_loss"] = self._look() if self.held_out and due else None
        self.history.append(row)
        self.accelerator.log({k: v for k, v in row.items() if v is not None and k != "step"}, step=step)

    def _look(self) -> float:
        """The held-out loss of the weights that would be saved now."""
        self.network.eval()
        if self.ema is None:
            return float(held_out_loss(self.held_out[0], self.network))
        self.ema.store(self.trained.parameters())
        self.ema.copy_to(self.trained.parameters())
        loss = float(held_out_loss(self.held_out[0], self.network))
        self.ema.restore(self.trained.parameters())
        return loss

    def _save(self, file: Path) -> None:
        """Save the trained weights, or their moving average, in fp32."""
        file.parent.mkdir(exist_ok=True)
        weights = dict(zip(self.trained.names, self.ema.shadow_params, strict=True)) if self.ema else {}
        state = weights or self.trained.state_dict()
        torn = file.with_suffix(".torn")
        save_file({n: t.detach().float().cpu().contiguous() for n, t in state.items()}, torn)
        torn.replace(file)

    def _parts(self) -> dict[str, Stateful]:
        parts: dict[str, Any] = {
            "weights": self.trained,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
        }
        if self.ema is not None:
            parts["ema"] = self.ema
        if self.accelerator.scaler is not None:
            parts["scaler"] = self.accelerator.scaler
        return parts

    def _track(self) -> None:
        if self.recipe.tracker == "none":
            return
        if "WANDB_API_KEY" not in os.environ:
            os.environ.setdefault("WANDB_MODE", "offline")
        self.accelerator.init_trackers(
            "harness", config=self.recipe.to_json(), init_kwargs={"wandb": {"dir": str(self.scratch)}}
        )


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
