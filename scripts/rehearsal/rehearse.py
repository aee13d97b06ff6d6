"""``make rehearse``: run every suite of ``suites/paper`` and ``suites/micro`` to its verdict, with stand-ins.

    python scripts/rehearsal/rehearse.py [--only WORDS] [--keep DIR]

``stand_ins.py`` fills a mirror with tiny models and small data under the published names. Each suite is then planned,
run, accepted, run again, compared, and put on a leaderboard. It is as it stands in the repository but for counts and
steps, and for what ``INSTEAD`` says. What a rehearsal cannot show is in ``UNSHOWN``, and is printed.

Exit code 0 if every command of every suite ended as it should, else 1.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

import stand_ins  # noqa: E402

MOCO = "path:weights/resnet18-moco.safetensors"
INCEPTION = "weights/inception-v3-fid"
TRAINED = ("epochs=1", "batch_size=8")


@dataclass(frozen=True)
class Part:
    """A suite, and what is set for it."""

    suite: str
    counts: tuple[str, ...]
    """Counts and steps, as ``node.field=value``."""
    instead: tuple[str, ...] = ()
    """What a CPU, or a stand-in, needs in place of what is published; see ``INSTEAD``."""


INSTEAD = (
    "precision: fp32 in place of fp16, which CPUs do not train in",
    "weights of TorchGeo's ResNet: a file in place of the name, which holds the hash of the real content",
)
UNSHOWN = (
    "fp16, CUDA kernels and the memory of a GPU: there is none in a rehearsal (`make gpu`)",
    "figures: models are random, so that every value is meaningless, and only that it is there is checked",
    "the hub: `harness fetch --pin` and downloads are tested against a server of their own (tests/sources)",
    "TorchGeo's weights by name: see tests/stages/systems/test_land_cover_weights.py",
)


def classifier(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}.{setting}" for name in names for setting in TRAINED)


PARTS = (
    Part(
        "paper/text-to-image",
        (
            "rsicd.held_out=24",
            "model.epochs=1",
            "model.max_steps=4",
            "model.checkpoint_every=2",
            "best.step=4",
            "drawn.count=8",
            "images.steps=2",
            "judge.epochs=1",
        ),
        ("model.precision=fp32", "images.precision=fp32"),
    ),
    Part(
        "paper/land-cover",
        classifier("classifier"),
        (f"classifier.weights={MOCO}",),
    ),
    Part(
        "paper/language-model",
        ("tuned.epochs=1", "tuned.max_steps=3", "written.max_tokens=8", "written_before.max_tokens=8"),
    ),
    Part(
        "paper/prompts",
        (
            "tuned.epochs=1",
            "tuned.max_steps=3",
            "grounded.per_class=3",
            "remote_gpt.per_class=3",
            "templates.per_class=3",
            "written.counts=2",
        ),
    ),
    Part(
        "paper/chain",
        (
            "grounded.per_class=3",
            "templates.per_class=3",
            "written.counts=3",
            "rsicd.held_out=60",
            "painter.epochs=1",
            "painter.max_steps=4",
            "painter.checkpoint_every=2",
            "best.step=4",
            "asked.counts={" + ", ".join(f"{name}: 10" for name in stand_ins.LAND_COVER) + "}",
            "drawn.count=70",
            "images.steps=2",
            "real.held_out=20",
            *classifier("classifier", "learnt", "real_classifier"),
        ),
        (
            "painter.precision=fp32",
            "images.precision=fp32",
            *(f"{name}.weights={MOCO}" for name in ("classifier", "learnt", "real_classifier")),
        ),
    ),
)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", metavar="WORDS", default="", help="the suites whose name has these words")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="leave everything in this new folder")
    options = parser.parse_args()
    parts = [part for part in PARTS if options.only in part.suite]
    known = {part.suite for part in PARTS}
    there = {
        f"{file.parent.name}/{file.stem}"
        for kind in ("paper", "micro")
        for file in (ROOT / "suites" / kind).glob("*.yaml")
    }
    if known != there and not options.only:
        print(
            f"not rehearsed: {', '.join(sorted(there - known)) or 'none'}; no such suite: {sorted(known - there)}"
        )
        return 1
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as temporary:
        place = options.keep or Path(temporary) / "project"
        place.mkdir(parents=True)
        stage = Stage(place)
        stage.set_up()
        failed = sum(not stage.rehearse(part) for part in parts)
    print("\nin place of what is published:", *INSTEAD, sep="\n  ")
    print("not shown:", *UNSHOWN, sep="\n  ")
    print(f"\n{len(parts) - failed} of {len(parts)} suites rehearsed to their verdict")
    return 1 if failed else 0


class Stage:
    """A project with the suites of the repository, and a mirror of stand-ins."""

    def __init__(self, place: Path) -> None:
        self.place = place
        names = ("HARNESS_STORE", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY")
        kept = {name: value for name, value in os.environ.items() if name not in names}
        self.environment = {
            **kept,
            "HARNESS_MIRROR": str(place / "hub"),
            "HF_HUB_OFFLINE": "1",
            "HARNESS_DEVICE": "cpu",
        }

    def set_up(self) -> None:
        """Copy the suites, and fill the mirror with what they name."""
        began = time.monotonic()
        shutil.copytree(ROOT / "suites", self.place / "suites")
        (self.place / "baselines").mkdir()
        stand_ins.write(self.place / "hub", stand_ins.named((self.place / "suites").rglob("*.yaml")))
        stand_ins.write_weights(self.place / "weights")
        print(f"stand-ins: {time.monotonic() - began:.0f} s")

    def rehearse(self, part: Part) -> bool:
        """All commands of one suite. Prints a line, and what a command that failed has said."""
        began = time.monotonic()
        file = f"suites/{part.suite}.yaml"
        changes = [word for change in (*part.counts, *part.instead) for word in ("--set", change)]
        try:
            if part.suite == "paper/text-to-image":
                self._convert_inception(file, changes)
            self._ask(["plan", file, *changes], 0)
            self._ask(["run", file, *changes, "--out", f"runs/{part.suite}/first"], 4)
            self._ask(["accept", f"runs/{part.suite}/first", "--reason", "rehearsal"], 0)
            again = self._ask(["run", file, *changes, "--out", f"runs/{part.suite}/second"], 0)
            self._ask(["compare", f"runs/{part.suite}/second"], 0)
            self._ask(["leaderboard", f"runs/{part.suite}/second", "--to", f"boards/{part.suite}"], 0)
            self._look(part, again)
        except UnexpectedError as e:
            print(f"✗ {part.suite}: {e}")
            return False
        record = json.loads((self.place / "runs" / part.suite / "second" / "run.json").read_text())
        tasks, gates = len(record["tasks"]), len(record["gates"])
        took = time.monotonic() - began
        print(f"✓ {part.suite}: {tasks} tasks, {gates} gates unchanged, {took:.0f} s", flush=True)
        return True

    def _convert_inception(self, file: str, changes: Sequence[str]) -> None:
        """As its reader is told: the suite is given the pickle, and prints the command that converts it."""
        pickle, made = (self.place / f"{INCEPTION}{ending}" for ending in (".pth", ".safetensors"))
        if made.exists():
            return
        said = self._ask(["plan", file, *changes, "--set", f"inception.weights=path:{INCEPTION}.pth"], 2)
        _, _, command = said.partition("python -c ")
        if not command:
            raise UnexpectedError(f"no command that converts {pickle.name}: {said}")
        program, *_ = shlex.split(command)
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=self.place, capture_output=True, text=True, check=False
        )
        if done.returncode or not made.exists():
            raise UnexpectedError(f"the printed command does not convert it: {done.stderr[-300:]}")

    def _look(self, part: Part, again: str) -> None:
        """Every gate has a verdict, every metric has values, and the page is there."""
        folder = self.place / "runs" / part.suite / "second"
        record = json.loads((folder / "run.json").read_text())
        if any(task["state"] == "executed" for task in record["tasks"]):
            raise UnexpectedError("the second run executed tasks again")
        lacking = [
            f["metric"]
            for f in record["comparison"]["findings"]
            if f["gated"] and f["verdict"] != "unchanged"
        ]
        empty = [s["metric"] for s in record["scores"] if not all(r["values"] for r in s["repeats"])]
        if lacking or empty or "unchanged" not in again:
            raise UnexpectedError(f"not unchanged: {lacking}, no value: {empty}")
        if not (folder / "report.html").is_file():
            raise UnexpectedError("no page")

    def _ask(self, arguments: Sequence[str], expected: int) -> str:
        command = [sys.executable, "-m", "harness", *arguments]
        done = subprocess.run(
            command, cwd=self.place, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode != expected:
            told = "\n".join([*done.stdout.splitlines()[-15:], *done.stderr.splitlines()[-15:]])
            raise UnexpectedError(
                f"harness {arguments[0]} ended with {done.returncode}, not {expected}:\n{told}"
            )
        return done.stdout + done.stderr if expected else done.stdout


class UnexpectedError(Exception):
    """A command ended otherwise than it should."""


if __name__ == "__main__":
    sys.exit(main())
