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
    again: str = "unchanged"
    """The verdict of the second run, which executes nothing: a time from the store is no time."""


INSTEAD = (
    "precision: fp32 in place of fp16, which CPUs do not train in",
    "weights of TorchGeo's ResNet: a file in place of the name, which holds the hash of the real content",
)
UNSHOWN = (
    "fp16, CUDA kernels and the memory of a GPU: there is none in a rehearsal (`make gpu`)",
    "repeats of the two suites in micro/, whose networks have their full size: one seed stands for three",
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
            "asked.counts=10",
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
    Part(
        "micro/text-to-image",
        ("drawn.count=1", "images.steps=2", "images.batch_size=1", "images.seed=0"),
        ("images.precision=fp32",),
        again="inconclusive",
    ),
    Part(
        "micro/language-model",
        ("parts.held_out=2", "tuned.max_steps=1", "tuned.batch_size=1", "tuned.seed=0", "model.seed=0"),
        again="inconclusive",
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
    failed = [
        f"{suite}: not in the list of this script" for suite in suites() - {part.suite for part in PARTS}
    ]
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as temporary:
        place = options.keep or Path(temporary) / "project"
        place.mkdir(parents=True)
        stage = Stage(place)
        stage.set_up()
        for part in parts:
            began = time.monotonic()
            try:
                told = stage.rehearse(part)
            except UnexpectedError as e:
                failed.append(f"{part.suite}: {e}")
                print(f"✗ {failed[-1]}", flush=True)
            else:
                print(f"✓ {part.suite}: {told}, {time.monotonic() - began:.0f} s", flush=True)
    print("\nin place of what is published:", *INSTEAD, sep="\n  ")
    print("not shown:", *UNSHOWN, sep="\n  ")
    print(
        *(["", "failed:", *failed] if failed else []),
        f"\n{len(parts)} suites, {len(failed)} failures",
        sep="\n",
    )
    return 1 if failed else 0


def suites() -> set[str]:
    """The names of all suites that must be rehearsed."""
    files = (file for kind in ("paper", "micro") for file in (ROOT / "suites" / kind).glob("*.yaml"))
    return {f"{file.parent.name}/{file.stem}" for file in files}


class Stage:
    """A project with the suites of the repository, and a mirror of stand-ins."""

    def __init__(self, place: Path) -> None:
        self.place = place
        removed = ("HARNESS_STORE", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY")
        kept = {name: value for name, value in os.environ.items() if name not in removed}
        own = {"HARNESS_MIRROR": str(place / "hub"), "HF_HUB_OFFLINE": "1", "HARNESS_DEVICE": "cpu"}
        self.environment = {**kept, **own}

    def set_up(self) -> None:
        """Copy the suites, and fill the mirror with what they name."""
        import stand_ins  # heavy

        shutil.copytree(ROOT / "suites", self.place / "suites")
        (self.place / "baselines").mkdir()
        stand_ins.write(self.place / "hub", stand_ins.named((self.place / "suites").rglob("*.yaml")))
        stand_ins.write_weights(self.place / "weights")

    def rehearse(self, part: Part) -> str:
        """Give all commands of one suite; returns what was done.

        Raises:
            UnexpectedError: a command ended otherwise than it should; the message has its last lines.
        """
        file, runs = f"suites/{part.suite}.yaml", Path("runs") / part.suite
        changes = [word for change in (*part.counts, *part.instead) for word in ("--set", change)]
        if any("inception" in line for line in (self.place / file).read_text().splitlines()):
            self._convert_inception(file, changes)
        self._ask(["plan", file, *changes], 0)
        self._ask(["run", file, *changes, "--out", f"{runs}/first"], 4)
        self._ask(["accept", f"{runs}/first", "--reason", "rehearsal"], 0)
        self._ask(["run", file, *changes, "--out", f"{runs}/second"], 0)
        self._ask(["compare", f"{runs}/second"], 0)
        self._ask(["leaderboard", f"{runs}/second", "--to", f"boards/{part.suite}"], 0)
        return self._seen(part, self.place / runs / "second")

    def _convert_inception(self, file: str, changes: Sequence[str]) -> None:
        """The suite is given the pickle, and prints the command that converts it, which is run."""
        pickle, made = (self.place / f"{INCEPTION}{ending}" for ending in (".pth", ".safetensors"))
        if made.exists():
            return
        said = self._ask(["plan", file, *changes, "--set", f"inception.weights=path:{INCEPTION}.pth"], 2)
        _, _, command = said.partition("python -c ")
        if not command:
            raise UnexpectedError(f"no command that converts {pickle.name}: {said}")
        program = [sys.executable, "-c", shlex.split(command)[0]]
        done = subprocess.run(program, cwd=self.place, capture_output=True, text=True, check=False)
        if done.returncode or not made.exists():
            raise UnexpectedError(f"the printed command does not convert it: {done.stderr[-300:]}")

    def _seen(self, part: Part, folder: Path) -> str:
        """Every gate has its verdict, every metric has values, nothing was executed again, and the page is there."""
        record = json.loads((folder / "run.json").read_text())
        gated = {f["metric"]: f["verdict"] for f in record["comparison"]["findings"] if f["gated"]}
        other = [f"{metric} {verdict}" for metric, verdict in gated.items() if verdict != part.again]
        empty = [s["metric"] for s in record["scores"] if not all(r["values"] for r in s["repeats"])]
        again = [task["node"] for task in record["tasks"] if task["state"] == "executed"]
        for what, found in (("verdicts", other), ("no value of", empty), ("executed again", again)):
            if found:
                raise UnexpectedError(f"{what}: {', '.join(found)}")
        if not gated or not (folder / "report.html").is_file():
            raise UnexpectedError("no verdict, or no page")
        return f"{len(record['tasks'])} tasks, {len(record['gates'])} gates {part.again}"

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
        return done.stdout + done.stderr


class UnexpectedError(Exception):
    """A command ended otherwise than it should."""


if __name__ == "__main__":
    sys.exit(main())
