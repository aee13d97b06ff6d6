"""Images for the classifier: read one by one, transformed, batched; never all in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import pil_to_tensor

from harness.artifact import Artifact, Json
from harness.errors import StageError, nearest
from harness.formats import image_folder
from harness.formats.opening import read_rgb


@dataclass(frozen=True)
class Preparation:
    """How a stored 8-bit image becomes the network's input; saved with the classifier."""

    crop: int | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def to_json(self) -> dict[str, Json]:
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}

    def evaluation(self) -> v2.Transform:
        """Centre crop and normalisation."""
        return v2.Compose([*self._cropping(v2.CenterCrop), *self._normalising()])

    def training(self, flips: bool, brightness: float, contrast: float) -> v2.Transform:
        """Random crop, flips, brightness and contrast, normalisation."""
        steps: list[Any] = self._cropping(v2.RandomCrop)
        if flips:
            steps += [v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()]
        if brightness or contrast:
            steps.append(v2.ColorJitter(brightness=brightness, contrast=contrast))
        return v2.Compose([*steps, *self._normalising()])

    def _cropping(self, crop: Any) -> list[Any]:
        return [] if self.crop is None else [crop(self.crop)]

    def _normalising(self) -> list[Any]:
        return [v2.ToDtype(torch.float32, scale=True), v2.Normalize(list(self.mean), list(self.std))]


@dataclass(frozen=True)
class Item:
    name: str
    path: Path
    label: int


def labelled_items(images: Artifact, classes: Sequence[str], what: str) -> list[Item]:
    """The rows of an image folder with their labels as indices into ``classes``.

    Raises:
        StageError: no rows, a row without a label, or a label that is not one of the classes.
    """
    items = []
    for row in image_folder.rows(images):
        if row.label not in classes:
            close = nearest(str(row.label), classes)
            raise StageError(
                f"{what} image {row.name}: label {row.label!r} is none of {', '.join(classes)}{close}"
            )
        items.append(Item(row.name, row.path, classes.index(row.label)))
    if not items:
        raise StageError(f"no {what} images")
    return items


class Images(Dataset[dict[str, Any]]):
    """Images indexed by ``(epoch, index)``.

    Augmentation depends only on those two and the seed, so batch size, order and resuming do not change an image.
    """

    def __init__(self, items: Sequence[Item], transform: v2.Transform, crop: int | None, seed: int) -> None:
        self.items = items
        self.transform = transform
        self.crop = crop
        self.seed = seed
        self.size: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, at: tuple[int, int]) -> dict[str, Any]:
        """``image`` float32 (3, H, W) and ``label`` int64."""
        epoch, index = at
        item = self.items[index]
        pixels = self._check(item, read(item.path))
        with _seeded(_mix(self.seed, epoch, index)):
            image = self.transform(pixels)
        return {"image": image, "label": torch.tensor(item.label)}

    def _check(self, item: Item, pixels: Tensor) -> Tensor:
        size = (pixels.shape[1], pixels.shape[2])
        if self.crop is not None:
            if min(size) < self.crop:
                raise StageError(
                    f"{item.path}: {size[1]}×{size[0]} pixels, smaller than the crop of {self.crop}"
                )
            return pixels
        self.size = self.size or size
        if size != self.size:
            raise StageError(
                f"{item.path}: {size[1]}×{size[0]} pixels where others have {self.size[1]}×{self.size[0]}; "
                "set crop, or resize them"
            )
        return pixels


def read(path: Path) -> Tensor:
    """An image as uint8 RGB, (3, H, W).

    Raises:
        StageError: missing or not an image.
    """
    return pil_to_tensor(read_rgb(path))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Set the CPU's generator, which the transforms draw from, to ``seed``.

    ``torch.manual_seed`` seeds all devices and formats a stack trace for each that is not in use yet. On small images
    that is a tenth of the training time.
    """
    before = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(before)


def _mix(seed: int, epoch: int, index: int) -> int:
    """One 63-bit seed from three numbers; neighbouring numbers give unrelated seeds."""
    mixed = ((seed * 1_000_003 + epoch) * 1_000_003 + index) % 2**63
    generator = torch.Generator().manual_seed(mixed)
    return int(torch.randint(2**62, (1,), generator=generator))


class Order(Sampler[tuple[int, int]]):
    """Yields ``(epoch, index)`` for one epoch, shuffled by seed and epoch only, or in file order."""

    def __init__(self, count: int, seed: int, shuffle: bool, first_epoch: int = 0) -> None:
        self.count = count
        self.seed = seed
        self.shuffle = shuffle
        self.first_epoch = first_epoch
        self.epoch = first_epoch

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before every epoch; Lightning counts from 0 in a resumed training too."""
        self.epoch = self.first_epoch + epoch

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[tuple[int, int]]:
        if not self.shuffle:
            return iter([(0, i) for i in range(self.count)])
        generator = torch.Generator().manual_seed(_mix(self.seed, self.epoch, -1))
        return iter([(self.epoch, i) for i in torch.randperm(self.count, generator=generator).tolist()])


class LandCoverData(LightningDataModule):
    """Training and validation images."""

    def __init__(
        self, train: Images, validation: Images, batch_size: int, seed: int, drop_last: bool
    ) -> None:
        super().__init__()
        self.train = train
        self.validation = validation
        self.batch_size = batch_size
        self.seed = seed
        self.drop_last = drop_last
        self.first_epoch = 0
        """Number of epochs done before this process started; a resumed training continues with the next."""

    def train_dataloader(self) -> DataLoader[dict[str, Any]]:
        order = Order(len(self.train), self.seed, shuffle=True, first_epoch=self.first_epoch)
        return DataLoader(self.train, self.batch_size, sampler=order, drop_last=self.drop_last)

    def val_dataloader(self) -> DataLoader[dict[str, Any]]:
        return in_order(self.validation, self.batch_size)


def in_order(images: Images, batch_size: int) -> DataLoader[dict[str, Any]]:
    """Every image once, in file order."""
    return DataLoader(images, batch_size, sampler=Order(len(images), 0, shuffle=False))


def statistics(items: Sequence[Item]) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and standard deviation per channel of all pixels scaled to [0, 1], in float64."""
    total = torch.zeros(3, dtype=torch.float64)
    squares = torch.zeros(3, dtype=torch.float64)
    count = 0
    for item in items:
        pixels = read(item.path).double().flatten(1) / 255
        total += pixels.sum(dim=1)
        squares += pixels.square().sum(dim=1)
        count += pixels.shape[1]
    mean = total / count
    std = (squares / count - mean.square()).clamp_min(1e-12).sqrt()
    return tuple(mean.tolist()), tuple(std.tolist())
