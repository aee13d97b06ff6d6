"""Runs a fine-tuning: prepares the data, trains in one process or several, and assembles the pipeline."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.state import AcceleratorState

from harness.artifact import Artifact, FinetunedPipeline, Json, Pipeline
from harness.compute.device import enough_memory
from harness.compute.training import train
from harness.errors import StageError
from harness.stage import Job
from harness.stages.systems.text_to_image.components import quiet, read_pipeline
from harness.stages.systems.text_to_image.denoising import DiffusionLearner
from harness.stages.systems.text_to_image.pipelines import parameters
from harness.stages.systems.text_to_image.recipe import BASE, CHECKPOINTS, RECIPE, Recipe, put_into
from harness.stages.systems.text_to_image.training_data import prepare, prepared

Tell = Callable[[int, int, str], None]
RESULT, HISTORY = "trained.safetensors", "history.json"
ERROR = "error.txt"
"""File with the error that stopped a process started by the stage."""
ADAPTER = "adapter"


def finetuned(
    recipe: Recipe, pipeline: Pipeline, data: Artifact, validation: Artifact | None, processes: int, job: Job
) -> FinetunedPipeline:
    """See ``text_to_image.finetune``."""
    with quiet():
        prepare(recipe, pipeline, data, validation, job)
        recipe.steps(len(prepared(job.scratch).training.captions))
        task = Task(recipe, str(pipeline.path), str(job.scratch), job.device)
        if processes == 1:
            run(task, job.progress)
        else:
            _launch(task, processes, job)
        return _finished(recipe, pipeline, job)


def _launch(task: Task, processes: int, job: Job) -> None:
    """Start the processes and relay their progress and log.

    Raises:
        StageError: one of them raised it, or died.
    """
    if task.recipe.batch_size % processes:
        raise StageError(
            f"batch_size: {task.recipe.batch_size} images cannot be shared by {processes} processes"
        )
    file, error = job.scratch / "task.json", job.scratch / ERROR
    file.write_text(task.to_json(), encoding="utf-8")
    error.unlink(missing_ok=True)
    command = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--multi_gpu"]
    command += ["--num_processes", str(processes), "--num_machines", "1", "--dynamo_backend", "no"]
    command += ["--mixed_precision", "no" if task.recipe.precision == "fp32" else task.recipe.precision]
    command += ["-m", __name__, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as started:
        assert started.stdout is not None
        try:
            for line in started.stdout:
                _relay(line, job)
        except BaseException:
            started.send_signal(signal.SIGTERM)  # the launcher then ends its processes
            raise
    if error.exists():
        raise StageError(error.read_text(encoding="utf-8"))
    if started.returncode:
        raise StageError(f"a training process died (exit {started.returncode}); see the log")


def _relay(line: str, job: Job) -> None:
    """Pass on a line of output: a line of JSON as progress, any other to the log."""
    try:
        done, total, what = json.loads(line)["progress"]
    except (ValueError, TypeError, KeyError):
        job.log(line.rstrip())
    else:
        job.progress(done, total, what)


def _finished(recipe: Recipe, pipeline: Pipeline, job: Job) -> FinetunedPipeline:
    """Make the folder of a finished training: the pipeline, its checkpoints and its records."""
    scratch, folder = job.scratch, job.folder()
    opened = read_pipeline(pipeline.path, "the pipeline", None)
    data = prepared(scratch)
    keeps_base = recipe.method == "lora" and recipe.checkpoint_every is not None
    if keeps_base:
        opened.unet.save_pretrained(folder / BASE, safe_serialization=True)
    adapter = folder / ADAPTER if recipe.method == "lora" else None
    put_into(opened, recipe, scratch / RESULT, adapter)
    if recipe.normalisation == "dataset":
        data.pixels.fold_into(opened.vae)
    opened.save_pretrained(folder, safe_serialization=True)
    (folder / RECIPE).write_text(json.dumps(recipe.to_json(), indent=1), encoding="utf-8")
    _move(scratch / CHECKPOINTS, folder / CHECKPOINTS)
    _move(scratch / "wandb", folder / "wandb")
    history: list[Json] = json.loads((scratch / HISTORY).read_text(encoding="utf-8"))
    facts: dict[str, Json] = {
        **data.facts,
        "parameters": parameters(opened),
        "steps": recipe.steps(len(data.training.captions)),
        "checkpoints": sorted(int(file.stem) for file in (folder / CHECKPOINTS).glob("*.safetensors")),
        "history": history,
    }
    return FinetunedPipeline(folder, facts)


def _move(source: Path, target: Path) -> None:
    if source.exists():
        shutil.move(source, target)


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
    main = accelerator.is_main_process
    try:
        with enough_memory(advice):
            learner = DiffusionLearner(recipe, Path(task.pipeline), prepared(scratch), accelerator, scratch)
            history = train(learner, scratch, tell if main else lambda *_: None, saves=main)
            if main:
                learner.save(scratch / RESULT)
                (scratch / HISTORY).write_text(json.dumps(history), encoding="utf-8")
            accelerator.wait_for_everyone()
    finally:
        accelerator.end_training()


def main() -> int:
    """``python -m harness.stages.systems.text_to_image.training TASK``: reports progress to the stage in JSON lines."""
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
