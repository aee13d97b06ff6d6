"""Files whose class is a folder: which level of folders it is, and what must not be taken for a class.

``train/`` and ``test/`` above the classes, years, sensors: nothing in the names of files says which level is the class.
So where there are several levels, or files that look as if they named the classes, the suite has to say it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from harness.errors import StageError
from harness.sources.content import files_of, is_passed_over
from harness.sources.hub import Source

_SPLIT = re.compile(
    r"(\d+[-_. ]+|[xy][-_ ])?"
    r"(train|training|trn|val|valid|validation|dev|test|testing|tst|eval|evaluation|held[-_ ]?out|unlabell?ed"
    r"|train[-_ +]?(and[-_ ])?val(id)?|train[ab]|test[ab]|(k[-_ ]?)?fold(?=[-_ ]?\d)|split(?=[-_ ]?\d)"
    r"|entrenamiento|pruebas?|validacion|treino|treinamento|testes?|validacao|addestramento|validazione"
    r"|entrainement|apprentissage|trainings?daten|validierung|testdaten"
    r"|\u8bad\u7ec3\u96c6?|\u9a8c\u8bc1\u96c6?|\u6d4b\u8bd5\u96c6?)"
    r"([-_ ]?(sets?|data|split|images?|imgs?|\d+))?"
)
"""Also in Spanish, Portuguese, Italian, French, German and Chinese, without accents."""
_NAMING = re.compile(
    "annot|annotations?|captions?|categor(y|ies)|class|classes|classnames|groundtruth|gt|instances|labels?|labelmap"
    "|metadata|names|targets?|splits?|folds?|partitions?"
)
"""Words in the name of a file that says something about images."""
_TABLE = re.compile(r"\.(arrow|csv|feather|jsonl|labels|lst|names|ndjson|parquet|tsv|xlsx?)")
"""Endings of tables and lists, which have no other business beside images."""
_MAYBE = re.compile(r"\.(json|mat|npy|pbtxt|pkl|txt|xml|ya?ml)")
_TWINS = frozenset({".txt", ".json", ".caption", ".cls"})
"""Endings of a file that says something about the image of the same name."""


class Found(NamedTuple):
    """Files and their classes."""

    rows: dict[str, tuple[str, Path]]
    """Relative path → class and file, sorted."""
    classes: list[str]
    """Sorted; one without files is among them."""
    unread: Counter[str]
    """Number of other files by suffix."""


def is_split(name: str) -> bool:
    """Whether a folder has the name of a part of a data set, such as ``train``, ``test_images`` or ``val2017``."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    return _SPLIT.fullmatch(plain.strip()) is not None


def by_class(source: Source, suffixes: frozenset[str], level: int | None) -> Found:
    """Files in folders of their class.

    Args:
        source: the folder.
        suffixes: suffixes of the files to read, in lower case.
        level: which folder on the way to a file is its class: 1 for the first below the source. None if that is plain:
            every file lies directly in a folder of the source that is no split, and no file seems to name classes.

    Raises:
        StageError: several levels, splits, or a label file, without a ``level``; a file that is less deep; no files.
    """
    root = source.path
    if not root.is_dir():
        raise StageError(
            f"{root}: a file, expected a folder with one folder of images per class{_unpack(root)}"
        )
    files = files_of(root)
    images = {name: path for name, path in files.items() if path.suffix.lower() in suffixes}
    unread = Counter(path.suffix or path.name for name, path in files.items() if name not in images)
    if not images:
        raise StageError(f"{root}: no images (suffixes {', '.join(sorted(suffixes))}){_instead(unread)}")
    if level is None:
        refuse_label_files(source, files, images)
        _refuse_levels(source, images)
    chosen = level or 1
    rows = {}
    for name, path in images.items():
        folders = PurePosixPath(name).parts[:-1]
        if len(folders) < chosen:
            way = "/".join([*folders, *(f"<level {n}>" for n in range(len(folders) + 1, chosen)), "<class>"])
            raise StageError(f"{path}: in no class's folder; expected {root.name}/{way}/{path.name}")
        rows[name] = (folders[chosen - 1], path)
    return Found(rows, sorted({*_folders(root, chosen), *(c for c, _ in rows.values())}), unread)


