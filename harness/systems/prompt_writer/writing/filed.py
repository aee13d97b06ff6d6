"""Prompts from a file: by hand, or by a writer that runs elsewhere."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from pathlib import Path

from harness.artifact import Prompts
from harness.data.hub import Source
from harness.errors import StageError, nearest
from harness.stage import Job, Reading, stage
from harness.systems.prompt_writer.writing import table
from harness.systems.prompt_writer.writing.records import Record, files, records


@stage(version=1)
def from_file(
    *,
    source: Source,
    prompt: Reading[str] = "prompt",
    label: Reading[str] = "label",
    classes: Reading[tuple[str, ...] | None] = None,
    writer: str = "file",
    job: Job,
) -> Prompts:
    """Prompts as they stand in files, all of them, sorted by class.

    ``.jsonl`` has one mapping a line, ``.csv`` names its columns in the first line, ``.parquet`` may be a data set
    of the hub (its splits are pooled), and in a folder of ``.txt``, one prompt a line, each file is named after its
    class: ``Crop Land.txt``, or ``crop-land.txt`` where that is one of ``classes``. Text is UTF-8. Where rows of JSON
    or parquet have ``passages`` (``id``, ``document``, ``page``, ``text``) those are kept: the ``metadata.jsonl`` of
    prompts that were written elsewhere is read with ``prompt: captions``.

    White space is made single, and nothing else mended: whether a prompt is any good is for ``prompts.checks`` to say.

    Args:
        source: a file, or a folder of files of one kind.
        prompt: the column that has the prompt.
        label: the column that has its class.
        classes: what must be there and nothing else; null: the classes that there are.
        writer: who wrote them, for tables that compare writers.
        job: the runner's side.

    Raises:
        StageError: what cannot be read, has no such column, or is no prompt of a class, with its line; a class without
            prompts.
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
    if missing := [name for name, members in of.items() if not members]:
        raise StageError(f"{source.path}: no prompt of {', '.join(missing)}")
    prompts = [member for members in of.values() for member in members]
    folder = job.folder()
    table.write(folder, prompts)
    return Prompts(folder, facts={**table.count(prompts), "unread": list(unread)})


def _all(source: Source, prompt: str, label: str, classes: tuple[str, ...]) -> Iterator[Record]:
    for file in files(source.path):
        for record in records(file, prompt, label):
            if file.suffix.lower() == ".txt":
                record = record._replace(label=_class_of(file, source, classes))
            yield record


def _class_of(file: Path, source: Source, classes: tuple[str, ...]) -> str:
    """The class in a text file's name; but what one file alone is called is no part of its content, nor of a key."""
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
    """A sentence, or a list of one, as captions are."""
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
