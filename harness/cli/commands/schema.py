"""``harness schema``: the JSON Schema of a suite file, for editors."""

from __future__ import annotations

from argparse import Namespace

from harness.errors import Exit
from harness.report import streams
from harness.suite.json_schema import json_schema


def main(_: Namespace) -> Exit:
    """``harness schema``."""
    streams.document(json_schema(), indent=2)
    return Exit.OK
