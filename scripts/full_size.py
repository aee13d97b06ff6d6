"""Each published architecture of ``suites/micro`` and ``suites/paper`` at its full size, on this machine's processor.

    python scripts/full_size.py                          all of them; prints the table of docs/memory.md
    python scripts/full_size.py phi-1.5 --work FOLDER    one, in a folder that is kept

Weights are random and nothing is downloaded. The stages are those that suites name. Each step is a process of its own,
so that its peak memory is its own: without the pages of files, which the system takes back where memory is short. Linux
only.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import artifact
from harness.testing import FolderJob, image_folder

GB = 10**9
WORDS = 49408
"""Tokens of Stable Diffusion's text encoder."""
CLASSES = (
    "Bare Land", "Crop Land", "Cultivated Vegetation", "Natural Vegetation", "Snow Ice", "Water Body",
    "Woody Vegetation",
)  # fmt: skip
LAND_COVER_CLASSES = len(CLASSES)


class Bench:
    """The folder of one architecture, in which steps leave artifacts for the steps after them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def job(self, name: str) -> FolderJob:
        return FolderJob(self.folder / name)

    def keep(self, name: str, made: artifact.Artifact) -> None:
        said = {"kind": type(made).__name__, "path": str(made.path), "facts": dict(made.facts)}
        (self.folder / f"{name}.json").write_text(json.dumps(said), encoding="utf-8")

    def kept(self, name: str) -> Any:
        said = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
        return getattr(artifact, said["kind"])(Path(said["path"]), said["facts"])

    def corpus(self, name: str) -> artifact.Corpus:
        """Some English text."""
        from harness.stages.data import corpus

        return corpus.chunk(
            corpus.docstrings(package="torchgeo.datasets", job=self.job(f"{name}-text")),
            characters=2500,
            longest=3000,
            job=self.job(f"{name}-chunks"),
        )


def sd15_build(bench: Bench) -> None:
    from harness.stages.systems import text_to_image

    captions = image_folder(bench.folder / "captioned", CLASSES, each=1)
    words = text_to_image.train_tokenizer((captions,), vocabulary=600, job=bench.job("words"))
    _fill(words.path)
    bench.keep("model", text_to_image.build(words, architecture="sd15", job=bench.job("built")))


def _fill(tokenizer: Path) -> None:
    """Give a tokenizer as many tokens as the published one has; those that are added occur in no text."""
    file = tokenizer / "tokenizer.json"
    said = json.loads(file.read_text(encoding="utf-8"))
    known = said["model"]["vocab"]
    known |= {f"<unused{index}>": index for index in range(len(known), WORDS)}
    file.write_text(json.dumps(said), encoding="utf-8")


def sd15_train(bench: Bench) -> None:
    """Four images of 224 pixels, as in paper/text-to-image; fp32, because fp16 is for GPUs."""
    from harness.stages.systems import text_to_image

    data = image_folder(bench.folder / "images", CLASSES[:4], each=1, size=224)
    text_to_image.finetune(
        bench.kept("model"), data, max_steps=1, batch_size=4, accumulate=1, job=bench.job("trained")
    )


def sd15_sample(bench: Bench) -> None:
    """Two guided evaluations at 512 pixels, and the decoder; from one step, ``sample`` says, no image comes."""
    from harness.stages.systems import text_to_image

    captions = image_folder(bench.folder / "asked", CLASSES[:1], each=1)
    model = bench.kept("model")
    prompts = text_to_image.encode(model, captions, count=1, job=bench.job("encoded"))
    text_to_image.sample(model, prompts, scheduler="ddim", steps=2, batch_size=1, job=bench.job("sampled"))


def phi_build(bench: Bench) -> None:
    _built(bench, "phi-1.5")


def mistral_build(bench: Bench) -> None:
    _built(bench, "mistral-7b")


def _built(bench: Bench, architecture: Any) -> None:
    from harness.stages.systems import language_model

    made = language_model.build(
        bench.corpus("build"), architecture=architecture, dtype="bf16", job=bench.job("built")
    )
    bench.keep("model", made)


def phi_train(bench: Bench) -> None:
    """QLoRA in bf16 on one row of 512 tokens."""
    _trained(bench, 512)


def mistral_train(bench: Bench) -> None:
    """QLoRA in bf16 on one row of 64 tokens."""
    _trained(bench, 64)


def _trained(bench: Bench, context: int) -> None:
    from harness.stages.systems import language_model

    language_model.finetune(
        bench.kept("model"),
        bench.corpus("train"),
        method="qlora",
        batching="pack",
        context=context,
        max_steps=1,
        batch_size=1,
        precision="bf16",
        job=bench.job("trained"),
    )


def phi_write(bench: Bench) -> None:
    """32 tokens in bf16."""
    _written(bench, None)


def mistral_write(bench: Bench) -> None:
    """32 tokens in four bits and bf16."""
    _written(bench, "nf4")


def _written(bench: Bench, quantisation: Any) -> None:
    from harness.stages.systems import language_model

    made = language_model.generate(
        bench.kept("model"),
        prompts=("Remote sensing is",),
        max_tokens=32,
        quantisation=quantisation,
        precision="bf16",
        batch_size=1,
        job=bench.job("written"),
    )
    tokens = made.facts["cost"]["tokens"]  # type: ignore[call-overload,index]
    print(f"{tokens} tokens", file=sys.stderr)


def land_cover_train(bench: Bench) -> None:
    """One step of 32 crops of 224 pixels in seven classes, and one of validation."""
    from harness.stages.systems import land_cover

    data = image_folder(bench.folder / "images", CLASSES, each=5, size=256)
    held_out = image_folder(bench.folder / "held-out", CLASSES, each=1, size=256, seed=1)
    made = land_cover.train(data, held_out, weights=None, epochs=1, crop=224, job=bench.job("trained"))
    bench.keep("classifier", made)


def land_cover_predict(bench: Bench) -> None:
    """Seven images."""
    from harness.stages.systems import land_cover

    images = image_folder(bench.folder / "tested", CLASSES, each=1, size=256, seed=2)
    land_cover.predict(bench.kept("classifier"), images, job=bench.job("predicted"))


STEPS: dict[str, dict[str, Callable[[Bench], None]]] = {
    "resnet18": {
        "build, 1 training step (32 × 224 px)": land_cover_train,
        "predict 7 images": land_cover_predict,
    },
    "sd15": {
        "build": sd15_build,
        "1 training step (4 × 224 px, fp32)": sd15_train,
        "2 sampling steps (512 px, guided, fp32)": sd15_sample,
    },
    "phi-1.5": {
        "build (bf16)": phi_build,
        "1 training step (QLoRA, 512 tokens, bf16)": phi_train,
        "write 32 tokens (bf16)": phi_write,
    },
    "mistral-7b": {
        "build (bf16)": mistral_build,
        "write 32 tokens (4 bits, bf16)": mistral_write,
        "1 training step (QLoRA, 64 tokens, bf16)": mistral_train,
    },
}


@dataclass(frozen=True)
class Taken:
    """What a step took."""

    seconds: float
    own: int
    """Bytes of its own at most, as seen five times a second."""
    problem: str
    """Why it did not end; empty if it did."""


def take(architecture: str, step: str, work: Path, gigabytes: float, minutes: float) -> Taken:
    """Do one step in a process of its own, which gets no more than so much memory and time."""
    command = [sys.executable, __file__, architecture, "--step", step, "--work", str(work)]

    began, problem, own = time.monotonic(), "", 0
    with open(work / "log.txt", "a", encoding="utf-8") as log:
        child = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        while True:
            ended, status = os.waitpid(child.pid, os.WNOHANG)
            if ended:
                break
            own = max(own, _own_bytes(child.pid))
            if own > gigabytes * GB:
                problem = f"stopped: it held more than {gigabytes:g} GB"
            elif time.monotonic() - began > 60 * minutes:
                problem = f"stopped after {minutes:g} minutes"
            if problem:
                os.killpg(child.pid, signal.SIGKILL)
            time.sleep(0.2)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode and not problem:
        lines = (work / "log.txt").read_text(encoding="utf-8").strip().splitlines()
        problem = lines[-1] if lines else f"ended with {child.returncode}"
    return Taken(time.monotonic() - began, own, problem)


def _own_bytes(process: int) -> int:
    """What a process holds without the pages of files, which the system takes back where memory is short."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
        return 1024 * int(status.partition("RssAnon:")[2].split()[0])
    except (OSError, IndexError):
        return 0


