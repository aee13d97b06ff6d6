"""How well images and their captions fit, beside what they score with other images' captions."""

from __future__ import annotations

from dataclasses import dataclass

from harness.artifact import CaptionedImages, ImageTextModel
from harness.errors import StageError
from harness.metrics.alignment.encoding import encoded
from harness.stage import Count, Execution, Higher, HigherShare, Items, Job, Scores, stage


@dataclass(frozen=True, kw_only=True)
class AlignmentScores(Scores):
    """Of N images; every field is a mean over them. A cosine by itself says little: two models have two scales,
    and any picture of land fits any sentence about land. The shuffled one says what fitting nothing is worth.
    """

    alignment: Higher
    """Mean cosine of image and own caption, in [−1, 1]; where there are several captions, of their mean. The CLIP
    score that others print is 100 times this.
    """
    shuffled: float
    """The same with another image's caption: the exact expectation over all of them, not one shuffle. Captions
    that the image itself has (as the model reads them) are no mismatch and are left out.
    """
    margin: Higher
    """``alignment`` − ``shuffled``."""
    retrieval: HigherShare
    """Share of images that fit one of their own captions better than any other of the set (R@1), in [0, 1]. It
    falls as N grows, and where many captions say nearly the same.
    """


@stage(version=1, software=("torch", "torchvision", "transformers"))
def score(
    images: CaptionedImages, model: ImageTextModel, *, batch_size: Execution[Count] = 32, job: Job
) -> AlignmentScores:
    """Cosine of images and their captions, with the shuffled-caption null and retrieval; in fp32.

    What is scored is what the rows say: of generated images the prompt. Cues that a row carries in its captions
    count as part of them. Captions with more tokens than the model has positions are cut, and counted in the
    details; captions of which the model reads the same tokens are the same. Images with the same captions are
    one cluster.

    Args:
        images: at least two, each with a caption, not all with the same one.
        model: says how images and sentences are prepared.
        batch_size: images, or sentences, at once; the scores do not depend on it.
        job: the runner's side.

    Raises:
        StageError: too few images, a row without a caption, no caption that is a mismatch, an unreadable image, a
            vector that is not finite.
    """
    import torch

    from harness.metrics.alignment.matching import match

    found = encoded(images, model, batch_size, job)
    names = found.names
    matches = match(
        found.images,
        found.sentences,
        row=torch.tensor([i for i, mine in enumerate(found.own) for _ in mine]),
        own=torch.tensor([sentence for mine in found.own for sentence in mine]),
    )
    if lonely := matches.shuffled.isnan().nonzero().flatten().tolist():
        raise StageError(
            f"{names[lonely[0]]}: no other image has a caption that this one has not; nothing to shuffle"
        )
    columns = {
        "alignment": matches.alignment,
        "shuffled": matches.shuffled,
        "margin": matches.alignment - matches.shuffled,
        "retrieval": matches.first,
    }
    means = {name: float(column.mean()) for name, column in columns.items()}
    return AlignmentScores(
        alignment=means["alignment"],
        shuffled=means["shuffled"],
        margin=means["margin"],
        retrieval=means["retrieval"],
        items=Items(
            names,
            {name: column.tolist() for name, column in columns.items()},
            cluster=found.clusters(),
        ),
        steps={"retrieval": 1 / len(names)},
        conditions={"n": len(names)},
        details={
            "different_captions": len(found.sentences),
            "captions_cut": found.cut,
            "tokens": found.tokens,
        },
    )
