"""A data set's card: what people and the hub read first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from harness.artifact import Json
from harness.canonical import canonical

Licence = Literal[
    "cc0-1.0",
    "cc-by-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-4.0",
    "cc-by-nc-sa-4.0",
    "cc-by-nd-4.0",
    "odbl",
    "odc-by",
    "pddl",
    "cdla-permissive-2.0",
    "apache-2.0",
    "mit",
    "openrail",
    "openrail++",
    "creativeml-openrail-m",
    "other",
    "unknown",
]
"""As the hub spells those that data are given away under."""

_SIZES = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")

_USE = """\
```python
from datasets import load_dataset

data = load_dataset("org/name", split="{split}")  # or the folder that this file is in
data.features["label"].names
```"""

_LABELS = (
    "A label is the class that the prompt asks for. Whether the image shows it was judged by nobody, or by no more "
    "than the filters above."
)


@dataclass(frozen=True)
class Card:
    """What ``README.md`` is made of."""

    name: str
    licence: str
    about: str
    split: str
    facts: Mapping[str, Any]
    """Of the data set."""

    def text(self) -> str:
        """YAML that the hub reads, then Markdown."""
        return "\n".join(["---", self._yaml(), "---", "", "\n\n".join(self._paragraphs()), ""])

    def _yaml(self) -> str:
        from huggingface_hub import DatasetCardData

        files = [{"split": self.split, "path": f"data/{self.split}-*"}]
        head = DatasetCardData(
            pretty_name=self.name,
            license=self.licence,
            task_categories=["image-classification"],
            size_categories=[size_category(self.facts["count"])],
            tags=["synthetic"],
            configs=[{"config_name": "default", "data_files": files}],
        )
        return str(head.to_yaml()).strip()

    def _paragraphs(self) -> Iterator[str]:
        count, classes, prompts = self.facts["count"], self.facts["per_class"], self.facts["with_prompt"]
        yield f"# {_plain(self.name)}"
        whole = "Each was" if prompts == count else f"{prompts} of them were"
        made = f" {whole} generated from the prompt beside it by a text-to-image model." if prompts else ""
        yield f"{count} images in {len(classes)} classes.{made}"
        if self.about.strip():
            yield self.about.strip()
        yield "## Classes"
        yield _table(("label", "class", "images"), [(i, *item) for i, item in enumerate(classes.items())])
        yield from self._origin()
        yield "## Use"
        yield _USE.format(split=self.split)
        yield _LABELS

    def _origin(self) -> Iterator[str]:
        """How the images were made, as far as what they were made from says it."""
        sampling, writers = self.facts.get("sampling", {}), self.facts["writers"]
        if sampling:
            yield "## How the images were made"
            yield _table(("setting", "value"), sampling.items())
        if writers:
            yield "## Who wrote the prompts"
            yield _table(("writer", "images"), writers.items())
        if "origins" in self.facts:
            yield "## Where the images are from"
            yield _table(("origin", "images"), [(n, o["count"]) for n, o in self.facts["origins"].items()])
        if "removed" in self.facts:
            yield "## What filters took out"
            yield _removed(self.facts["removed"])


def size_category(count: int) -> str:
    """The hub's word for so many rows: ``n<1K``, ``1K<n<10K``, …, ``n>1T``."""
    above = next((i for i in range(len(_SIZES)) if count < 10 ** (3 + i)), len(_SIZES))
    if above == 0:
        return f"n<{_SIZES[0]}"
    return f"n>{_SIZES[-1]}" if above == len(_SIZES) else f"{_SIZES[above - 1]}<n<{_SIZES[above]}"


def _removed(by_rule: Mapping[str, Mapping[str, int]]) -> str:
    if not by_rule:
        return "Nothing: no filter was used."
    classes = list(next(iter(by_rule.values())))
    return _table(("class", *by_rule), [(c, *(counts[c] for counts in by_rule.values())) for c in classes])


def _table(head: Sequence[str], lines: Iterable[Sequence[Json]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(_plain(cell) for cell in row)} |" for row in rows)


def _plain(cell: Json) -> str:
    """On one line, with what Markdown and HTML would take for their own made harmless."""
    text = cell if isinstance(cell, str) else canonical(cell)
    for sign, harmless in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|")):
        text = text.replace(sign, harmless)
    return " ".join(text.split())
