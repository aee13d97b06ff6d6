"""Real English that is already installed: the docstrings of packages that this harness needs anyway."""

from __future__ import annotations

import ast
import importlib.util
import warnings
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Literal

from harness.artifact import Corpus
from harness.data.corpus import table
from harness.data.corpus.table import Row
from harness.errors import StageError
from harness.stage import Job, stage

Package = Literal["torchgeo.datasets", "torchgeo", "pandas", "scipy"]
"""A closed list, for the version of each is in the stage's key."""


@stage(version=1, software=("torchgeo", "pandas", "scipy"))
def docstrings(*, package: Package = "torchgeo.datasets", job: Job) -> Corpus:
    """The docstrings of an installed package: one document per module, one row per docstring, in their order.

    They are read from the source files; nothing is imported. Private functions and classes, private folders and
    tests are left out (modules with a private name are not: theirs is the public documentation of scipy), and
    so is a docstring that is word for word that of an earlier function.

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
    table.write(folder, rows)
    version = metadata.version(package.partition(".")[0])
    facts = {"package": package, "version": version, **table.count(rows), "repeated": repeated}
    return Corpus(folder, facts, conditions={"text": table.digest(rows)})


def _folder(package: str) -> Path:
    top, *inner = package.split(".")
    spec = importlib.util.find_spec(top)  # of a package's top, this imports nothing
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
        warnings.simplefilter("ignore")  # of invalid escapes in other people's strings
        try:
            return ast.parse(file.read_bytes())
        except SyntaxError as e:
            raise StageError(f"{file}: not the Python of this interpreter ({e.msg})") from None


def _docstrings(node: ast.AST) -> Iterator[str]:
    """Docstrings in the order of the source, cleaned by ``inspect.cleandoc``; not those inside functions."""
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
    """``_name``, but not ``__len__``: what a protocol's method does is documented for everybody."""
    name = getattr(node, "name", None) or ""
    return name.startswith("_") and not name.endswith("__")
