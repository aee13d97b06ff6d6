"""Toy packages for the source digest: written under a name of their own each time, imported, digested."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

_NUMBERS = itertools.count()

Files = Mapping[str, str]
"""Module → its text; ``PKG`` stands for the package's name."""


class Toys:
    """Writes packages into a folder that Python imports from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def function(
        self, files: Files, name: str = "stages.train", bare: Collection[str] = ()
    ) -> Callable[..., Any]:
        """A function of a new package with these modules: ``stages.train``, ``deep/inner.helper``.

        ``bare``: folders that get no ``__init__.py``.
        """
        package = f"toys_{next(_NUMBERS)}"
        for module, text in {"__init__": "", **files}.items():
            file = self.folder / package / f"{module}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            for parent in file.relative_to(self.folder / package).parents:
                if str(parent) not in bare:
                    (self.folder / package / parent / "__init__.py").touch()
            file.write_text(dedent(text).replace("PKG", package), encoding="utf-8")
        importlib.invalidate_caches()
        module, _, function = name.rpartition(".")
        found = getattr(importlib.import_module(f"{package}.{module.replace('/', '.')}"), function)
        assert callable(found)
        return found

    def forget(self) -> None:
        """Take the packages out of this process again."""
        for name in [n for n in sys.modules if n.partition(".")[0].startswith("toys_")]:
            del sys.modules[name]


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    made = Toys(tmp_path)
    yield made
    made.forget()
