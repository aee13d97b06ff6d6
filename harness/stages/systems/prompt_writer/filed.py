"""Prompts from files in four formats, written by hand or by a writer that runs elsewhere."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from harness.artifact import Prompts
from harness.errors import StageError, nearest
from harness.formats import prompts as table
from harness.formats import tables
from harness.formats.names import refuse_alike
from harness.formats.strict_json import objects
from harness.sources import parquet_set
from harness.sources.by_seed import idle_without_pattern
from harness.sources.content import files_of, passed_over
from harness.sources.hub import Source
from harness.stage import Job, Reading, Seed, stage
from harness.stages.data.folders.by_class import is_split

SUFFIXES = (".jsonl", ".csv", ".txt", ".parquet")
PASSAGES = "passages"


class Record(NamedTuple):
    """One record of a file, not validated yet."""

    where: str
    """File and line, or row."""
    prompt: Any
    label: Any
    passages: Any
    """An empty list if the file has none."""
    unread: tuple[str, ...]
    """Names of the columns that are not read."""


def files(place: Path) -> list[Path]:
    """The files of prompts at ``place``, a file or a folder, sorted by name.

    Raises:
        StageError: there are none, or they have more than one format.
    """
    found = [place] if place.is_file() else list(files_of(place).values())
    known = [file for file in found if file.suffix.lower() in SUFFIXES]
    kinds = sorted({file.suffix.lower() for file in known})
    if not kinds:
        raise StageError(f"{place}: no prompts; expected {', '.join(SUFFIXES)}")
    if len(kinds) > 1:
        raise StageError(
            f"{place}: files that end in {' and '.join(kinds)}; expected one kind, or name one file"
        )
    if place.is_dir():
        _check_folders(place, known)
    return known


def _check_folders(place: Path, known: list[Path]) -> None:
    """Check that folders in a folder of prompts do not say what is not read: a class or a split."""
    ways = {file: file.relative_to(place).parts[:-1] for file in known}
    splits = sorted({name for way in ways.values() for name in way if is_split(name)})
    if len(splits) > 1:
        raise StageError(f"{place}: {', '.join(splits)} are splits; name the folder of one as the source")
    for file, way in ways.items():
        if way and file.suffix.lower() == ".txt":
            raise StageError(
                f"{file}: its class would be {file.stem!r}, and {'/'.join(way)} is not read; name text files after "
                f"their class, directly in {place.name}/"
            )


def records(file: Path, prompt: str, label: str) -> Iterator[Record]:
    """The records of a file.

    Args:
        file: one of ``files``.
        prompt: the column with the prompt.
        label: the column with its class; a text file has the class in its name.

    Raises:
        StageError: the file does not have the format of its suffix, or a column is missing; names the line.
    """
    match file.suffix.lower():
        case ".txt":
            if (prompt, label) != ("prompt", "label"):
                raise StageError(f"{file}: a text file has no columns; remove prompt and label")
            yield from _lines(file)
        case ".parquet":
            yield from _parquet(file, prompt, label)
        case ".csv":
            for read in tables.rows(file):
                record = _record(read.where, read.cells, prompt, label)
                # A cell cannot hold passages.
                unread = (*record.unread, PASSAGES) if PASSAGES in read.cells else record.unread
                yield record._replace(passages=[], unread=unread)
        case _:
            for where, row in objects(file):
                yield _record(where, row, prompt, label)


def _record(where: str, row: Mapping[str, Any], prompt: str, label: str) -> Record:
    for column in (prompt, label):
        if column not in row:
            raise StageError(f"{where}: no {column!r}, only {', '.join(row)}{nearest(column, row)}")
    unread = tuple(name for name in row if name not in (prompt, label, PASSAGES))
    return Record(where, row[prompt], row[label], row.get(PASSAGES, []), unread)


def _lines(file: Path) -> Iterator[Record]:
    for number, line in enumerate(tables.text_of(file).split("\n"), start=1):
        if line.strip():
            yield Record(f"{file}:{number}", line, file.stem, [], ())


def _parquet(file: Path, prompt: str, label: str) -> Iterator[Record]:
    import pyarrow.parquet as pq

    parquet_set.count([file])  # refuses files that are not parquet
    held: list[str] = pq.read_schema(file).names
    columns = {"prompt": prompt, "label": label} | ({PASSAGES: PASSAGES} if PASSAGES in held else {})
    names = parquet_set.class_names(file, label) if label in held else None
    unread = tuple(name for name in held if name not in columns.values())
    for place, row in parquet_set.read([file], columns):
        value = row["label"]
        if names is not None and type(value) is int and 0 <= value < len(names):
            value = names[value]
        yield Record(str(place), row["prompt"], value, row.get(PASSAGES) or [], unread)


@stage(version=1, idle=idle_without_pattern)
def from_file(
    *,
    source: Source,
    prompt: Reading[str] = "prompt",
    label: Reading[str] = "label",
    classes: Reading[tuple[str, ...] | None] = None,
    writer: str = "file",
    seed: Seed = 0,
    job: Job,
) -> Prompts:
    """Read all prompts from files, sorted by class.

    Four formats are read; text is UTF-8:

    - ``.jsonl`` has one mapping per line.
    - ``.csv`` has the names of its columns in the first line.
    - ``.parquet`` may be a data set of the hub, whose splits are pooled.
    - ``.txt`` files in a folder have one prompt per line and are named after their class: ``Crop Land.txt``, or
      ``crop-land.txt`` for the class ``Crop Land`` if it is one of ``classes``.

    If rows of JSON or parquet have ``passages`` (``id``, ``document``, ``page``, ``text``), these are kept. The
    ``metadata.jsonl`` of prompts written elsewhere is read with ``prompt: captions``.

    Runs of white space become one space; nothing else is changed. ``prompts.checks`` judges the prompts.

    Args:
        source: a file, or a folder of files of one format. ``path:../out/seed-{seed}.csv`` is one file, or folder,
            for each repeat.
        prompt: the column with the prompt.
        label: the column with its class.
        classes: the classes, each of which must have prompts, and no others; null: all classes in the files.
        writer: the writer's name, for tables that compare writers.
        seed: the repeat: chooses the file. It draws nothing.
        job: provides device, folders and log.

    Raises:
        StageError: something cannot be read, lacks a column, or is not a prompt of a class, with its line; a class
            without prompts.
    """
    of: dict[str, list[table.Prompt]] = {} if classes is None else {name: [] for name in classes}
    if classes is not None:
        table.check_classes(classes)
    unread: dict[str, None] = {}
    for record in _all(source, prompt, label, classes or ()):
        unread |= dict.fromkeys(record.unread)
        name = _label(record, classes)
        members = of.setdefault(name, [])
        passages = table.passages(record.passages, record.where)
        members.append(table.Prompt(table.name(name, len(members)), _text(record), name, writer, passages))
    if not of:
        raise StageError(f"{source.path}: no prompts")
    table.check_classes(list(of))
    refuse_alike(of, source.path)
    if missing := [name for name, members in of.items() if not members]:
        raise StageError(f"{source.path}: no prompt of {', '.join(missing)}")
    prompts = [member for members in of.values() for member in members]
    folder = job.folder()
    table.write(folder, prompts)
    return Prompts(folder, facts={**table.count(prompts), "unread": list(unread), **passed_over(source.path)})


def _all(source: Source, prompt: str, label: str, classes: tuple[str, ...]) -> Iterator[Record]:
    for file in files(source.path):
        for record in records(file, prompt, label):
            if file.suffix.lower() == ".txt":
                record = record._replace(label=_class_of(file, source, classes))
            yield record


def _class_of(file: Path, source: Source, classes: tuple[str, ...]) -> str:
    """The class of a text file: its name within a folder, else the only one of ``classes``.

    The name of a single file is not used, because it is not part of the source's content, nor of a key.
    """
    if source.path.is_file():
        if len(classes) != 1:
            raise StageError(f"{file}: a text file by itself has prompts of one class; name it under classes")
        return classes[0]
    return next((label for label in classes if table.slug(label) == table.slug(file.stem)), file.stem)


def _label(record: Record, classes: tuple[str, ...] | None) -> str:
    label = record.label
    if not isinstance(label, str) or not label.strip():
        raise StageError(f"{record.where}: its class is {label!r:.40}, expected a name")
    if classes is not None and label not in classes:
        raise StageError(f"{record.where}: {label!r} is none of the classes{nearest(label, classes)}")
    return label


def _text(record: Record) -> str:
    """The prompt, which is a sentence or, as in captions, a list of one."""
    text = record.prompt[0] if isinstance(record.prompt, list) and len(record.prompt) == 1 else record.prompt
    if not isinstance(text, str) or not text.strip():
        raise StageError(f"{record.where}: its prompt is {text!r:.40}, expected a sentence")
    text = " ".join(text.split())
    control = next((c for c in text if unicodedata.category(c) == "Cc"), None)
    if control is not None:
        raise StageError(
            f"{record.where}: a control character (U+{ord(control):04X}) in the prompt; remove it"
        )
    return text
