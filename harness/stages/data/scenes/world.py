"""One scene: its land cover, the things in it, the weather, the sensor, the captions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from harness.stages.data.scenes import REGIONS, RegionName
from harness.stages.data.scenes.canvas import (
    Canvas,
    Drawn,
    Grid,
    Picture,
    Site,
    crowns,
    expose,
    mix,
    paint,
    palette,
)
from harness.stages.data.scenes.ground import bare_land, pour, snow_ice, water_body
from harness.stages.data.scenes.vegetation import (
    crop_land,
    cultivated_vegetation,
    natural_vegetation,
    woody_vegetation,
)

_LEAST = 0.006
"""Share of the scene that a thing must cover to be mentioned in a caption."""
Thing = tuple[str, Grid]
"""A noun phrase, and the grid of what the thing covers (0–1)."""


def furnish(site: Site, picture: Picture, label: str) -> list[str]:
    """Draw up to two things into ``picture``, in place.

    Returns:
        A noun phrase for each thing that can be seen.
    """
    fitting = [(chance, draw) for chance, draw, absent in _THINGS if label not in absent]
    chosen = [draw for chance, draw in fitting if site.rng.random() < chance][:2]
    drawn = [draw(site, picture) for draw in chosen]
    return [words for words, cover in drawn if cover.mean() > _LEAST]


def _line(site: Site) -> Grid:
    """Distance across a slightly bent line through the scene."""
    _, v = site.canvas.turned(site.rng.uniform(0, np.pi))
    bent = v + 0.02 * site.canvas.noise(site.rng, 2)
    return np.abs(bent - site.rng.uniform(-0.35, 0.35))


def _road(site: Site, picture: Picture) -> Thing:
    away, half = _line(site), site.rng.uniform(0.014, 0.022)
    grey = mix(site.colours.rock, site.colours.snow, site.rng.uniform(0.1, 0.45))
    paint(picture, site.canvas.inside(away - half * 1.5) * 0.5, site.colours.soil)
    tarmac = site.canvas.inside(away - half)
    paint(picture, tarmac, grey)
    return "a grey road", tarmac


def _track(site: Site, picture: Picture) -> Thing:
    path = site.canvas.inside(_line(site) - 0.012)
    paint(picture, path * 0.75, site.colours.sand)
    return "a pale track", path


def _houses(site: Site, picture: Picture) -> Thing:
    rng, canvas = site.rng, site.canvas
    angle, count = rng.uniform(0, np.pi), int(rng.integers(2, 6))
    u, v = canvas.turned(angle)
    centre = rng.uniform(-0.22, 0.22, 2)
    roof = np.array([0.62, 0.3, 0.22] if rng.random() < 0.5 else [0.72, 0.72, 0.74], np.float32)
    walls = np.zeros_like(u)
    for _ in range(count):
        du, dv = centre + rng.normal(0, 0.09, 2)
        half = rng.uniform(0.022, 0.04, 2)
        box = np.maximum(
            np.abs(u - np.float32(du)) - np.float32(half[0]), np.abs(v - np.float32(dv)) - np.float32(half[1])
        )
        wall = canvas.inside(box)
        picture *= 1 - 0.5 * canvas.moved(wall, 0.02) * (1 - wall)
        walls = np.maximum(walls, wall)
        pitch = np.where(v > np.float32(dv), 1.05, 0.8)
        paint(picture, wall, roof[:, None, None] * pitch * rng.uniform(0.85, 1.1))
    return "a few houses", walls


def _trees(site: Site, picture: Picture) -> Thing:
    canvas, c = site.canvas, site.colours
    grove = canvas.inside(1.2 - canvas.fractal(site.rng, 3), 0.1)
    trees = crowns(site, canvas.turned(0.7), spacing=0.07, radius=0.5, jitter=0.35)
    cover = grove * trees.cover
    picture *= 1 - 0.4 * canvas.moved(cover, 0.03) * (1 - cover)
    paint(picture, cover, c.leaf[:, None, None] * (0.75 + 0.45 * trees.height))
    return "a group of trees", cover


def _pond(site: Site, picture: Picture) -> Thing:
    du, dv = (axis - site.rng.uniform(0.15, 0.85) for axis in (site.canvas.x, site.canvas.y))
    wobble = 0.04 * site.canvas.fractal(site.rng, 4)
    depth = site.rng.uniform(0.08, 0.16) - np.hypot(du, dv) + wobble
    pour(site, picture, depth)
    return "a small pond", site.canvas.inside(-depth)


def _earth(site: Site, picture: Picture) -> Thing:
    bare = site.canvas.inside(1.1 - site.canvas.fractal(site.rng, 3, octaves=4), 0.3)
    colour = mix(site.colours.soil, site.colours.sand, site.rng.uniform(0, 0.8))
    rough = 1 + 0.07 * site.canvas.fractal(site.rng, 12)
    paint(picture, bare * 0.85, colour[:, None, None] * rough)
    return "a patch of bare earth", bare


def _cloud(site: Site, picture: Picture) -> Thing:
    puff = np.clip(site.canvas.fractal(site.rng, 3, octaves=4) * 0.9 - 0.9, 0, 1)
    picture *= 1 - 0.5 * site.canvas.moved(puff, 0.12)
    paint(picture, puff, np.array([0.92, 0.93, 0.95], np.float32))
    return "a small white cloud", puff


_THINGS: Sequence[tuple[float, Callable[[Site, Picture], Thing], tuple[str, ...]]] = (
    (0.22, _road, ("Water Body",)),
    (0.15, _track, ("Water Body",)),
    (0.18, _houses, ("Snow Ice", "Water Body")),
    (0.22, _trees, ("Woody Vegetation", "Water Body")),
    (0.12, _pond, ("Water Body",)),
    (0.15, _earth, ("Bare Land", "Water Body")),
    (0.12, _cloud, ()),
)
"""How often there is a thing, what draws it, and the classes in which there is none."""


def weather(site: Site, picture: Picture) -> str:
    """Draw cloud shadow, haze and daylight, in place; returns the words for them, or an empty string."""
    rng, canvas = site.rng, site.canvas
    words = ""
    if rng.random() < 0.25:
        shade = canvas.inside(0.4 - canvas.noise(rng, 2), 0.6)
        picture *= 1 - rng.uniform(0.25, 0.45) * shade
        words = "the shadow of a cloud" if shade.mean() > 0.05 else ""
    paint(picture, rng.uniform(0, 0.55), picture.mean(0))
    gain, warmth = float(np.exp(rng.normal(-0.1, 0.2))), rng.normal(0, 0.05)
    # Automatic exposure: without it, snow in bright light is a white rectangle.
    gain = min(gain, 0.97 / float(np.percentile(picture, 98)))
    picture *= gain * np.array([1 + warmth, 1, 1 - warmth], np.float32)[:, None, None]
    haze = rng.beta(1, 4) * 0.5
    paint(picture, haze * (1 + 0.2 * canvas.noise(rng, 2)), np.array([0.72, 0.76, 0.8], np.float32))
    return words or ("thin haze" if haze > 0.2 else "")


_OPENINGS = ("an aerial view of", "a satellite image of", "a view from above of", "this image shows")


def captions(drawn: Drawn, things: list[str], light: str, rng: np.random.Generator) -> list[str]:
    """Five different captions; the last one names the other things in the scene, if there are any."""
    opening = _OPENINGS[int(rng.integers(len(_OPENINGS)))]
    first, second, third = (drawn.details[int(i)] for i in rng.permutation(len(drawn.details)))
    around = [*things, *([light] if light else [])]
    sentences = [
        f"{opening} {drawn.subject}",
        f"{drawn.subject} with {first}",
        f"{drawn.statement}, with {first} and {second}",
        f"{drawn.statement}, seen from above",
        f"{drawn.subject} with {_listed(around or [third])}",
    ]
    return [s[0].upper() + s[1:] + "." for s in sentences]


def _listed(phrases: list[str]) -> str:
    """``"a, b and c"``."""
    return " and ".join([", ".join(phrases[:-1]), phrases[-1]] if len(phrases) > 1 else phrases)


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
