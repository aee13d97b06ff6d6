"""``harness identify``: prints the code and the software of every stage of this installation, as keys have them."""

from __future__ import annotations

from argparse import Namespace

from harness import __version__
from harness.artifact import Json
from harness.engine.keys import identity
from harness.errors import Exit, UsageError
from harness.report import streams
from harness.suite.registry import all_stages


def main(o: Namespace) -> Exit:
    """``harness identify``."""
    skipped: list[str] = []
    stages: dict[str, Json] = {}
    for stage in all_stages(skipped):
        try:
            stages[stage.name] = identity(stage)
        except UsageError as e:  # an image of one component lacks the packages of the others
            stages[stage.name] = str(e)
    streams.document({"harness": __version__, "stages": stages, "skipped": skipped})
    return Exit.OK
