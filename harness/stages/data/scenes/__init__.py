"""Drawn land-cover scenes: a data set that needs no download.

Each scene is seen from above and is about 300 m across, whatever its size in pixels. It is drawn from random
numbers only: parcels, rows of trees, shorelines, crevasses, under a sun, a season and a sensor. Roads, houses,
haze and patches of another land cover make the classes share colours, so a classifier must use structure to
tell them apart.
"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval

from harness.artifact import Scenes
from harness.stage import Count, Job, Seed, stage
from harness.stages.data.scenes.regions import RegionName


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
