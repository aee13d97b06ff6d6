"""What a device cannot do: parameters, and the memory of published architectures, how it is counted and looked up."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import pytest
import torch
from command_line import Project, finish, start
from toy_plans import planned, tasks_of

from harness.engine.device_fit import _at, gpu_bytes, needed, too_large, unfit
from harness.engine.memory_table import BATCHES, CURVES
from harness.engine.plan import Task, make
from harness.stage import Resources
from harness.suite import load

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_memory", ROOT / "scripts" / "gpu_memory.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_memory"] = module
    spec.loader.exec_module(module)
    return module


def test_every_byte_that_lives_is_counted_once(script: ModuleType) -> None:
    """Two layers of 100 × 100 without bias, AdamW, a batch of 50: by hand."""
    weights, activations = 2 * 100 * 100 * 4, 50 * 100 * 4
    with script.counted() as live:
        network = torch.nn.Sequential(
            torch.nn.Linear(100, 100, bias=False), torch.nn.ReLU(), torch.nn.Linear(100, 100, bias=False)
        )
        assert live.now == weights
        given = torch.zeros(50, 100)
        made = network(given)
        # The input, the output of the ReLU and the last one; that of the first layer has gone when the last one comes.
        assert live.now == live.peak == weights + 3 * activations
        optimizer = torch.optim.AdamW(network.parameters(), fused=True)
        made.sum().backward()
        optimizer.step()
        del made
        assert live.now - (weights * 4 + activations) == pytest.approx(0, abs=16)  # two counters of steps
        view = given[10:20].t()
        assert live.now - (weights * 4 + activations) == pytest.approx(0, abs=16)
        del view


def test_the_table_is_what_the_script_counts(script: ModuleType) -> None:
    counted = script.diffusion_sampling(BATCHES[0], half=True)
    assert CURVES["text_to_image.sample", "sd15", "half", "", False][0] == pytest.approx(counted, abs=1e7)
    counted = script.language_scoring(BATCHES[1], architecture="phi-1.5", half=True, four_bits=False)
    assert CURVES["language_model.likelihood", "phi-1.5", "half", "", False][1] == pytest.approx(
        counted, abs=1e7
    )


@pytest.mark.slow
def test_other_sizes_and_batches_are_near_what_would_be_counted(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes follow pixels and tokens; the attention keeps no square of them."""
    monkeypatch.setattr(script, "SIZE", 256)
    counted = script.diffusion_training(24, half=True, method="full", checkpointing=False)
    curve = CURVES["text_to_image.finetune", "sd15", "half", "full", False]
    assert _at(curve, 24 * 0.25) == pytest.approx(counted, rel=0.1)
    monkeypatch.setattr(script, "CONTEXT", 1024)
    given: dict[str, Any] = {"half": True, "method": "qlora", "checkpointing": False}
    counted = script.language_training(3, architecture="phi-1.5", **given)
    curve = CURVES["language_model.finetune", "phi-1.5", "half", "qlora", False]
    assert _at(curve, 6) == pytest.approx(counted, rel=0.1)


def test_more_of_everything_needs_more() -> None:
    for key, curve in CURVES.items():
        assert list(curve) == sorted(curve), key
    for stage, architecture, precision, method, checkpointing in CURVES:
        if checkpointing:
            saved = CURVES[stage, architecture, precision, method, True]
            plain = CURVES[stage, architecture, precision, method, False]
            assert saved[-1] < plain[-1]


def test_between_and_beyond_the_batches_lines_are_drawn() -> None:
    curve = tuple(10 * batch for batch in BATCHES)
    assert _at(curve, BATCHES[0] / 2) == curve[0]
    assert _at(curve, 2.5) == 25
    assert _at(curve, BATCHES[-1]) == curve[-1]
    assert _at(curve, 2 * BATCHES[-1]) == 2 * curve[-1]


def test_a_gpus_memory_is_read_from_its_environment() -> None:
    assert gpu_bytes({"gpu_memory": "16384 MiB"}) == 2**34
    assert gpu_bytes({}) is None
    assert gpu_bytes({"gpu_memory": "[N/A]"}) is None


