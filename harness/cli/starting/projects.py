"""The kinds of project that ``harness init`` starts, and their files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.cli.starting import samples
from harness.cli.starting.templating import filled
from harness.suite.json_schema import json_schema


@dataclass(frozen=True)
class Kind:
    """A kind of project: one suite with its sample."""

    about: str
    """What is gated, in a line."""
    extra: str
    """The extra of the package that its stages need; empty if its core is enough."""
    sample: Callable[[], Mapping[str, bytes]] | None = None
    """Makes the sample's files, by relative path; None if the suite needs none."""


KINDS: Mapping[str, Kind] = {
    "predictions": Kind(
        "predictions of any classifier, from a CSV, parquet or JSON-lines file",
        "",
        samples.predictions,
    ),
    "classifier": Kind(
        "an image classifier, trained and tested on a folder with one subfolder for each class",
        "land-cover",
        samples.tiles,
    ),
    "images": Kind(
        "images that another tool has generated, against real ones",
        "text-to-image",
        samples.generated,
    ),
    "language-model": Kind(
        "a language model, by its perplexity on texts that it has not seen",
        "language-model",
        samples.texts,
    ),
    "schedulers": Kind("a Stable Diffusion under several schedulers and numbers of steps", "text-to-image"),
}

SCHEMA = "suite.schema.json"
WORKFLOW = ".github/workflows/gate.yml"


def suite_file(kind: str) -> str:
    """The path of the project's suite in its folder."""
    return f"suites/{kind}.yaml"


def files(kind: str) -> dict[str, bytes]:
    """All files of a project of this kind: relative path → content.

    Raises:
        UsageError: a module of stages cannot be imported; the schema lists them all.
    """
    about = KINDS[kind]
    package = f"remote-sensing-harness[{about.extra}]" if about.extra else "remote-sensing-harness"
    values = {"kind": kind, "about": about.about, "extra": about.extra, "package": package}
    texts = {
        "README.md": filled("project/README.md", replace=filled(f"replace/{kind}.md").rstrip(), **values),
        ".gitignore": filled("project/gitignore"),
        "baselines/README.md": filled("project/baselines.md"),
        WORKFLOW: filled("project/gate.yml", **values),
        suite_file(kind): f"# yaml-language-server: $schema=../{SCHEMA}\n{filled(f'suites/{kind}.yaml')}",
        SCHEMA: json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n",
    }
    sample = about.sample() if about.sample else {}
    return {**{path: text.encode() for path, text in texts.items()}, **sample}
