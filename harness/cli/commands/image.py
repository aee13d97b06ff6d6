"""``harness image lock``: writes what image names stand for into the project's ``images.lock``."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

from harness.engine import images
from harness.engine.executors.engines import find
from harness.errors import Exit, UsageError
from harness.evaluation.executor_choice import read
from harness.report import streams
from harness.store import project as places
from harness.suite.images import ImageName


def main(o: Namespace) -> Exit:
    """``harness image lock``."""
    project = places.of(Path.cwd())
    engine = find(read(project).get("engine"), places.store_root(None, project) / "images")
    locked = images.lock(project)
    for assignment in o.images:
        name, equals, reference = assignment.partition("=")
        if not equals or not reference or "/" in name:
            raise UsageError(
                f"{assignment}: expected NAME=IMAGE, as in text-to-image=localhost/text-to-image"
            )
        try:
            ImageName.from_text(name)
        except ValueError as e:
            raise UsageError(f"{assignment}: {e}") from None
        locked[name] = images.described(reference, engine)
        if not o.json:
            streams.say(f"{name}: {locked[name].runs_as}")
    try:
        images.write_lock(project, locked)
    except OSError as e:
        raise UsageError(f"{project / images.LOCK}: cannot be written ({e.strerror})") from None
    if o.json:
        named = {name: {**asdict(image), "runs_as": image.runs_as} for name, image in locked.items()}
        streams.document({"schema": "harness.image-lock/1", "images": named})
    return Exit.OK