def all_steps(architecture: str, work: Path, gigabytes: float, minutes: float) -> bool:
    """Do the steps of an architecture and print their rows of the table."""
    work.mkdir(parents=True, exist_ok=True)
    for step in STEPS[architecture]:
        taken = take(architecture, step, work, gigabytes, minutes)
        told = taken.problem or f"{taken.seconds:.0f} | {taken.own / GB:.1f}"
        print(f"| `{architecture}` | {step} | {told} |", flush=True)
        if taken.problem:
            return False
    return True


def main() -> int:
    """The table, or one step of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("architectures", nargs="*", metavar="ARCHITECTURE", help=", ".join(STEPS))
    parser.add_argument("--work", type=Path, help="a folder with 45 GB of room; a temporary one if not given")
    parser.add_argument("--memory", type=float, default=22.0, metavar="GB", help="limit for each step (22)")
    parser.add_argument("--minutes", type=float, default=60.0, help="limit for each step (60)")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    o = parser.parse_args()
    chosen = o.architectures or list(STEPS)
    if unknown := [name for name in chosen if name not in STEPS]:
        parser.error(f"{unknown[0]}: expected {', '.join(STEPS)}")
    if o.step:
        STEPS[chosen[0]][o.step](Bench(o.work))
        return 0
    print("| architecture | step | seconds | peak memory, GB |")
    print("| --- | --- | ---: | ---: |", flush=True)
    good = True
    for architecture in chosen:
        if o.work:
            good &= all_steps(architecture, o.work / architecture, o.memory, o.minutes)
        else:
            with tempfile.TemporaryDirectory() as work:
                good &= all_steps(architecture, Path(work) / architecture, o.memory, o.minutes)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
