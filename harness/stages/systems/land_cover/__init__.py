"""Land-cover classification of images: TorchGeo's task on Lightning, trained and applied as stages."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness.artifact import Artifact, Classifier, Images, Json, LabelledImages, Predictions
from harness.compute.precisions import PRECISIONS, Precision, for_gpus, unfit_training
from harness.errors import StageError
from harness.sources.content import files_of
from harness.sources.hub import Source
from harness.stage import Count, Execution, Fraction, Job, Positive, Seed, stage
from harness.stages.systems.land_cover.names import TimmModel
from harness.stages.systems.land_cover.weights import Weights

if TYPE_CHECKING:
    from harness.stages.systems.land_cover.loading import Item

MODEL = "model.safetensors"
DESCRIPTION = "classifier.json"
HISTORY = "history.jsonl"
SEEN = "seen.txt"
"""File next to a classifier's weights: digests of the images that it was trained and selected on, one per line."""
NAMED = 20
"""Maximum number of test images that are named."""


@stage(
    version=1,
    software=("torch", "torchvision", "torchgeo", "timm", "lightning", "torchmetrics"),
    unfit=unfit_training,
)
def train(
    train: LabelledImages,
    validation: LabelledImages,
    *,
    weights: Weights | None,
    model: TimmModel = "resnet18",  # type: ignore[assignment] # a plain text, as in the keys of earlier runs
    epochs: Count = 20,
    batch_size: Count = 32,
    lr: Positive = 3e-4,
    loss: Literal["ce", "focal", "jaccard"] = "ce",
    patience: Count = 10,
    freeze_backbone: bool = False,
    crop: Count | None = None,
    flips: bool = True,
    brightness: Fraction = 0.2,
    contrast: Fraction = 0.2,
    normalisation: Literal["dataset", "unit"] = "dataset",
    precision: Precision = "fp32",
    keep: Literal["best", "last"] = "best",
    seed: Seed = 0,
    job: Job,
) -> Classifier:
    """Train a network with TorchGeo's ClassificationTask (AdamW, learning rate divided by ten on a plateau).

    Args:
        train: images to train on; the classifier gets their classes.
        validation: images for choosing the epoch and the learning rate; never use them for testing.
        weights: a TorchGeo weight name (``ResNet18_Weights.SENTINEL2_RGB_MOCO``), a safetensors file or a
            classifier's folder (``path:…``, ``org/name@commit:file``), or null for random ones. A last layer
            for another number of classes is initialised again.
        model: timm's name of the architecture: any that takes RGB images of the size that they have here, or of
            ``crop``. Initial weights with a head for other classes are for ResNets (``fc``); for other architectures
            they must fit as they are.
        epochs: passes over the training images.
        batch_size: images per step.
        lr: learning rate.
        loss: cross-entropy, focal or Jaccard loss.
        patience: epochs without a lower validation loss before the learning rate falls.
        freeze_backbone: train the classification layer only.
        crop: side in pixels of the random crop (centre crop when testing); null for the whole image.
        flips: flip at random, horizontally and vertically.
        brightness: largest relative change of brightness.
        contrast: largest relative change of contrast.
        normalisation: ``unit`` scales 8 bits to [0, 1]; ``dataset`` then also subtracts the mean of the
            training pixels and divides by their standard deviation, per channel. (TorchGeo's division
            by 10,000 for Sentinel-2 weights is for reflectances.)
        precision: fp32, or mixed bf16/fp16; fp16 on GPUs only.
        keep: weights of the epoch with the lowest validation loss, or of the last epoch.
        seed: seed for initialisation, order and augmentation.
        job: provides device, folders and log.

    Raises:
        StageError: fewer than two classes, a class without a training image, a validation class that is not
            in the training data, an unreadable image, sizes that differ without ``crop``, or a NaN loss.
    """
    from safetensors.torch import save_file

    from harness.stages.systems.land_cover import loading
    from harness.stages.systems.land_cover.loading import (
        LandCoverData,
        Preparation,
        labelled_items,
        statistics,
    )
    from harness.stages.systems.land_cover.training import Recipe, fit

    classes = _classes(train)
    seen = labelled_items(train, classes, "training")
    watched = labelled_items(validation, classes, "validation")
    _every_class(classes, [item.label for item in seen])
    mean, std = statistics(seen) if normalisation == "dataset" else ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    preparation = Preparation(crop, mean, std)
    data = LandCoverData(
        loading.Images(seen, preparation.training(flips, brightness, contrast), crop, seed),
        loading.Images(watched, preparation.evaluation(), crop, seed),
        batch_size,
        seed,
        drop_last=len(seen) > batch_size
        and len(seen) % batch_size == 1,  # batch norm cannot compute statistics from one image
    )
    if PRECISIONS[precision].scaled and job.device == "cpu":
        raise StageError(for_gpus(precision))
    recipe = Recipe(model, loss, lr, patience, freeze_backbone, epochs, precision, keep, seed)
    trained = fit(recipe, len(classes), weights.load() if weights else None, data, job)

    folder = job.folder()
    save_file({name: tensor.contiguous() for name, tensor in trained.state.items()}, folder / MODEL)
    described = {"model": model, "classes": list(classes), "preparation": preparation.to_json()}
    (folder / DESCRIPTION).write_text(json.dumps(described, indent=1), encoding="utf-8")
    lines = "".join(json.dumps(epoch) + "\n" for epoch in trained.history)
    (folder / HISTORY).write_text(lines, encoding="utf-8")
    write(folder, [*seen, *watched])
    return Classifier(
        folder,
        facts={
            "classes": list(classes),
            "kept_epoch": trained.epoch,
            "images": len(seen),
            "history": trained.history,
        },
    )


