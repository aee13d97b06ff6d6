"""``harness pull``: fetches the container images that suites name, since a run fetches none."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from harness import suite as suites
from harness.engine import images
from harness.engine.executors.engines import answers, find, said
from harness.errors import Exit, UsageError
from harness.evaluation.executor_choice import read
from harness.evaluation.suite_choice import suite_files
from harness.report import streams
from harness.store import project as places


def main(o: Namespace) -> Exit:
    """``harness pull``."""
    done: set[images.Image] = set()
    for file in suite_files(o.suites):
        suite = suites.load(file)
        names = [node.image for node in suite.nodes.values() if node.image is not None]
        if not names:
            raise UsageError(f"{file}: it names no image")
        engine = find(read(suite.project).get("engine"), places.store_root(o.store, suite.project) / "images")
        locked = images.lock(suite.project)
        for image in dict.fromkeys(images.find(name, locked) for name in names):
            if image in done:
                continue
            done.add(image)
            if answers(engine.has(image.runs_as)):
                streams.say(f"{image.runs_as}: here")
                continue
            if image.reference is None:
                raise UsageError(f"{image.runs_as}: in no registry, and not on this machine; build it here")
            if engine.name == "apptainer":
                Path(engine.pull(image.reference)[2]).parent.mkdir(parents=True, exist_ok=True)
            said(engine.pull(image.reference), f"{image.reference}: cannot be fetched", timeout_s=3600)
            streams.say(f"{image.reference}: fetched")
    return Exit.OK
