"""Classification data sets of TorchGeo, as 8-bit RGB."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.artifact import Json, LabelledImages
from harness.errors import HarnessError, StageError, described, nearest
from harness.formats.image_folder import Writer
from harness.formats.opening import stored
from harness.formats.pixels import Decoder, Resize, Scale, to_8_bit
from harness.formats.turning import NORTH_UP
from harness.sources.content import files_of, passed_over
from harness.sources.hub import Source
from harness.stage import Count, Job, Reading, stage
from harness.stages.data.folders.labels import class_facts
from harness.stages.data.folders.rasters import alone, refuse_references

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"})


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
    import numpy as np

    sizer, folder = Decoder(scale, size, resize), job.folder()
    own = job.scratch / "root"
    with _as_source(own, source.path):
        _link(source.path, own)
        with alone():
            found = _open(dataset.name, own, split, bands)
        inside = files_of(own)  # includes the files just unpacked
        refuse_references(inside.values())
        _refuse_odd(inside.values())
        classes, labels = [str(name) for name in found.classes], Counter[str]()
        highest, clipped = 0.0, 0
        with Writer(folder) as out, alone():
            for index in range(len(found)):
                where = f"{dataset.name} item {index}"
                values, label = _sample(found, index, where, scale is not None)
                if not 0 <= label < len(classes):
                    raise StageError(f"{where}: label {label}, but there are {len(classes)} classes")
                highest = max(highest, float(values.max(where=np.isfinite(values), initial=0)))
                low, high = scale or (0.0, 255.0)
                outside = int(((values < low) | (values > high)).sum())
                if outside and scale is None:
                    raise StageError(
                        f"{where}: values {np.nanmin(values):g} to {np.nanmax(values):g}; "
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
    converted: dict[str, Json] = {"clipped values": clipped, "converted": dict(sizer.converted)}
    return LabelledImages(folder, {**facts, **converted, **passed_over(source.path)})


@contextmanager
def _as_source(own: Path, source: Path) -> Iterator[None]:
    """Messages name the files of the source, not the links to them."""
    try:
        yield
    except HarnessError as e:
        raise StageError(str(e).replace(str(own), str(source))) from None


def _link(root: Path, own: Path) -> None:
    """A folder of links to the files of ``root``, because data sets unpack archives next to the archives."""
    if not root.is_dir():
        raise StageError(f"{root}: a file, expected the data set's folder")
    for name, path in files_of(root).items():
        link = own / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink() and not link.exists():
            link.symlink_to(path.absolute())


def _refuse_odd(files: Iterable[Path]) -> None:
    """Check that TorchGeo, which opens files in its own ways, sees the pictures as the other readers do.

    Raises:
        StageError: a picture that would have to be turned; scales and offsets that differ, which are not applied.
    """
    first: tuple[Any, Path] | None = None
    for file in files:
        if file.suffix.lower() not in _PICTURES:
            continue
        orientation, units = stored(file)
        if orientation != NORTH_UP:
            raise StageError(
                f"{file}: its rows are stored turned (orientation {orientation}), which TorchGeo ignores"
            )
        first = first or (units, file)
        if first[0] != units:
            raise StageError(f"{first[1]} and {file}: unlike in scale and offset, which TorchGeo ignores")


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
    _check_names(made, split, bands)
    offline = {"download": False} if "download" in accepted else {}
    try:
        found: Any = made(root=root, **given, **offline)
    except datasets.DatasetNotFoundError:
        files = [
            getattr(made, attribute, None) for attribute in ("filename", "zipfile", "directory", "base_dir")
        ]
        expected = ", ".join(dict.fromkeys(text for text in files if isinstance(text, str) and text))
        needs = f"; it needs {expected}" if expected else "; name the folder that it was downloaded to"
        raise StageError(f"{name} is not in the source {root}{needs}") from None
    except (HarnessError, MemoryError):
        raise
    except Exception as e:  # whatever the many authors of data sets raise
        options = ", ".join(f"{k}={v}" for k, v in given.items())
        raise StageError(
            f"{name} refuses {options or 'its defaults'} ({' '.join(described(e).split())})"
        ) from None
    if not hasattr(found, "classes") or not len(found):
        raise StageError(f"{name} has no {'images' if hasattr(found, 'classes') else 'classes'}")
    return found


def _check_names(made: Any, split: str | None, bands: tuple[str, str, str] | None) -> None:
    """Check names of bands and of the split, where the data set says which it has."""
    held = _bands(made)
    for band in bands or ():
        if held and band not in held:
            raise StageError(
                f"bands: {made.__name__} has no band {band!r}, only {', '.join(held)}{nearest(band, held)}"
            )
    splits = getattr(made, "splits", ())
    splits = (
        [name for name in splits if isinstance(name, str)] if isinstance(splits, tuple | list | dict) else []
    )
    if split is not None and splits and split not in splits:
        raise StageError(
            f"{made.__name__} refuses split={split}; it has {', '.join(splits)}{nearest(split, splits)}"
        )


def _bands(made: Any, *names: str) -> list[str]:
    for attribute in names or ("all_band_names", "all_bands", "band_names"):
        found = getattr(made, attribute, None)
        if isinstance(found, tuple | list) and all(isinstance(name, str) for name in found):
            return list(found)
    return []


def _sample(found: Any, index: int, where: str, is_scaled: bool) -> tuple[NDArray[np.float64], int]:
    """One image, (3, H, W) float64, and the index of its class."""
    import numpy as np

    try:
        sample = found[index]
    except (HarnessError, MemoryError):
        raise
    except Exception as e:  # whatever the many authors of data sets raise
        raise StageError(f"{where}: not readable ({' '.join(described(e).split())})") from None
    label, image = sample.get("label"), sample.get("image")
    if label is None or image is None or np.size(np.asarray(label)) != 1:
        raise StageError(f"{where}: expected one image and one label, found {', '.join(sample)}")
    if image.ndim != 3 or image.shape[0] != 3:
        held, colours = _bands(type(found)), _bands(type(found), "rgb_bands")
        write = f"bands: [{', '.join(colours)}]" if len(colours) == 3 else "bands: [red, green, blue]"
        of = f", out of {', '.join(held)}" if held else ""
        large = float(image.max()) > 255 and not is_scaled
        scale = f"; and, as values reach {float(image.max()):g}, scale: [low, high]" if large else ""
        raise StageError(f"{where}: shape {tuple(image.shape)}, expected three bands; {write}{of}{scale}")
    return np.asarray(image, dtype=np.float64), int(label)