@stage(version=1, software=("torch", "timm"))
def load(
    *,
    source: Source,
    model: TimmModel | None = None,
    classes: tuple[str, ...] | None = None,
    mean: tuple[float, float, float] | None = None,
    std: tuple[float, float, float] | None = None,
    crop: Count | None = None,
    job: Job,
) -> Classifier:
    """Load a trained classifier: of ``train``, of timm, or of Lightning as TorchGeo's tasks write it.

    A folder of ``train`` says everything itself. Other weights are a safetensors file, a ``.ckpt`` of Lightning (only
    tensors and plain values are read; nothing in it can run), or a folder with one of these, with the ``config.json``
    that timm writes for the hub if there is one. What the file does not say, the suite must. Pictures are not resized:
    give them the size that the classifier was tested at, by ``size`` of the stage that reads them.

    Args:
        source: the folder or file: ``path:…``, or a repository on the hub.
        model: timm's name of the architecture; null if the file says it.
        classes: the class names, in the order of the outputs; null if the file says them.
        mean: what is subtracted from pixels in [0, 1], per channel; null if the file says it.
        std: what they are divided by then. TorchGeo's data modules only divide by 255: mean 0, std 1.
        crop: side in pixels of a central crop; null for the whole image.
        job: provides device, folders and log.

    Raises:
        StageError: a file is missing or damaged; a pickle with more than tensors; the weights do not fit the model;
            architecture, classes or normalisation that nothing says, or that a folder of ``train`` says itself.
    """
    from harness.compute.weights import held
    from harness.stages.systems.land_cover.foreign import EXPECTED
    from harness.stages.systems.land_cover.opening import try_out

    folder = job.folder()
    if _is_foreign(source.path):
        return _foreign(source, model, classes, mean, std, crop, folder)
    given = {"model": model, "classes": classes, "mean": mean, "std": std, "crop": crop}
    if said := [name for name, value in given.items() if value is not None]:
        raise StageError(f"{source.text}: {DESCRIPTION} says {said[0]} itself; remove it")
    for name in (MODEL, DESCRIPTION):
        if not (source.path / name).is_file():
            raise StageError(f"{source.text}: no {name} in {held(source.path)}; {EXPECTED}")
        shutil.copyfile(source.path / name, folder / name)
    if (source.path / SEEN).is_file():
        shutil.copyfile(source.path / SEEN, folder / SEEN)
    known, preparation, network = _restore(folder, source.text)
    try_out(network, preparation.crop, source.text)
    return Classifier(folder, facts={"classes": known})


def _is_foreign(place: Path) -> bool:
    """Whether it is a classifier of another tool: a file, or a folder with timm's configuration or a checkpoint."""
    if place.is_file():
        return True
    names = files_of(place)
    return DESCRIPTION not in names and ("config.json" in names or any(n.endswith(".ckpt") for n in names))


def _foreign(
    source: Source,
    model: str | None,
    classes: tuple[str, ...] | None,
    mean: tuple[float, float, float] | None,
    std: tuple[float, float, float] | None,
    crop: int | None,
    folder: Path,
) -> Classifier:
    """A classifier of another tool, in the format of ``train``."""
    from safetensors.torch import save_file

    from harness.stages.systems.land_cover.foreign import described, opened
    from harness.stages.systems.land_cover.loading import Preparation
    from harness.stages.systems.land_cover.opening import try_out

    found = opened(source.path, described(model, classes, mean, std), source.text)
    save_file(dict(found.state), folder / MODEL)
    preparation = Preparation(crop, found.mean, found.std)
    body = {"model": found.model, "classes": list(found.classes), "preparation": preparation.to_json()}
    (folder / DESCRIPTION).write_text(json.dumps(body, indent=1), encoding="utf-8")
    known, _, network = _restore(folder, source.text)
    try_out(network, crop, source.text)
    return Classifier(folder, facts={"classes": known, "model": found.model, "unread": found.unread})


