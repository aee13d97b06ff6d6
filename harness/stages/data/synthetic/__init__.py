"""Turn generated images into a data set: filter them, pack them in the hub's format, join them with real ones.

Filtered-out images are kept, with the rule and the value that excluded them. A data set can be read with
``datasets.load_dataset``; ``harness publish`` uploads one, only when a person runs it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import MinLen

from harness.artifact import DataSet, Images, Json, LabelledImages
from harness.errors import StageError
from harness.formats.image_folder import Row
from harness.formats.strict_json import canonical
from harness.formats.strict_table import PLAIN
from harness.sources.hub import Found, Source
from harness.stage import Count, Job, stage
from harness.stages.data.folders import hub
from harness.stages.data.folders.labels import class_facts
from harness.stages.data.synthetic.filtering import SAMPLING, filter
from harness.stages.data.synthetic.joining import Labelled, classes_of, join, labelled

__all__ = ["dataset", "filter", "join", "read"]


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
"""Licences for data, as the hub spells them."""

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
    """The contents of ``README.md``."""

    name: str
    licence: str
    about: str
    split: str
    facts: Mapping[str, Any]
    """The facts of the data set."""

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
        """How the images were made, as far as the facts record it."""
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
    """The hub's size category for a number of rows: ``n<1K``, ``1K<n<10K``, …, ``n>1T``."""
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
    """A cell as one line, with the characters that are special in Markdown and HTML escaped."""
    text = cell if isinstance(cell, str) else canonical(cell)
    for sign, harmless in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|")):
        text = text.replace(sign, harmless)
    return " ".join(text.split())


SPLIT = "train"
_FURTHER = ("prompt", "seed", "writer")
"""Columns besides image and label; null where the image's row has no value."""
_ROW_GROUP = 100
"""Images are read a hundred at a time, as by the hub's viewer and its library."""


@stage(version=1)
def dataset(
    images: Images,
    *,
    name: Annotated[str, MinLen(1)],
    licence: Licence,
    about: str = "",
    shard_bytes: Count = 500_000_000,
    job: Job,
) -> DataSet:
    """Pack labelled images as a data set of the hub, with its card.

    The one split, ``train``, has the columns ``image``, ``label`` (a class of ``ClassLabel``), ``prompt`` (what the
    image was made from, cues included), ``seed`` and ``writer`` (who wrote the prompt), null where an image's row has
    no value. The image files are stored unchanged. The card states what the artifacts record of how the images were
    made, and that nobody has looked at them.

    Args:
        images: each with a class: generated, filtered, or joined with others. Their classes are in the order of the
            images' facts, else in alphabetical order.
        name: the data set's name, for people.
        licence: the licence under which it may be used, as the hub spells it.
        about: a paragraph for the card: what it is for, what to know before using it.
        shard_bytes: most bytes of images in one file; a file has at least one image, even a larger one.
        job: gives the output folder.

    Raises:
        StageError: no images, one without a class, fewer than two classes, one of them without an image, a prompt,
            seed or writer of the wrong type.
    """
    found = labelled(images, "images")
    declared: Any = images.facts.get("classes")
    classes = [str(c) for c in declared] if declared else classes_of(found)
    labels = Counter(label for _, label in found)
    columns = [further(image.row) for image in found]
    described: dict[str, Json] = {
        "name": name,
        **class_facts(labels, classes, "images"),
        "with_prompt": sum(c["prompt"] is not None for c in columns),
        "writers": dict(Counter(str(c["writer"]) for c in columns if c["writer"] is not None)),
        **{n: images.facts[n] for n in (SAMPLING, "removed", "origins") if n in images.facts},
    }
    folder = job.folder()
    (folder / "data").mkdir()
    shards = list(_shards(found, shard_bytes))
    done = 0
    for number, size in enumerate(shards):
        file = folder / "data" / f"{SPLIT}-{number:05d}-of-{len(shards):05d}.parquet"
        part = slice(done, done + size)
        _write(file, found[part], columns[part], classes)
        done += size
        job.progress(done, len(found), "images")
    card = Card(name, licence, about, SPLIT, described)
    (folder / "README.md").write_text(card.text(), encoding="utf-8")
    return DataSet(folder, {**described, "files": len(shards)})


@stage(version=1, software=("pillow",))
def read(data: DataSet, *, job: Job) -> LabelledImages:
    """The images of a data set, with classes and all columns, as a person who downloads it would get them.

    Raises:
        StageError: a class without an image, damaged files.
    """
    columns = {column: column for column in ("image", "label", *_FURTHER)}
    source = Source("the data set", place=data.path, found=Found(data.path, "", "path", None))
    return hub(source=source, split=SPLIT, columns=columns, job=job)


def further(row: Row) -> dict[str, Any]:
    """``prompt``, ``seed`` and ``writer`` of an image's row, None where it has no value.

    The prompt is the row's ``prompt``, with its cues, else its only caption.
    """
    prompt, seed, writer = (row.columns.get(column) for column in _FURTHER)
    if prompt is None and len(row.captions) == 1:
        prompt = row.captions[0]
    if (
        not isinstance(seed, int | None)
        or not isinstance(prompt, str | None)
        or not isinstance(writer, str | None)
    ):
        raise StageError(
            f"{row.name}: expected texts for prompt and writer and a whole number for seed, not "
            f"{prompt!r:.40}, {writer!r:.40} and {seed!r:.40}"
        )
    return {"prompt": prompt, "seed": seed, "writer": writer}


def _shards(found: Sequence[Labelled], most: int) -> Iterator[int]:
    """The number of images in each file."""
    count = held = 0
    for row, _ in found:
        size = row.path.stat().st_size
        if count and held + size > most:
            yield count
            count = held = 0
        count, held = count + 1, held + size
    yield count


def _write(
    file: Path, found: Sequence[Labelled], columns: Sequence[dict[str, Any]], classes: Sequence[str]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(classes)
    with pq.ParquetWriter(file, schema, **PLAIN) as out:
        for first in range(0, len(found), _ROW_GROUP):
            group = slice(first, first + _ROW_GROUP)
            records = [
                {
                    "image": {"bytes": row.path.read_bytes(), "path": row.name},
                    "label": classes.index(label),
                    **own,
                }
                for (row, label), own in zip(found[group], columns[group], strict=True)
            ]
            out.write_table(pa.Table.from_pylist(records, schema=schema))


def _schema(classes: Sequence[str]) -> Any:
    """The columns, with the metadata by which ``datasets`` recognises images and classes."""
    import pyarrow as pa

    features = {
        "image": {"_type": "Image"},
        "label": {"names": list(classes), "_type": "ClassLabel"},
        "prompt": {"dtype": "string", "_type": "Value"},
        "seed": {"dtype": "int64", "_type": "Value"},
        "writer": {"dtype": "string", "_type": "Value"},
    }
    columns = [
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("label", pa.int64()),
        ("prompt", pa.string()),
        ("seed", pa.int64()),
        ("writer", pa.string()),
    ]
    return pa.schema(columns, metadata={"huggingface": json.dumps({"info": {"features": features}})})
