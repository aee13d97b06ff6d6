"""Classification data sets of TorchGeo, as 8-bit RGB."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.artifact import LabelledImages
from harness.errors import StageError, nearest
from harness.formats.image_folder import Writer
from harness.formats.pixels import Decoder, Resize, Scale, to_8_bit
from harness.sources.content import files_of
from harness.sources.hub import Source
from harness.stage import Count, Job, Reading, stage
from harness.stages.data.folders.labels import class_facts
from harness.stages.data.folders.rasters import alone, refuse_references


@dataclass(frozen=True)
class DatasetName:
    """The name of a class in ``torchgeo.datasets``. It is checked without the import, which takes seconds."""

    name: str

    @classmethod
    def from_text(cls, text: str) -> DatasetName:
        """Read a name.

        Raises:
            ValueError: TorchGeo has no such data set.
        """
        names = _dataset_names()
        if text not in names:
            raise ValueError(f"torchgeo.datasets has no {text!r}{nearest(text, names)}")
        return cls(text)

    def to_key(self) -> str:
        """The name."""
        return self.name


@cache
def _dataset_names() -> frozenset[str]:
    """The classes that ``torchgeo.datasets`` exports, read from its source."""
    spec = importlib.util.find_spec("torchgeo")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError("the package torchgeo is not installed")
    source = Path(spec.submodule_search_locations[0]) / "datasets" / "__init__.py"
    for node in ast.parse(source.read_bytes()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return frozenset(name for name in ast.literal_eval(node.value) if name[0].isupper())
    raise ValueError(f"{source} does not say what it exports")


@stage(version=1, software=("torchgeo", "pillow"))
def torchgeo(
    *,
    dataset: DatasetName,
    source: Source,
    split: str | None = None,
    bands: Reading[tuple[str, str, str] | None] = None,
    scale: Reading[Scale | None] = None,
    size: Reading[Count | None] = None,
    resize: Reading[Resize] = "bicubic",
    job: Job,
) -> LabelledImages:
    """A classification data set of TorchGeo, as 8-bit RGB, with its classes in its own order.

    It is read in place: nothing is downloaded, and archives are unpacked elsewhere. Rasters are read without
    neighbouring files; one that refers to other files is an error.

    Args:
        dataset: the class's name, as in ``EuroSAT``.
        source: its root folder.
        split: the split to read; null for its default, or if it has no splits.
        bands: the bands that become red, green and blue; null for its default, or if it has no choice.
        scale: the values that become 0 and 255, the rest is clipped; null if they are 0 to 255 already.
        size: crop to the central square and resize to this width and height; null keeps images as they are.
        resize: the resize filter, antialiased.

    Raises:
        StageError: the data set is not in ``source``, has no such option, no classes, or values beyond 0 to 255.
    """
    sizer, folder = Decoder(scale, size, resize), job.folder()
    root = _own_root(source.path, job.scratch)
    with alone():
        found = _open(dataset.name, root, split, bands)
    refuse_references(files_of(root).values())  # includes the files just unpacked
    classes, labels = list(found.classes), Counter[str]()
    highest, clipped = 0.0, 0
    with Writer(folder) as out, alone():
        for index in range(len(found)):
            where = f"{dataset.name} item {index}"
            values, label = _sample(found, index, where)
            highest = max(highest, float(values.max()))
            low, high = scale or (0.0, 255.0)
            outside = int(((values < low) | (values > high)).sum())
            if outside and scale is None:
                raise StageError(
                    f"{where}: values {values.min():g} to {values.max():g}; "
                    "say which become 0 and 255: scale: [low, high]"
                )
            clipped += outside
            pixels = to_8_bit(values, (low, high)).transpose(1, 2, 0)
            out.add(sizer.sized(pixels), f"{index:06d}.png", label=classes[label])
            labels[classes[label]] += 1
            job.progress(out.count, len(found), "images")
    if scale is None and highest <= 1:
        raise StageError(
            f"{dataset.name}: no value is above {highest:g}, all black in 8 bits; scale: [0, 1]?"
        )
    facts = class_facts(labels, classes, f"{dataset.name} {split or ''}".strip())
    return LabelledImages(folder, {**facts, "clipped values": clipped, "converted": dict(sizer.converted)})


def _own_root(root: Path, scratch: Path) -> Path:
    """A folder of links to the contents of ``root``, because data sets unpack archives next to the archives."""
    own = scratch / "root"
    own.mkdir(exist_ok=True)
    for entry in root.iterdir():
        link = own / entry.name
        if not link.is_symlink() and not link.exists():
            link.symlink_to(entry)
    return own


def _open(name: str, root: Path, split: str | None, bands: tuple[str, str, str] | None) -> Any:
    """The data set, opened with the options that were given."""
    from torchgeo import datasets

    made: Any = getattr(datasets, name)
    if datasets.NonGeoDataset not in inspect.getmro(made):
        raise StageError(f"{name} is no data set of single images with labels")
    accepted = inspect.signature(made).parameters
    given = {k: v for k, v in {"split": split, "bands": bands}.items() if v is not None}
    for option in given.keys() - accepted.keys():
        raise StageError(f"{option}: {name} has no such option, only {', '.join(accepted)}")
    offline = {"download": False} if "download" in accepted else {}
    try:
        found: Any = made(root=root, **given, **offline)
    except datasets.DatasetNotFoundError as e:
        raise StageError(f"{name} is not in the source: {' '.join(str(e).split())}") from None
    except (AssertionError, ValueError, KeyError) as e:
        options = ", ".join(f"{k}={v}" for k, v in given.items())
        raise StageError(f"{name} refuses {options or 'its defaults'} ({type(e).__name__}: {e})") from None
    if not hasattr(found, "classes") or not len(found):
        raise StageError(f"{name} has no {'images' if hasattr(found, 'classes') else 'classes'}")
    return found


def _sample(found: Any, index: int, where: str) -> tuple[Any, int]:
    """One image, (3, H, W) float64, and the index of its class."""
    import numpy as np

    try:
        sample = found[index]
    except (OSError, SyntaxError, ValueError) as e:
        raise StageError(f"{where}: not readable ({e})") from None
    label, image = sample.get("label"), sample.get("image")
    if label is None or image is None or np.size(np.asarray(label)) != 1:
        raise StageError(f"{where}: expected one image and one label, found {', '.join(sample)}")
    if image.ndim != 3 or image.shape[0] != 3:
        raise StageError(
            f"{where}: shape {tuple(image.shape)}, expected three bands; bands: [red, green, blue]"
        )
    return np.asarray(image, dtype=np.float64), int(label)
