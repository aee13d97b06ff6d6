"""Texts as a corpus: text and Markdown files, parquet with a column of text, docstrings of installed packages."""

from __future__ import annotations

import ast
import importlib.util
import io
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

from harness.artifact import Corpus
from harness.errors import StageError
from harness.formats import corpus
from harness.formats.corpus import Row
from harness.sources.content import files_of, passed_over, without_card
from harness.sources.hub import Source
from harness.stage import Job, Reading, stage

SUFFIXES = frozenset({".txt", ".text", ".md", ".markdown", ".rst"})


@dataclass(frozen=True)
class LinePattern:
    """A regular expression for whole lines."""

    pattern: str

    @classmethod
    def from_text(cls, text: str) -> LinePattern:
        """Read an expression.

        Raises:
            ValueError: it is not a regular expression, or it matches empty lines.
        """
        try:
            every = re.fullmatch(text, "")
        except re.error as e:
            raise ValueError(f"{text!r} is not a regular expression ({e})") from None
        if every:
            raise ValueError(f"{text!r} matches empty lines too")
        return cls(text)

    def to_key(self) -> str:
        """The expression."""
        return self.pattern


class _Text(NamedTuple):
    document: str
    text: str


@stage(version=1)
def read(
    *,
    source: Source,
    heading: Reading[LinePattern | None] = None,
    split: str | None = None,
    column: Reading[str] = "text",
    document: Reading[str | None] = None,
    job: Job,
) -> Corpus:
    """Texts as they are written: one row per text file, or one row per row of a parquet column.

    Files are UTF-8 and end in ``.txt``, ``.text``, ``.md``, ``.markdown`` or ``.rst``. Markdown keeps its markup and
    its front matter. If there is parquet, only the parquet is read.

    Args:
        source: a file, or a folder with its subfolders (without the card of a hub repository, unless the card is
            all it holds).
        heading: an expression for a whole line that begins another document, for files that hold several
            documents: ``"## .*"``, or ``" = [^=]* = "`` for WikiText. The heading is part of the text.
            Null: a file is one document.
        split: the split of a parquet data set; null pools all.
        column: the parquet column that has the text.
        document: the column with the name of a row's document; null: the file's name.

    Raises:
        StageError: no text; a file that is not UTF-8, or binary; an option for another kind of file; a column
            or split that does not exist; damaged parquet.
    """
    parquet, texts, unread = _sorted(source)
    if parquet:
        if heading is not None:
            raise StageError(f"heading: {source.path} has parquet, no text files; use document: <column>")
        found, total = _of_parquet(source.path, split, column, document)
    else:
        _refuse(source.path, split=split, column=None if column == "text" else column, document=document)
        found, total = _of_files(texts, heading), len(texts)
    rows: list[Row] = []
    within, empty = Counter[str](), 0
    for done, (name, text) in enumerate(found, start=1):
        if text.strip():
            rows.append(Row(text, name, 0, within[name]))
            within[name] += 1
        else:
            empty += 1
        job.progress(done, max(done, total), "texts")
    if not rows:
        raise StageError(f"{source.path}: all {empty} texts are empty")
    folder = job.folder()
    corpus.write(folder, rows)
    return Corpus(
        folder, {**corpus.count(rows), "empty": empty, "unread": dict(unread), **passed_over(source.path)}
    )


def _sorted(source: Source) -> tuple[bool, dict[str, Path], Counter[str]]:
    """Whether there is parquet, the text files by name, and the suffixes of the files not read."""
    place = source.path
    if place.is_file():
        parquet = place.suffix == ".parquet"
        return parquet, {} if parquet else {place.name: place}, Counter()
    files = files_of(place)
    # As in the digest that pins a repository: its card is not content, and may change without notice.
    if source.repo and not source.inside:
        files = without_card(files)
    suffixes = {name: file.suffix.lower() for name, file in files.items()}
    parquet = ".parquet" in suffixes.values()
    texts = {name: file for name, file in files.items() if suffixes[name] in SUFFIXES and not parquet}
    unread = Counter(
        suffix or name for name, suffix in suffixes.items() if suffix != ".parquet" and name not in texts
    )
    if not parquet and not texts:
        kinds = ", ".join(f"{n} {suffix}" for suffix, n in unread.most_common(3)) or "nothing"
        raise StageError(
            f"{place}: no text, only {kinds}; expected {', '.join(sorted(SUFFIXES))} or .parquet"
        )
    return parquet, texts, unread


def _refuse(place: Path, **options: str | None) -> None:
    for name, value in options.items():
        if value is not None:
            raise StageError(f"{name}: {place} has text files, no parquet with columns and splits; remove it")