def _folders(root: Path, level: int) -> Iterator[str]:
    """Names of the folders at a level, also of empty ones."""
    for entry in root.iterdir():
        if entry.is_dir() and not is_passed_over(entry.name):
            yield from [entry.name] if level == 1 else _folders(entry, level - 1)


def _refuse_levels(source: Source, images: Iterable[str]) -> None:
    ways = [PurePosixPath(name).parts[:-1] for name in images]
    firsts = sorted({way[0] for way in ways if way})
    splits = [name for name in firsts if is_split(name)]
    deep = next((way for way in ways if len(way) > 1), None)
    plain = len(splits) > 1 or splits == firsts
    if splits and (plain or any(way[0] in splits for way in ways if len(way) > 1)):
        first = next((name for name in splits if name.casefold().startswith("tr")), splits[0])
        named = ", ".join(splits[:4])
        are = f"{named} {'is a split' if len(splits) == 1 else 'are splits'} of the data, not classes"
        pool = ", or level: 2 to pool them" if deep else ""
        raise StageError(
            f"{source.path}: {are}; write source: {_below(source, first)!r} (a stage for each){pool}; "
            "level: 1 if these are the classes"
        )
    if deep:
        one_of = f"; or source: {_below(source, deep[0])!r}" if len(firsts) == 1 else ""
        raise StageError(
            f"{source.path}: folders in folders, such as {'/'.join(deep)}; say which are the classes: "
            f"level: 1 for {deep[0]}, level: 2 for {deep[1]}{one_of}"
        )


def refuse_label_files(source: Source, files: Mapping[str, Path], images: Mapping[str, Path]) -> None:
    """Check that no file besides the images seems to say what their classes are.

    Raises:
        StageError: one does.
    """
    if named := label_files(files, images):
        file, inside = files[named[0]], str(PurePosixPath(named[0]).parent)
        lists = f"metadata.jsonl or metadata.csv with file_name and label in {source.path.name}/"
        way = f"turn it into a {lists} for folders.images"
        if PurePosixPath(named[0]).stem == "metadata" and inside != ".":
            way = f"write source: {_below(source, inside)!r}"
        raise StageError(
            f"{file}: seems to name the classes, but is not read; {way}, or write level: 1 if the folders are "
            "the classes"
        )


def label_files(files: Mapping[str, Path], images: Mapping[str, Path]) -> list[str]:
    """Names of the files that seem to say something about images: by their own names, or named as an image is."""
    stems = {str(PurePosixPath(name).with_suffix("")) for name in images}
    return [name for name, path in files.items() if name not in images and _is_label_file(name, path, stems)]


def _is_label_file(name: str, path: Path, stems: set[str]) -> bool:
    suffix = path.suffix.lower()
    words = re.findall("[a-z]+", path.stem.casefold().replace("meta_data", "metadata"))
    named = any(map(_NAMING.fullmatch, words)) or (suffix != ".xml" and is_split(path.stem))
    if _TABLE.fullmatch(suffix) or (named and _MAYBE.fullmatch(suffix)):
        return True
    if str(PurePosixPath(name).with_suffix("")) not in stems:
        return False
    return suffix in _TWINS or (suffix == ".xml" and _is_annotation(path))


def _is_annotation(file: Path) -> bool:
    with file.open("rb") as content:
        return b"<annotation" in content.read(1024)


def _below(source: Source, name: str) -> str:
    """A folder of a source, as a suite writes it."""
    if source.place is not None:
        written = source.text.removeprefix("path:").strip()
        plain = written.rpartition("@sha256:")[0] if source.pin else written
        return f"path:{plain.rstrip('/')}/{name}"
    inside = f"{source.inside.rstrip('/')}/{name}" if source.inside else name
    return f"{source.repo}@{source.commit or 'unpinned'}:{inside}"


def _instead(unread: Counter[str]) -> str:
    kinds = ", ".join(f"{n} {suffix}" for suffix, n in unread.most_common(3))
    packed = any(suffix.lower() in _PACKED for suffix in unread)
    return f", only {kinds}{'; unpack it' if packed else ''}" if kinds else ""


_PACKED = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".zst")


def _unpack(file: Path) -> str:
    return "; unpack it" if file.suffix.lower() in _PACKED else ""