def foreseen(project: Project, tmp_path: Path, suite: str, memory: int, *options: str) -> Any:
    """A plan where ``nvidia-smi`` tells of a GPU with so many MiB."""
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir(exist_ok=True)
    tool.write_text(f"#!/bin/sh\necho 'Some GPU, 1.0, {memory} MiB'\n", encoding="utf-8")
    tool.chmod(0o755)
    text = (ROOT / "suites" / "micro" / f"{suite}.yaml").read_text(encoding="utf-8")
    text = text.replace("{use: text_to_image.load_tokenizer, source: openai/clip-vit-base-patch32@unpinned}",
                        "{use: text_to_image.train_tokenizer, captions: scenes, vocabulary: 600}")  # fmt: skip
    (project.folder / "suites" / "micro.yaml").write_text(text, encoding="utf-8")
    path = f"{tool.parent}{os.pathsep}{os.environ['PATH']}"
    running = start(
        project.folder,
        "plan",
        "suites/micro.yaml",
        *options,
        PATH=path,
        HARNESS_DEVICE="",
        CUDA_VISIBLE_DEVICES="0",
    )
    return finish(running)


@pytest.mark.parametrize(
    ("suite", "stage", "small", "large"),
    [("language-model", "tuned", 6_000, 40_000), ("text-to-image", "images", 3_000, 24_000)],
)
def test_a_plan_warns_of_a_gpu_that_is_too_small(
    project: Project, tmp_path: Path, suite: str, stage: str, small: int, large: int
) -> None:
    told = foreseen(project, tmp_path, suite, small)
    assert told.code == 0, told.err
    assert f"! {stage} needs about" in told.out
    [sentence] = [
        s
        for s in foreseen(project, tmp_path, suite, small, "--json").json["too_large"]
        if s.startswith(stage)
    ]
    assert sentence.endswith(f"this device has {small * 2**20 / 1e9:.0f} GB")
    assert foreseen(project, tmp_path, suite, large, "--json").json["too_large"] == []


def test_the_papers_stages_are_looked_up_through_what_they_take_from() -> None:
    """The size of training images is set above the training; adapters are scored on a base in four bits."""
    plan = make(load(ROOT / "suites" / "paper" / "chain.yaml"))
    said = {t.node: need for t in plan.tasks.values() if (need := needed(plan, t)) is not None}
    assert said.keys() == {"painter", "images"}
    training = CURVES["text_to_image.finetune", "sd15", "half", "full", False]
    assert said["painter"] == _at(training, 4 * (224 / 512) ** 2)
    assert said["images"] == CURVES["text_to_image.sample", "sd15", "half", "", False][2]  # 16 of 512 pixels
    [sentence] = too_large(plan, plan.tasks.values(), said["painter"] - 1)
    assert sentence.startswith("painter needs about 14 GB of GPU memory")
    assert too_large(plan, plan.tasks.values(), said["painter"]) == []
    plan = make(load(ROOT / "suites" / "paper" / "language-model.yaml"))
    said = {t.node: need for t in plan.tasks.values() if (need := needed(plan, t)) is not None}
    assert said["after"] == said["before"] < said["tuned"]


def test_what_cannot_work_on_a_device_is_told_once_for_each_stage(tmp_path: Path) -> None:
    plan = planned(tmp_path)

    def of(gpu: Literal["none", "one", "all"]) -> list[Task]:
        def fits(parameters: Mapping[str, Any], device: str) -> str:
            return (
                f"loss: {parameters['loss']} is not for a {device}" if parameters["loss"] == "square" else ""
            )

        return [
            replace(t, stage=replace(t.stage, resources=Resources(gpu), unfit=fits))
            for t in tasks_of(plan, "model")
        ]

    for device, gpu, where in (
        ("cpu", "one", "cpu"),
        ("cuda", "one", "cuda"),
        ("cuda", "all", "cuda"),
        ("cuda", "none", "cpu"),
    ):
        assert unfit(of(gpu), device) == [f"model: loss: square is not for a {where}"]
    assert unfit(plan.tasks.values(), "cpu") == []