@stage(version=1, software=("torch", "torchvision", "timm"))
def predict(
    classifier: Classifier, images: Images, *, batch_size: Execution[Count] = 64, job: Job
) -> Predictions:
    """Compute the logits of every image, in fp32.

    Images with the same pixels as one that the classifier was trained or selected on are counted in the facts, with a
    warning.

    Args:
        classifier: the classifier, which also specifies how images are prepared.
        images: labelled with classes that the classifier knows; generated images have the labels of the images
            that their prompts come from.
        batch_size: images at once; the logits do not depend on it.
        job: provides device, folders and log.

    Raises:
        StageError: a label unknown to the classifier, or an unreadable image.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    import torch

    from harness.compute.device import exact
    from harness.formats.strict_table import PLAIN
    from harness.stages.systems.land_cover import loading
    from harness.stages.systems.land_cover.loading import in_order, labelled_items

    classes, preparation, network = _restore(classifier.path, "the classifier")
    items = labelled_items(images, classes, "test")
    network = network.eval().to(job.device)

    loader = in_order(loading.Images(items, preparation.evaluation(), preparation.crop, seed=0), batch_size)
    schema = pa.schema([("item", pa.string()), ("label", pa.int64()), ("logits", pa.list_(pa.float32()))])
    folder = job.folder()
    done = 0
    with (
        pq.ParquetWriter(folder / "predictions.parquet", schema, **PLAIN) as out,
        torch.inference_mode(),
        exact(),
    ):
        for batch in loader:
            logits = network(batch["image"].to(job.device)).float().cpu()
            names = [item.name for item in items[done : done + len(logits)]]
            out.write_table(pa.table([names, batch["label"].tolist(), logits.tolist()], schema=schema))
            done += len(logits)
            job.progress(done, len(items), "images")
    return Predictions(folder, facts={"classes": classes, "count": done, **among(classifier.path, items)})


def _restore(folder: Path, what: str) -> tuple[list[str], Any, Any]:
    """Class names, ``loading.Preparation`` and network of a classifier's folder.

    Raises:
        StageError: the folder is not what ``train`` writes.
    """
    import timm
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from harness.stages.systems.land_cover.loading import Preparation

    try:
        described = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        classes = [str(name) for name in described["classes"]]
        preparation = Preparation(**described["preparation"])
        network = timm.create_model(
            described["model"], num_classes=len(classes), in_chans=3, pretrained=False
        )
        network.load_state_dict(load_file(folder / MODEL))
    except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError, OSError) as e:
        problem = str(e).strip().partition("\n")[0]
        raise StageError(f"{what}: not a land-cover classifier ({type(e).__name__}: {problem})") from None
    return classes, preparation, network


def _classes(images: Artifact) -> Sequence[str]:
    classes: Any = images.facts["classes"]
    if len(classes) < 2:
        raise StageError(
            f"a classifier needs at least two classes; the training images have {len(classes)}: {classes}"
        )
    return list(classes)


def _every_class(classes: Sequence[str], labels: Sequence[int]) -> None:
    absent = [name for i, name in enumerate(classes) if i not in set(labels)]
    if absent:
        raise StageError(f"no training image of class {', '.join(absent)}")


def write(folder: Path, items: Sequence[Item]) -> None:
    """Write the list of images that a classifier has seen."""
    digests = sorted({_digest(item) for item in items})
    (folder / SEEN).write_text("".join(f"{digest}\n" for digest in digests), encoding="utf-8")


def among(folder: Path, items: Sequence[Item]) -> dict[str, Json]:
    """Facts about test images that the classifier in ``folder`` has seen; empty if it has no list of seen images.

    ``seen`` counts them. If there are any, ``seen_images`` names the first ones and ``warnings`` has a sentence.
    """
    if not (folder / SEEN).is_file():
        return {}
    known = set((folder / SEEN).read_text(encoding="utf-8").split())
    found = [item.name for item in items if _digest(item) in known]
    facts: dict[str, Json] = {"seen": len(found)}
    if found:
        facts["seen_images"] = list(found[:NAMED])
        are = "image is" if len(found) == 1 else "images are"
        facts["warnings"] = [
            f"{len(found)} of {len(items)} test {are} among those that the classifier was trained or chosen on "
            f"(the same pixels): {found[0]}{', …' if len(found) > 1 else ''}"
        ]
    return facts


def _digest(item: Item) -> str:
    """Digest of size and pixels, not of the file: the same picture may be stored in two ways."""
    from harness.stages.systems.land_cover.loading import read

    pixels = read(item.path)
    return sha256(f"{tuple(pixels.shape)}".encode() + pixels.numpy().tobytes()).hexdigest()
