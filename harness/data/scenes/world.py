"""One scene: its land cover, what happens to lie in it, the weather, the sensor, the captions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.data.scenes.canvas import Canvas, expose
from harness.data.scenes.captions import captions
from harness.data.scenes.extras import furnish, weather
from harness.data.scenes.farms import crop_land, cultivated_vegetation
from harness.data.scenes.ice import snow_ice
from harness.data.scenes.palettes import palette
from harness.data.scenes.regions import REGIONS, RegionName
from harness.data.scenes.site import Site
from harness.data.scenes.waters import water_body
from harness.data.scenes.wild import bare_land, natural_vegetation, woody_vegetation

_PAINTERS = {
    "Bare Land": bare_land,
    "Crop Land": crop_land,
    "Cultivated Vegetation": cultivated_vegetation,
    "Natural Vegetation": natural_vegetation,
    "Snow Ice": snow_ice,
    "Water Body": water_body,
    "Woody Vegetation": woody_vegetation,
}
CLASSES = tuple(_PAINTERS)


def scene(
    label: str, index: int, *, size: int, region: RegionName, seed: int
) -> tuple[NDArray[np.uint8], list[str]]:
    """Scene ``index`` of class ``label``: pixels of shape (size, size, 3) and five captions."""
    place = REGIONS[region]
    source = np.random.SeedSequence((seed, place.number, CLASSES.index(label), index))
    paint_rng, extra_rng, word_rng, sensor_rng = (np.random.default_rng(s) for s in source.spawn(4))
    colours, season = palette(place, paint_rng)
    canvas = Canvas.of(size, azimuth=float(paint_rng.uniform(0, 2 * np.pi)))
    drawn = _PAINTERS[label](Site(canvas, paint_rng, colours, place, season))
    extra = Site(canvas, extra_rng, colours, place, season)
    things = furnish(extra, drawn.picture, label)
    light = weather(extra, drawn.picture)
    pixels = expose(drawn.picture, size, sensor_rng)
    return pixels, captions(drawn, things, light, word_rng)
