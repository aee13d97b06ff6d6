"""What a folder of labelled images must have: at least two classes, none of them empty."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from harness.artifact import Json
from harness.data.content import files_of
from harness.errors import StageError


def class_facts(labels: Mapping[str, int], classes: Iterable[str], where: object) -> dict[str, Json]:
    """``classes`` in order, ``count`` and ``per_class`` as facts.

    Args:
        labels: images of each class.
        classes: their names, in index order.
        where: names the data in messages.

    Raises:
        StageError: fewer than two classes, or one without images.
    """
    names = list(classes)
    if len(names) < 2:
        raise StageError(f"{where}: one class only ({', '.join(names) or 'none'}); a classifier needs two")
    empty = [name for name in names if not labels.get(name)]
    if empty:
        raise StageError(f"{where}: no image of class {empty[0]!r}")
    return {"classes": names, "count": sum(labels.values()), "per_class": {n: labels[n] for n in names}}


def class_folders(
    root: Path, suffixes: frozenset[str]
) -> tuple[dict[str, tuple[str, Path]], list[str], Counter[str]]:
    """Files in one folder per class.

    Args:
        root: has the classes' folders; deeper folders belong to their class.
        suffixes: of what is read, in lower case.

    Returns:
        Relative path → class and file, sorted; the classes, sorted; and how many files of which other
        suffix were left alone.

    Raises:
        StageError: an image in no class's folder, or in none at all.
    """
    if not root.is_dir():
        raise StageError(f"{root}: expected a folder with one folder of images per class")
    found: dict[str, tuple[str, Path]] = {}
    unread: Counter[str] = Counter()
    for name, path in files_of(root).items():
        if path.suffix.lower() not in suffixes:
            unread[path.suffix or path.name] += 1
            continue
        parts = PurePosixPath(name).parts
        if len(parts) < 2:
            raise StageError(f"{path}: in no class's folder; expected {root.name}/<class>/{path.name}")
        found[name] = (parts[0], path)
    if not found:
        raise StageError(f"{root}: no images (suffixes {', '.join(sorted(suffixes))})")
    classes = sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    return found, classes, unread


def png_names(names: Iterable[str]) -> dict[str, str]:
    """Names with ``.png`` for their suffix; ``a.jpg`` and ``a.tif`` keep theirs before it.

    Every result is another, so that no image is written over another.
    """
    names = list(names)
    plain = Counter(str(PurePosixPath(name).with_suffix(".png")) for name in names)
    chosen = {n: str(PurePosixPath(n).with_suffix(".png")) for n in names}
    return {n: c if plain[c] == 1 else f"{n}.png" for n, c in chosen.items()}
