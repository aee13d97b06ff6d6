"""What a GPU gives, held against the processor beside it: ``make gpu`` writes ``docs/gpu.md``.

The steps of stages are done on both: fp32 on the GPU against fp32 on the CPU, fp16 and bf16 against fp32 on the GPU.
Then the smoke suites run on it. Without a GPU it says so and exits with 2.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.compute.device import Meter
from harness.testing import FolderJob, image_folder

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "gpu.md"
LIMITS = {"fp32": 1e-3, "fp16": 0.05, "bf16": 0.1}
"""Largest difference, relative to the size of the result, that rounding explains for networks of this depth."""
CLASSES = ("field", "forest", "water")
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One step at one precision."""

    step: str
    precision: str
    difference: float
    """Norm of the difference over the norm of what it is held against."""
    peak: int
    """Bytes in use at most."""

    @property
    def good(self) -> bool:
        return self.difference <= LIMITS[self.precision]


class Inputs:
    """Small inputs, made on the CPU: the ``tiny`` architectures with random weights."""

    def __init__(self, root: Path) -> None:
        from harness.stages.data import corpus
        from harness.stages.metrics import alignment, features
        from harness.stages.systems import land_cover
        from harness.stages.systems import language_model as lm
        from harness.stages.systems import text_to_image as t2i

        self.root, self.calls = root, 0
        self.images = image_folder(root / "images", CLASSES, each=2, size=64)
        held_out = image_folder(root / "held-out", CLASSES, each=1, size=64, seed=1)
        described = corpus.docstrings(package="torchgeo.datasets", job=self.job("cpu"))
        self.texts = corpus.chunk(described, characters=1500, job=self.job("cpu"))
        words = t2i.train_tokenizer((self.images,), vocabulary=600, job=self.job("cpu"))
        self.pipeline = t2i.build(words, architecture="tiny", job=self.job("cpu"))
        self.prompts = t2i.encode(self.pipeline, self.images, count=2, job=self.job("cpu"))
        self.model = lm.build(self.texts, architecture="tiny-phi", job=self.job("cpu"))
        self.classifier = land_cover.train(
            self.images, held_out, weights=None, epochs=1, batch_size=6, job=self.job("cpu")
        )
        self.extractor = features.from_classifier(self.classifier, job=self.job("cpu"))
        self.judge = alignment.train(
            self.images,
            words,
            size=64,
            patch=16,
            width=64,
            layers=1,
            epochs=1,
            batch_size=6,
            job=self.job("cpu"),
        )

    def job(self, device: str) -> FolderJob:
        self.calls += 1
        return FolderJob(self.root / f"call-{self.calls}", device=device)


Step = Callable[[Inputs, str, Any], Numbers]
"""Does one step on a device at a precision, and returns its numbers."""


def _losses(facts: Any) -> Numbers:
    return np.array([row["train_loss"] for row in facts["history"]], dtype=np.float64)


def _diffusion(inputs: Inputs, device: str, precision: Any) -> Numbers:
    from harness.stages.systems import text_to_image as t2i

    made = t2i.finetune(
        inputs.pipeline, inputs.images, max_steps=2, batch_size=2, accumulate=1, precision=precision,
        job=inputs.job(device),
    )  # fmt: skip
    return _losses(made.facts)


def _autoencoder(inputs: Inputs, device: str, precision: Any) -> Numbers:
    from harness.stages.systems import text_to_image as t2i

    made = t2i.train_autoencoder(
        inputs.pipeline, (inputs.images,), steps=2, batch_size=2, precision=precision, job=inputs.job(device)
    )
    return _losses(made.facts)


def _sampling(inputs: Inputs, device: str, precision: Any) -> Numbers:
    from PIL import Image

    from harness.formats.image_folder import rows
    from harness.stages.systems import text_to_image as t2i

    made = t2i.sample(
        inputs.pipeline,
        inputs.prompts,
        scheduler="ddim",
        steps=3,
        precision=precision,
        job=inputs.job(device),
    )
    return np.stack([np.asarray(Image.open(row.path), dtype=np.float64) for row in rows(made)])


def _language(inputs: Inputs, device: str, precision: Any) -> Numbers:
    return _tuned(inputs, device, precision, "lora")


def _four_bits(inputs: Inputs, device: str, precision: Any) -> Numbers:
    return _tuned(inputs, device, precision, "qlora")


def _tuned(inputs: Inputs, device: str, precision: Any, method: Any) -> Numbers:
    from harness.stages.systems import language_model as lm

    made = lm.finetune(
        inputs.model, inputs.texts, method=method, dropout=0.0, context=128, batching="pack", max_steps=2,
        batch_size=2, precision=precision, job=inputs.job(device),
    )  # fmt: skip
    return _losses(made.facts)


def _likelihood(inputs: Inputs, device: str, precision: Any) -> Numbers:
    from harness.formats.likelihoods import read
    from harness.stages.systems import language_model as lm

    made = lm.likelihood(inputs.model, text=inputs.texts, precision=precision, job=inputs.job(device))
    return np.array([row.nll for row in read(made.path)], dtype=np.float64)


def _features(inputs: Inputs, device: str, precision: Any) -> Numbers:
    from harness.formats import features as files
    from harness.stages.metrics import features

    made = features.extract(inputs.images, inputs.extractor, precision=precision, job=inputs.job(device))
    return np.asarray(files.read(made).values, dtype=np.float64)