def _of_parquet(
    place: Path, split: str | None, column: str, document: str | None
) -> tuple[Iterator[_Text], int]:
    """The texts in a column, null as empty text, and how many there are."""
    from harness.sources.parquet_set import ParquetSet, count, read

    found = ParquetSet.open(place)
    files = found.files(split) if split is not None else found.every_file
    columns = {"text": column} | ({"document": document} if document is not None else {})

    def texts() -> Iterator[_Text]:
        for where, row in read(files, columns):
            text = row["text"] if row["text"] is not None else ""
            if not isinstance(text, str):
                raise StageError(f"{where}: {column} is {type(text).__name__}, expected text")
            name = row.get("document", where.file.name)
            if not isinstance(name, str | int) or name == "":
                raise StageError(f"{where}: {document} is {name!r:.40}, expected the name of a document")
            yield _Text(str(name), text)

    return texts(), count(files)


def _of_files(files: dict[str, Path], heading: LinePattern | None) -> Iterator[_Text]:
    for name, file in files.items():
        text = _decoded(file)
        if heading is None:
            yield _Text(name, text)
        else:
            yield from _divided(name, text, re.compile(heading.pattern))


def _decoded(file: Path) -> str:
    content = file.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise StageError(
            f"{file}: not UTF-8 (byte 0x{content[e.start]:02x} at offset {e.start}); convert it"
        ) from None
    if "\0" in text:
        raise StageError(f"{file}: a binary file (byte 0x00 at offset {content.index(0)}), expected text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _divided(file: str, text: str, heading: re.Pattern[str]) -> Iterator[_Text]:
    """The documents in one file: the text before the first heading, then one document per heading."""
    name, lines, names = file, list[str](), Counter[str]()
    for line in io.StringIO(text, newline="\n"):  # a form feed or U+2028 ends no line
        bare = line.rstrip("\n")
        if heading.fullmatch(bare):
            yield _Text(name, "".join(lines))
            title = f"{file}#{bare.strip(' #=')}"
            names[title] += 1
            name = title if names[title] == 1 else f"{title} ({names[title]})"
            lines = []
        lines.append(line)
    yield _Text(name, "".join(lines))


Package = Literal["torchgeo.datasets", "torchgeo", "pandas", "scipy"]
"""A closed list, because the version of each package is in the stage's key."""


@stage(version=1, software=("torchgeo", "pandas", "scipy"))
def docstrings(*, package: Package = "torchgeo.datasets", job: Job) -> Corpus:
    """The docstrings of an installed package: one document per module, one row per docstring, in source order.

    They are read from the source files; nothing is imported. Private functions and classes, private folders and
    tests are left out. Modules with a private name are kept, because scipy's public documentation is in them. A
    docstring identical to an earlier one is left out.

    Args:
        package: ``torchgeo.datasets`` is about remote sensing, ``pandas`` and ``scipy`` are about other things.

    Raises:
        StageError: the package is not installed, or not as Python source.
    """
    root = _folder(package)
    files = [file for file in sorted(root.rglob("*.py")) if _is_public(file.relative_to(root))]
    rows: list[Row] = []
    seen: set[str] = set()
    repeated = 0
    for done, file in enumerate(files, start=1):
        document, within = _module(package, file.relative_to(root)), 0
        for text in _docstrings(_parsed(file)):
            if text in seen:
                repeated += 1
                continue
            seen.add(text)
            rows.append(Row(text, document, 0, within))
            within += 1
        job.progress(done, len(files), "modules")
    if not rows:
        raise StageError(f"package: {package} has no docstrings below {root}")
    folder = job.folder()
    corpus.write(folder, rows)
    version = metadata.version(package.partition(".")[0])
    facts = {"package": package, "version": version, **corpus.count(rows), "repeated": repeated}
    return Corpus(folder, facts, conditions={"text": corpus.digest(rows)})


def _folder(package: str) -> Path:
    top, *inner = package.split(".")
    spec = importlib.util.find_spec(top)  # for a top-level package this imports nothing
    if spec is None or not spec.submodule_search_locations:
        raise StageError(f"package: {top} is not installed")
    return Path(spec.submodule_search_locations[0]).joinpath(*inner)


def _is_public(file: Path) -> bool:
    return not any(folder.startswith("_") or folder == "tests" for folder in file.parts[:-1])


def _module(package: str, file: Path) -> str:
    names = [*package.split("."), *file.with_suffix("").parts]
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def _parsed(file: Path) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in the package's strings
        try:
            return ast.parse(file.read_bytes())
        except SyntaxError as e:
            raise StageError(f"{file}: not the Python of this interpreter ({e.msg})") from None


def _docstrings(node: ast.AST) -> Iterator[str]:
    """Docstrings in source order, cleaned by ``inspect.cleandoc``; those inside functions are left out."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        text = ast.get_docstring(node)
        if text:
            yield text
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.ExceptHandler) and not _is_private(child):
            yield from _docstrings(child)


def _is_private(node: ast.AST) -> bool:
    """True for ``_name``, false for ``__len__``: the special methods of a class are documented for its users."""
    name = getattr(node, "name", None) or ""
    return name.startswith("_") and not name.endswith("__")
