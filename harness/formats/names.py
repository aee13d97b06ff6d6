"""When two names are the same name: one rule for files, items and classes.

``0.png`` and ``./0.png`` name one file. So do the two Unicode forms of ``forêt`` (macOS stores the decomposed one), and
on a system that is blind to case ``A.png`` and ``a.png``.
"""

from __future__ import annotations

import posixpath
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from harness.errors import StageError


def spelled(name: str) -> str:
    """The one spelling of a relative path or an item's name: composed Unicode, no ``./`` and no ``//``."""
    plain = unicodedata.normalize("NFC", name)
    return posixpath.normpath(plain) if plain else plain


def folded(name: str) -> str:
    """The name as a system that is blind to case sees it; equal for names that could not be two files there."""
    return unicodedata.normalize("NFC", spelled(name).casefold())


def refuse_alike(classes: Iterable[str], where: object) -> None:
    """Check that classes can be told apart.

    Raises:
        StageError: two of them differ only in case, in Unicode form or in space around them.
    """
    seen: dict[str, str] = {}
    for name in classes:
        other = seen.setdefault(folded(name.strip()), name)
        if other != name:
            raise StageError(
                f"{where}: the classes {other!a} and {name!a} are one name but for case, Unicode form or "
                "space; give both the same name"
            )


def png_names(names: Iterable[str]) -> dict[str, str]:
    """Names of PNG files for images: ``a.jpg`` becomes ``a.png``, or ``a.jpg.png`` if another image becomes ``a.png``.

    No two of them are the same file, on any system.
    """
    names = list(names)
    plain = {name: str(PurePosixPath(name).with_suffix(".png")) for name in names}
    wanted: dict[str, int] = {}
    for name in plain.values():
        wanted[folded(name)] = wanted.get(folded(name), 0) + 1
    found = {name: new for name, new in plain.items() if wanted[folded(new)] == 1}
    taken = {folded(new) for new in found.values()}
    for name in names:
        if name in found:
            continue
        new = next(new for new in _further(name) if folded(new) not in taken)
        taken.add(folded(new))
        found[name] = new
    return {name: found[name] for name in names}


def _further(name: str) -> Iterator[str]:
    yield f"{name}.png"
    number = 2
    while True:
        yield f"{name}.{number}.png"
        number += 1