def _predictions(inputs: Inputs, device: str, _: Any) -> Numbers:
    import pyarrow.parquet as pq

    from harness.stages.systems import land_cover

    made = land_cover.predict(inputs.classifier, inputs.images, job=inputs.job(device))
    table = pq.read_table(made.path / "predictions.parquet")
    return np.array(table["logits"].to_pylist(), dtype=np.float64)


def _alignment(inputs: Inputs, device: str, _: Any) -> Numbers:
    from harness.stages.metrics import alignment

    made = alignment.score(inputs.images, inputs.judge, job=inputs.job(device))
    return np.array(made.items.columns["alignment"], dtype=np.float64)  # type: ignore[union-attr]


ALL = ("fp32", "fp16", "bf16")
STEPS: dict[str, tuple[Step, Sequence[str]]] = {
    "text_to_image.finetune": (_diffusion, ALL),
    "text_to_image.train_autoencoder": (_autoencoder, ("fp32", "bf16")),
    "text_to_image.sample": (_sampling, ALL),
    "language_model.finetune, lora": (_language, ALL),
    "language_model.finetune, qlora": (_four_bits, ALL),
    "language_model.likelihood": (_likelihood, ALL),
    "features.extract": (_features, ALL),
    "land_cover.predict": (_predictions, ("fp32",)),
    "alignment.score": (_alignment, ("fp32",)),
}
"""A step and the precisions that its stage takes."""


def compared(inputs: Inputs, device: str, steps: Sequence[str] = tuple(STEPS)) -> list[Row]:
    """Do steps on the CPU and on a device.

    Args:
        inputs: what they take.
        device: a torch device string. On a CPU fp16 is left out, because stages do not train in it there.
        steps: names of ``STEPS``.
    """
    found = []
    for name in steps:
        step, precisions = STEPS[name]
        against = step(inputs, "cpu", "fp32")
        for precision in precisions:
            if precision == "fp16" and device == "cpu":
                continue
            with Meter(device) as meter:
                numbers = step(inputs, device, precision)
            found.append(Row(name, precision, _apart(numbers, against), meter.usage.peak_bytes))
            if precision == "fp32":
                against = numbers
    return found


def _apart(numbers: Numbers, against: Numbers) -> float:
    if numbers.shape != against.shape or not np.isfinite(numbers).all():
        return float("inf")
    return float(np.linalg.norm(numbers - against) / np.linalg.norm(against))


def smoke(out: Path) -> list[tuple[str, int, float]]:
    """Run each smoke suite; its name, its exit code and its seconds. Codes are those of ``harness run``."""
    found = []
    for suite in sorted((ROOT / "suites" / "smoke").glob("*.yaml")):
        began = time.monotonic()
        command = [sys.executable, "-m", "harness", "run", str(suite), "--out", str(out / suite.stem)]
        code = subprocess.run(command, check=False, cwd=ROOT).returncode
        found.append((suite.stem, code, time.monotonic() - began))
    return found


WORDS = {0: "unchanged or improved", 4: "no baseline of this device yet", 5: "a task failed", 6: "regressed"}


def document(device: Sequence[str], rows: Sequence[Row], suites: Sequence[tuple[str, int, float]]) -> str:
    """The text of ``docs/gpu.md``.

    Args:
        device: lines about the device.
        rows: what ``compared`` found.
        suites: what ``smoke`` found.
    """
    lines = ["# Measured on a GPU", "", "Written by `make gpu`.", "", *(f"* {line}" for line in device), ""]
    lines += ["## The smoke suites", "", "| suite | outcome | seconds |", "| --- | --- | ---: |"]
    lines += [f"| {name} | {WORDS.get(code, f'exit code {code}')} | {s:.0f} |" for name, code, s in suites]
    lines += [
        "",
        "## The same numbers as on a processor",
        "",
        "fp32 is held against fp32 on the CPU, fp16 and bf16 against fp32 on the GPU: the norm of the difference",
        "over the norm of the numbers. `too far` is more than rounding explains.",
        "",
        "| step | precision | difference | limit | | peak memory, MB |",
        "| --- | --- | ---: | ---: | --- | ---: |",
    ]
    for row in rows:
        said = "" if row.good else "too far"
        lines.append(
            f"| {row.step} | {row.precision} | {row.difference:.2g} | {LIMITS[row.precision]:g} | {said} |"
            f" {row.peak / 1e6:.0f} |"
        )
    return "\n".join(lines) + "\n"


def _described() -> list[str]:
    import pynvml

    pynvml.nvmlInit()
    driver = pynvml.nvmlSystemGetDriverVersion()
    memory = torch.cuda.get_device_properties(0).total_memory
    return [
        f"device: {torch.cuda.get_device_name()}, {memory / 2**30:.0f} GiB",
        f"driver: {driver.decode() if isinstance(driver, bytes) else driver}",
        f"torch {torch.__version__}, CUDA {torch.version.cuda}",
    ]


def main() -> int:
    """Measure, and write the document."""
    if not torch.cuda.is_available():
        print("make gpu: torch finds no GPU here, so nothing was measured", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as scratch:
        rows = compared(Inputs(Path(scratch)), "cuda")
    suites = smoke(ROOT / "build" / "gpu")
    DOCUMENT.write_text(document(_described(), rows, suites), encoding="utf-8")
    print(f"written: {DOCUMENT.relative_to(ROOT)}")
    return 0 if all(row.good for row in rows) and all(code in (0, 4) for _, code, _ in suites) else 1


if __name__ == "__main__":
    sys.exit(main())
