"""Images as feature vectors: extractors (a network, its weights and the preparation of pictures for it, under one
digest), and what they make of images.

Features are artifacts: every distance between two sets of images is computed from the same ones.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from harness.artifact import Classifier, Extractor, Features, Images
from harness.compute.precisions import Precision
from harness.errors import StageError
from harness.stage import Count, Execution, Job, Reading, stage
from harness.stages.metrics.features.families import FAMILIES, NORMALISATIONS, Architecture
from harness.stages.metrics.features.reading import read
from harness.stages.systems.land_cover.weights import Weights

if TYPE_CHECKING:
    from torch import nn

__all__ = ["extract", "from_classifier", "load", "read"]

Resize = Literal[
    "own",
    "pil-bilinear",
    "pil-bicubic",
    "pil-lanczos",
    "tensor-bilinear",
    "tensor-bicubic",
    "tensorflow-bilinear",
]
Normalisation = Annotated[
    Literal["own", "unit", "symmetric", "inception", "imagenet", "clip"], NORMALISATIONS
]


@stage(version=1, software=("torch", "torchvision", "timm", "transformers", "pillow"))
def load(
    *,
    architecture: Annotated[Architecture, FAMILIES],
    weights: Weights | None,
    size: Reading[Count | None] = None,
    resize: Reading[Resize] = "own",
    normalisation: Reading[Normalisation] = "own",
    job: Job,
) -> Extractor:
    """A feature extractor: a known network with weights from outside.

    Two sets of features are compared only if all of these are equal.

    Args:
        architecture: ``inception-v3`` (2048 features; ``inception-v3:768``, ``:192``, ``:64``, ``:logits``,
            ``:logits_unbiased``), ``torchvision:resnet50`` and any other of torchvision's or ``timm:``'s
            networks (features before the head), or ``transformers`` for a folder of DINOv2, CLIP or another
            vision model (its pooled output; ``transformers:cls``, ``transformers:projected``).
        weights: a safetensors file or a folder with ``model.safetensors`` (``path:…``, ``org/name@commit``), a
            TorchGeo weight name for a timm ResNet (``ResNet18_Weights.SENTINEL2_RGB_MOCO``), or null for random
            weights, which are always the same.
        size: width and height of the network's input; null for the network's own (299 for Inception, 224
            for torchvision's, the value given by timm or the folder for others).
        resize: the filter, named by the library whose pixels it reproduces; pictures are stretched to the square.
            Pillow's and torchvision's are antialiased; TensorFlow 1's, which is in Inception's graph, is not.
            ``own``: what comes with the network, its crop included: TensorFlow's for Inception, Pillow's bicubic
            for torchvision, timm's ``crop_pct`` and ``interpolation``, and every word of the image processor of a
            ``transformers`` folder. One whose words are not all followed is refused.
        normalisation: scaling of 8-bit values: ``unit`` to [0, 1], ``symmetric`` to [-1, 1], ``inception``
            (value − 128) / 128, ``imagenet`` and ``clip`` by those data sets' mean and deviation; ``own``: what
            the network was trained with. TorchGeo's weights have ``unit``, because its division by 10,000 is for
            reflectances.
        job: gives the folder.

    Raises:
        StageError: weights that do not fit, are damaged or not finite; a size that the network does not take; a
            network that is random at inference, or in which the images of a batch change one another's features;
            torch-fidelity is not installed (``inception-v3``).
    """
    from harness.stages.metrics.features import networks
    from harness.stages.metrics.features.networks import Description
    from harness.stages.metrics.features.view import View

    folder = job.folder()
    what = f"weights {weights.text if weights else 'null'} for {architecture.text}"
    module = _filled(architecture, weights, folder, what)
    source = weights.source.path if weights else None
    if size and resize != "own" and normalisation != "own":
        view = View(size, resize, *NORMALISATIONS[normalisation])
    else:
        view = networks.own_view(architecture, module, source, what)
    if normalisation != "own":
        mean, std = NORMALISATIONS[normalisation]
        view = replace(view, mean=mean, std=std)
    elif weights and weights.torchgeo:
        mean, std = NORMALISATIONS["unit"]
        view = replace(view, mean=mean, std=std)
    if size is not None:
        view = view.sized(size)
    if resize != "own":
        view = replace(view, fit=resize, edge=None, keeps_shape=True, cropping="nearest")
    if resize != "own" and view.size is None:
        raise StageError(f"{what}: resize: {resize} to which size? It has none of its own; set size")
    dim = networks.feature_count(module, view, what)
    networks.save(module, folder, what)
    description = Description(architecture, view, dim)
    description.write(folder)
    return description.artifact(folder, weights.text if weights else "random")


def _filled(architecture: Architecture, weights: Weights | None, folder: Path, what: str) -> nn.Module:
    """The network with its weights; if these come with its configuration, it is written to ``folder``."""
    import torch

    from harness.compute.weights import held
    from harness.stages.metrics.features import networks

    family = FAMILIES[architecture.family]
    if family.pretrained is not None:
        if weights is None or not weights.source.path.is_dir():
            raise StageError(f"{architecture.text} needs a folder with config.json as its weights")
        return family.pretrained(architecture.name, weights.source.path, folder, what)
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed: it would also seed the devices, which are not forked.
        torch.default_generator.manual_seed(0)
        network = networks.build(architecture, None)
    if weights is not None:
        try:
            networks.fill(network, weights.load(), what)
        except StageError as e:
            place = weights.source.path
            raise StageError(f"{e}; it is {held(place)}" if place.is_dir() else str(e)) from None
    return network.module


@stage(version=1, software=("torch", "torchvision", "timm", "pillow"))
def from_classifier(classifier: Annotated[Classifier, FAMILIES], *, job: Job) -> Extractor:
    """The features before the last layer of a classifier that was trained on the real classes.

    Pictures are prepared as for the classifier: cropped to the centre if it crops, never resized. If it takes whole
    pictures, all of them must have one size, and features are comparable only at the same size.

    Args:
        classifier: the output of ``land_cover.train``.
        job: gives the folder.

    Raises:
        StageError: the classifier's folder is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from harness.stages.metrics.features import networks
    from harness.stages.metrics.features.networks import Description
    from harness.stages.metrics.features.view import View
    from harness.stages.systems.land_cover import DESCRIPTION, MODEL

    try:
        described = json.loads((classifier.path / DESCRIPTION).read_text(encoding="utf-8"))
        # The one family of classifiers. It is looked up by name, so that the others are not in the key.
        architecture = Architecture("timm", FAMILIES["timm"].named(described["model"]))
        crop = described["preparation"]["crop"]
        red, green, blue = described["preparation"]["mean"]
        mean = (255 * red, 255 * green, 255 * blue)
        red, green, blue = described["preparation"]["std"]
        view = View(
            crop, "as it is" if crop is None else "centre-crop", mean, (255 * red, 255 * green, 255 * blue)
        )
        state = load_file(classifier.path / MODEL)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as e:
        raise StageError(f"{classifier.path}: not a land-cover classifier ({e})") from None
    network = networks.build(architecture, None)
    networks.fill(network, state, "the classifier's weights")
    folder = job.folder()
    networks.save(network.module, folder, "the classifier's weights")
    dim = networks.feature_count(network.module, view, "the classifier")
    description = Description(architecture, view, dim)
    description.write(folder)
    return description.artifact(folder, "the classifier's")


@stage(version=1, software=("torch", "torchvision", "timm", "transformers", "pillow"))
def extract(
    images: Images,
    extractor: Annotated[Extractor, FAMILIES],
    *,
    batch_size: Execution[Count] = 32,
    precision: Precision = "fp32",
    job: Job,
) -> Features:
    """The features of every image, in file order.

    Images are read ahead by other threads and are never all in memory. If fp32 runs out of memory, the batch is
    halved and the features stay the same.

    Args:
        images: 8-bit RGB.
        extractor: decides how they are prepared.
        batch_size: images at once; in fp32 the features do not depend on it, at half precision it is a condition.
        precision: precision of the network's arithmetic: fp32 (never TF32), or bf16 or fp16 through torch's autocast.
            Features of two precisions are not compared.
        job: gives the device, the folder, the log and the progress.

    Raises:
        StageError: no images, an image that is damaged or not 8-bit RGB or too small for the crop, different sizes
            if the extractor takes images as they are, features that are not finite numbers, out of memory with a
            single image or at half precision.
    """
    from contextlib import closing

    from harness.formats.features import Writer
    from harness.formats.image_folder import rows
    from harness.stages.metrics.features.networks import Runner, restore
    from harness.stages.metrics.features.view import batches, first_size

    first = next(rows(images), None)
    if first is None:
        raise StageError("no images to extract features of")
    description, module = restore(extractor.path)
    seen = first_size(first, description.view)
    identity = _identity(extractor, precision, seen if description.view.size is None else None)
    runner = Runner(module, description.view, batch_size, precision, job)
    count = sum(1 for _ in rows(images))
    folder = job.folder()
    with (
        Writer(folder, description.dim, identity) as out,
        closing(batches(images, description.view, seen, batch_size)) as read,
    ):
        for names, labels, pixels in read:
            out.add(names, labels, runner.features(pixels))
            job.progress(out.count, count, "images")
    made = out.features({"network": description.architecture.text, "precision": precision})
    conditions = {} if precision == "fp32" else {"batch_size": batch_size}
    return Features(made.path, made.facts, conditions)


def _identity(extractor: Extractor, precision: str, size: tuple[int, int] | None) -> str:
    """What must be equal for features to be comparable: the extractor's digest, the precision and the image size."""
    parts = [str(extractor.facts["extractor"])]
    if precision != "fp32":
        parts.append(f"in {precision}")
    if size is not None:
        parts.append(f"at {size[0]}×{size[1]}")
    return " ".join(parts)
