"""A copy of this package in which modules are elsewhere, under other names, with every import rewritten."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest

import harness
from harness.engine import code_digest
from harness.stage import Stage
from harness.suite import registry

ROOT = Path(harness.__file__).parent


@dataclass(frozen=True)
class Original:
    """All modules of the package; equal texts are parsed once."""

    texts: Mapping[str, str]
    imports: Mapping[str, list[ast.Import | ast.ImportFrom]]
    """Every import statement of a module, wherever it stands."""
    packages: frozenset[str]

    @classmethod
    def read(cls) -> Original:
        texts, packages = {}, set()
        for file in sorted(ROOT.rglob("*.py")):
            parts = ("harness", *file.relative_to(ROOT).with_suffix("").parts)
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            texts[name] = file.read_text(encoding="utf-8")
            if parts[-1] == "__init__":
                packages.add(name)
        return cls.of(texts, frozenset(packages))

    @classmethod
    def of(cls, texts: Mapping[str, str], packages: frozenset[str]) -> Original:
        return cls(texts, {name: _imports(text) for name, text in texts.items()}, packages)


@cache
def _imports(text: str) -> list[ast.Import | ast.ImportFrom]:
    return [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Import | ast.ImportFrom)]


@dataclass(frozen=True)
class Copy:
    """Where each module of the original is in the copy."""

    original: Original
    package: str
    moved: frozenset[str]
    """Modules that get another name in another folder; the others only get the copy's name in front."""

    @cached_property
    def place(self) -> dict[str, str]:
        """Module of the original → module of the copy."""
        return {
            name: f"{self.package}.place{i % 7}.module{i}"
            if name in self.moved
            else ".".join((self.package, *name.split(".")[1:]))
            for i, name in enumerate(self.original.texts)
        }

    def write(self, folder: Path) -> None:
        """Every module, with its imports rewritten."""
        for name in self.original.texts:
            stays = name in self.original.packages and name not in self.moved
            parts = folder.joinpath(*self.place[name].split("."))
            file = parts / "__init__.py" if stays else parts.with_suffix(".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self._rewritten(name), encoding="utf-8")
        for inner in (folder / self.package).rglob("*"):
            if inner.is_dir():
                (inner / "__init__.py").touch()
        (folder / self.package / "__init__.py").touch()

    def _rewritten(self, name: str) -> str:
        lines = self.original.texts[name].splitlines()
        package = name if name in self.original.packages else name.rpartition(".")[0]
        for node in self.original.imports[name]:
            assert node.end_lineno is not None
            indent = " " * node.col_offset
            lines[node.lineno - 1] = indent + "; ".join(self._statements(node, package))
            for number in range(node.lineno, node.end_lineno):
                lines[number] = ""
        return "\n".join(lines) + "\n"

    def _statements(self, node: ast.Import | ast.ImportFrom, package: str) -> Iterator[str]:
        if isinstance(node, ast.Import):
            assert not any(alias.name in self.place for alias in node.names), "own modules: from … import …"
            yield ast.unparse(node)
            return
        base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
        if base not in self.place:
            yield ast.unparse(node)
            return
        for alias in node.names:
            inner = self.place.get(f"{base}.{alias.name}")
            if inner is None:
                yield f"from {self.place[base]} import {ast.unparse(alias)}"
            else:
                parent, _, moved = inner.rpartition(".")
                yield f"from {parent} import {moved} as {alias.asname or alias.name}"


def batches(names: Iterable[str], count: int) -> list[frozenset[str]]:
    """The names in so many parts, and each part with those before it: more and more has moved."""
    listed = sorted(names)
    size = -(-len(listed) // count)
    return [frozenset(listed[:end]) for end in range(size, len(listed) + size, size)]


Digests = Mapping[str, tuple[str, Mapping[str, Mapping[str, str]]]]
"""Stage → its digest, and those of the entries that its parameters choose from."""


def own_stages() -> list[Stage]:
    """The stages of this package."""
    return [s for s in registry.all_stages() if s.function.__module__.partition(".")[0] == "harness"]


@cache
def own_digests() -> Digests:
    """As the package is."""
    return {s.name: (code_digest.digest(s.function), code_digest.choices(s.function)) for s in own_stages()}


def digests(copy: Copy, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Digests:
    """Of the same stages in a copy that is written into ``folder``."""
    copy.write(folder)
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    found = {}
    for stage in own_stages():
        module = importlib.import_module(copy.place[stage.function.__module__])
        function = getattr(module, stage.function.__name__)
        found[stage.name] = code_digest.digest(function), code_digest.choices(function)
    for name in [n for n in sys.modules if n.partition(".")[0] == copy.package]:
        del sys.modules[name]
    return found
