"""Drawn land-cover scenes: a data set that needs no download.

Each scene is seen from above and is about 300 m across, whatever its size in pixels. It is drawn from random
numbers only: parcels, rows of trees, shorelines, crevasses, under a sun, a season and a sensor. Roads, houses,
haze and patches of another land cover make the classes share colours, so a classifier must use structure to
tell them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from annotated_types import Interval

from harness.artifact import Scenes
from harness.stage import Choices, Count, Job, Seed, stage


@dataclass(frozen=True)
class Region:
    """One region; the weights of kinds are relative."""

    number: int
    """Part of the seed of its scenes; a number is never reused."""
    colours: Mapping[str, tuple[int, int, int]]
    forests: Mapping[str, float]
    bare_land: Mapping[str, float]
    plantings: Mapping[str, float]
    surveyed: bool = False
    """Whether fields and rows are straight and parallel to the sides of the picture."""


_TEMPERATE = Region(
    number=0,
    colours={
        "soil": (142, 114, 86), "sand": (194, 174, 136), "rock": (128, 122, 114), "grass": (110, 136, 70),
        "dry": (172, 158, 100), "leaf": (58, 88, 46), "ripe": (204, 182, 108), "deep": (34, 64, 80),
        "shallow": (92, 124, 110), "snow": (228, 233, 240),
    },
    forests={"broadleaf": 1.2, "conifer": 0.8, "mixed": 0.8},
    bare_land={"gullies": 1.0, "rock": 1.0, "plain": 1.2, "dunes": 0.5},
    plantings={"orchard": 3.0, "vineyard": 2.5, "plantation": 0.7, "greenhouses": 1.0},
)  # fmt: skip

REGIONS: Choices[Region] = Choices({
    "temperate": _TEMPERATE,
    "arid": Region(
        number=1,
        colours={
            "soil": (178, 138, 98), "sand": (214, 180, 130), "rock": (152, 118, 90), "grass": (140, 138, 82),
            "dry": (192, 164, 108), "leaf": (86, 98, 54), "ripe": (212, 184, 116), "deep": (36, 82, 100),
            "shallow": (112, 152, 142), "snow": (234, 230, 226),
        },
        forests={"broadleaf": 1.0, "open": 1.5},
        bare_land={"dunes": 1.5, "gullies": 1.0, "rock": 1.0, "plain": 0.6},
        plantings={"orchard": 3.0, "vineyard": 1.5, "plantation": 1.5, "greenhouses": 1.5},
    ),
    "boreal": Region(
        number=2,
        colours={
            "soil": (112, 98, 84), "sand": (168, 156, 138), "rock": (116, 117, 120), "grass": (112, 120, 74),
            "dry": (158, 138, 92), "leaf": (40, 64, 48), "ripe": (182, 168, 106), "deep": (28, 46, 60),
            "shallow": (74, 92, 88), "snow": (222, 231, 242),
        },
        forests={"conifer": 2.0, "mixed": 1.0, "open": 0.5},
        bare_land={"gullies": 0.8, "rock": 1.5, "plain": 1.0, "dunes": 0.3},
        plantings={"orchard": 3.0, "vineyard": 1.5, "plantation": 1.0, "greenhouses": 1.5},
    ),
    "tropical": Region(
        number=3,
        colours={
            "soil": (150, 102, 76), "sand": (212, 192, 154), "rock": (118, 104, 92), "grass": (102, 138, 64),
            "dry": (156, 154, 76), "leaf": (44, 88, 44), "ripe": (180, 174, 96), "deep": (22, 80, 104),
            "shallow": (72, 152, 144), "snow": (226, 232, 232),
        },
        forests={"broadleaf": 2.0, "mixed": 0.6},
        bare_land={"gullies": 1.2, "rock": 0.7, "plain": 1.3, "dunes": 0.5},
        plantings={"orchard": 2.0, "vineyard": 1.5, "plantation": 3.0, "greenhouses": 0.7},
    ),
    "polder": replace(
        _TEMPERATE,
        number=4,
        plantings={"orchard": 4.0, "vineyard": 1.5, "plantation": 0.3, "greenhouses": 1.0},
        surveyed=True,
    ),
})  # fmt: skip

RegionName = Annotated[Literal["temperate", "arid", "boreal", "tropical", "polder"], REGIONS]


@stage(version=1, software=("numpy",))
def draw(
    *,
    per_class: Count,
    size: Annotated[int, Interval(ge=32, le=2048)] = 64,
    region: RegionName = "temperate",
    seed: Seed = 0,
    job: Job,
) -> Scenes:
    """Draw captioned scenes of the seven land-cover classes.

    The same scene has the same content at every ``size``: scene i of a class depends on seed, region, class
    and i alone, so a larger data set contains the smaller one.

    Args:
        per_class: scenes of each class; consecutive rows cycle through the classes.
        size: width and height in pixels. The ground it shows stays the same.
        region: the palette of soils, plants and waters, and which kinds of a class are common. A polder has
            the temperate palette, and its fields and rows are straight and parallel to the sides of the picture.
        seed: another seed gives other scenes.
        job: gives the folder and receives the progress.

    Returns:
        8-bit RGB scenes with ``label``, five different ``captions`` that describe what was drawn, and ``region``.
    """
    from harness.formats.image_folder import Writer
    from harness.stages.data.scenes.world import CLASSES, scene

    total = per_class * len(CLASSES)
    folder = job.folder()
    with Writer(folder) as out:
        for index in range(per_class):
            for label in CLASSES:
                pixels, captions = scene(label, index, size=size, region=region, seed=seed)
                name = f"{label.lower().replace(' ', '_')}_{index:05d}.png"
                out.add(pixels, name, label=label, captions=captions, region=region)
                job.progress(out.count, total, "scenes")
    return Scenes(folder, facts={"classes": list(CLASSES), "count": total, "region": region})
