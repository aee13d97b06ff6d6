"""What painters draw on and with: ground coordinates, light and the sensor; a site's colours, and shared patterns.

All lengths are in scene widths, never in pixels, so a scene keeps its content at any resolution.
The canvas is twice as fine as the image; ``expose`` reduces it with the blur of an optical sensor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.stages.data.scenes import Region

Grid = NDArray[np.floating[Any]]
"""One float32 per canvas pixel, shape (N, N)."""
Picture = NDArray[np.floating[Any]]
"""Red, green, blue in 0–1 per canvas pixel, float32, shape (3, N, N)."""
Colour = NDArray[np.floating[Any]]
"""Red, green, blue in 0–1, float32, shape (3,)."""

OVERSAMPLING = 2
BLUR = 0.9
"""Standard deviation of the sensor's point spread, in image pixels. Sharper scenes teach a classifier to
look at pixel noise, which no generator reproduces.
"""
NOISE = 0.008
"""Standard deviation of the sensor's noise, as a fraction of full scale."""
_SPLINE_SD = 0.479
"""Standard deviation of a bicubic B-spline surface through unit normal coefficients."""


@dataclass(frozen=True)
class Canvas:
    """A square of ground, seen from above.

    Attributes:
        x: distance from the left edge, in scene widths, shape (N, N).
        y: distance from the upper edge.
        sun: unit vector towards the sun, right and down.
    """

    x: Grid
    y: Grid
    sun: tuple[float, float]

    @classmethod
    def of(cls, size: int, azimuth: float) -> Canvas:
        """A canvas for an image of ``size`` pixels and a sun at ``azimuth`` (radians clockwise from east)."""
        n = size * OVERSAMPLING
        along: Grid = (np.arange(n, dtype=np.float32) + 0.5) / n
        x, y = np.broadcast_to(along, (n, n)), np.broadcast_to(along[:, None], (n, n))
        return cls(x, y, (float(np.cos(azimuth)), float(np.sin(azimuth))))

    @property
    def n(self) -> int:
        return len(self.x)

    def noise(self, rng: np.random.Generator, cells: int) -> Grid:
        """A smooth random surface, mean 0, standard deviation about 1, with bumps ``1 / cells`` wide."""
        knots = rng.standard_normal((cells + 3, cells + 3), dtype=np.float32) / _SPLINE_SD
        return _spline(_spline(knots, self.n).T, self.n)

    def fractal(self, rng: np.random.Generator, cells: int, octaves: int = 3, gain: float = 0.5) -> Grid:
        """Noise over ``octaves`` scales, each twice as fine and ``gain`` times as strong as the last."""
        total = self.noise(rng, cells)
        for octave in range(1, octaves):
            total = total + gain**octave * self.noise(rng, cells * 2**octave)
        return total / (math.sqrt(sum(gain ** (2 * o) for o in range(octaves))))

    def turned(self, angle: float) -> tuple[Grid, Grid]:
        """Coordinates about the centre in a frame turned by ``angle``: along it and across it."""
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        dx, dy = self.x - 0.5, self.y - 0.5
        return c * dx + s * dy, c * dy - s * dx

    def inside(self, distance: Grid, softness: float = 0.0) -> Grid:
        """Coverage of the region where ``distance`` (scene widths) is negative: 1 inside, 0 outside.

        The edge is one canvas pixel wide, or ``softness`` if that is more.
        """
        width = max(softness, 1 / self.n)
        cover: Grid = np.clip(0.5 - distance / width, 0, 1)
        return cover

    def moved(self, grid: Grid, distance: float) -> Grid:
        """``grid`` moved away from the sun by ``distance``; edges are repeated."""
        right, down = (-round(distance * self.n * s) for s in self.sun)
        at = np.arange(self.n)
        return grid[np.clip(at - down, 0, self.n - 1)[:, None], np.clip(at - right, 0, self.n - 1)]

    def light(self, height: Grid, strength: float = 0.9) -> Grid:
        """Brightness of a surface of ``height`` (scene widths): about 1 where flat, more on slopes towards the sun."""
        down, right = np.gradient(height, 1 / self.n)
        slope = -(right * (self.sun[0]) + down * (self.sun[1]))
        lit: Grid = 1 + np.tanh(slope * strength) * 0.5
        return lit


def plain(canvas: Canvas, colour: Colour) -> Picture:
    """A picture of one colour."""
    return np.broadcast_to(colour[:, None, None], (3, canvas.n, canvas.n)).astype(np.float32)


def paint(picture: Picture, cover: Grid | float, colour: Colour | Picture) -> None:
    """Paint ``colour`` (one colour, or a picture) over ``picture`` with opacity ``cover`` (0–1), in place."""
    over = colour[:, None, None] if colour.ndim == 1 else colour
    picture += cover * (over - picture)


def expose(picture: Picture, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The sensor's image: blur, sampling, noise, eight bits. Shape (size, size, 3)."""
    rows_first = _binned(np.ascontiguousarray(picture.transpose(1, 2, 0)), size)
    seen = _binned(np.ascontiguousarray(rows_first.transpose(1, 0, 2)), size).transpose(1, 0, 2)
    seen = seen + NOISE * rng.standard_normal(seen.shape, dtype=np.float32)
    return np.clip(np.rint(seen * 255), 0, 255).astype(np.uint8)


# Both functions below could be matrix products. Explicit sums cost little more, give the same bits with any BLAS,
# and do not compete for cores: small threaded products ran 16 times slower next to one other busy process.


def _spline(knots: Grid, n: int) -> Grid:
    """The uniform cubic B-spline along the first axis of ``knots``: (cells + 3, M) to (n, M)."""
    at = (np.arange(n) + 0.5) * (len(knots) - 3) / n
    t = (at % 1).astype(np.float32)[:, None]
    weights = ((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3)
    first = at.astype(np.intp)
    total = weights[0] * knots[first]
    for k in range(1, 4):
        total += weights[k] * knots[first + k]
    return total / 6


def _binned(picture: Picture, size: int) -> Grid:
    """Blur and thin out the first axis of ``picture`` (N, M, 3) to ``size``; edges are repeated."""
    reach = int(np.ceil(3 * BLUR)) * OVERSAMPLING
    taps = np.arange(-reach, reach + OVERSAMPLING)
    weights = np.exp(-0.5 * ((taps + 0.5 - OVERSAMPLING / 2) / (BLUR * OVERSAMPLING)) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    last = len(picture) - 1
    total = np.zeros((size, *picture.shape[1:]), np.float32)
    for tap, weight in zip(taps, weights, strict=True):
        total += weight * picture[np.clip(np.arange(size) * OVERSAMPLING + tap, 0, last)]
    return total


@dataclass(frozen=True)
class Palette:
    """The colours of one scene, each of shape (3,), 0–1."""

    soil: Colour
    sand: Colour
    rock: Colour
    grass: Colour
    dry: Colour
    leaf: Colour
    ripe: Colour
    deep: Colour
    shallow: Colour
    snow: Colour


def palette(region: Region, rng: np.random.Generator) -> tuple[Palette, float]:
    """The colours of one scene of a region, and its season: 0 the greenest, 1 the driest."""
    base: dict[str, Colour] = {name: np.array(rgb, np.float32) / 255 for name, rgb in region.colours.items()}
    season = float(rng.beta(1.2, 1.6))
    base["grass"] = mix(base["grass"], base["dry"], 0.75 * season)
    base["leaf"] = mix(mix(base["leaf"], base["dry"], 0.35 * season**2), base["grass"], rng.uniform(0, 0.3))
    base["soil"] = mix(base["soil"], base["rock"], rng.uniform(0, 0.6))
    shifted = {}
    for f in fields(Palette):
        brightness, tint = rng.normal(1, 0.1), rng.normal(1, 0.02 if f.name == "snow" else 0.04, 3)
        shifted[f.name] = np.clip(base[f.name] * brightness * tint, 0, 1).astype(np.float32)
    return Palette(**shifted), season


def mix(a: Colour, b: Colour, weight: float) -> Colour:
    """``a`` at weight 0, ``b`` at 1."""
    return (a + (b - a) * weight).astype(np.float32)


@dataclass(frozen=True)
class Site:
    """A piece of ground to paint."""

    canvas: Canvas
    rng: np.random.Generator
    colours: Palette
    region: Region
    season: float
    """0 is the greenest time of the year, 1 the driest."""

    def one_of(self, kinds: Mapping[str, float]) -> str:
        """A kind, drawn at random with the given weights."""
        weights = np.array(list(kinds.values()))
        return list(kinds)[int(self.rng.choice(len(weights), p=weights / weights.sum()))]


@dataclass(frozen=True)
class Drawn:
    """A painted site and the phrases that describe it."""

    picture: Picture
    subject: str
    """A noun phrase: ``"an orchard of round trees"``."""
    details: tuple[str, str, str]
    """Noun phrases that fit after *with*: ``"wide gaps between the rows"``."""
    statement: str
    """A clause that describes the class in other words: ``"fruit trees are grown in rows"``."""


Kind = tuple[Callable[[Site], Picture], str, tuple[str, str, str], str]
"""A kind of a class: its painter, and the subject, details and statement of what it paints, as in ``Drawn``."""


@dataclass(frozen=True)
class Crowns:
    """Treetops, each grid of shape (N, N)."""

    height: Grid
    """0 at the rim of a crown and between crowns, 1 at the top of a large one."""
    cover: Grid
    """1 where there is a crown."""
    tone: Grid
    """A random number in 0–1, one per crown."""


def crowns(
    site: Site,
    frame: tuple[Grid, Grid],
    *,
    spacing: float,
    radius: float,
    jitter: float,
    missing: float = 0.0,
) -> Crowns:
    """Domes on a square lattice of ``spacing`` in ``frame``.

    Args:
        site: the ground they are on.
        frame: the coordinates along the two sides of the lattice.
        spacing: distance between stems, in scene widths.
        radius: mean radius of a crown, as a fraction of ``spacing``; below 0.6.
        jitter: largest displacement of a stem along each axis, as a fraction of ``spacing``; below 0.4.
        missing: share of the lattice points without a tree.
    """
    k = int(1.6 / spacing) + 4
    shift = site.rng.uniform(-jitter, jitter, (2, k * k)).astype(np.float32)
    radii = (radius * site.rng.uniform(0.75, 1.15, k * k)).astype(np.float32)
    radii[site.rng.random(k * k) < missing] = 1e-3
    tones = site.rng.random(k * k, dtype=np.float32)
    u, v = (axis / spacing + (k / 2) for axis in frame)
    left, upper = np.floor(u - 0.5), np.floor(v - 0.5)
    height, tone = np.zeros_like(u), np.zeros_like(u)
    for i in (left, left + 1):
        for j in (upper, upper + 1):
            at = np.clip(i * k + j, 0, k * k - 1).astype(np.int32)
            away = (u - i - 0.5 - shift[0][at]) ** 2 + (v - j - 0.5 - shift[1][at]) ** 2
            dome = np.sqrt(np.maximum(radii[at] ** 2 - away, 0)) / radius
            tone = np.where(dome > height, tones[at], tone)
            height = np.maximum(height, dome)
    soft = radius * spacing * site.canvas.n / 2
    return Crowns(height, np.clip(height * soft, 0, 1), tone)


def plates(site: Site, spacing: float) -> tuple[Grid, Grid]:
    """Irregular polygons about ``spacing`` wide: the distance to their edge (scene widths), and a tone for each."""
    canvas, rng = site.canvas, site.rng
    k = int(1 / spacing) + 4
    shift = rng.uniform(-0.45, 0.45, (2, k * k)).astype(np.float32)
    tones = rng.random(k * k, dtype=np.float32)
    u = canvas.x / spacing + 1 + 0.25 * canvas.noise(rng, 6)
    v = canvas.y / spacing + 1 + 0.25 * canvas.noise(rng, 6)
    column, row = np.floor(u), np.floor(v)
    first, second = np.full_like(u, 9), np.full_like(u, 9)
    tone = np.zeros_like(u)
    for di in (-1, 0, 1):
        for dj in (-1, 0, 1):
            i, j = column + di, row + dj
            at = np.clip(i * k + j, 0, k * k - 1).astype(np.int32)
            away = np.hypot(u - i - 0.5 - shift[0][at], v - j - 0.5 - shift[1][at])
            tone = np.where(away < first, tones[at], tone)
            second = np.minimum(second, np.maximum(first, away))
            first = np.minimum(first, away)
    return (second - first) * (spacing / 2), tone


@dataclass(frozen=True)
class Parcels:
    """Adjacent fields."""

    index: NDArray[np.intp]
    """The parcel that a pixel belongs to, shape (N, N)."""
    count: int
    edge: Grid
    """Distance to the nearest boundary, in scene widths."""
    frame: tuple[Grid, Grid]
    """Coordinates along and across the parcels."""


def parcels(site: Site, width: float, length: float) -> Parcels:
    """Strips of about ``width``, each cut into parcels of about ``length``.

    In a surveyed region they are straight and parallel to the sides of the picture. Elsewhere they bend a
    little and are turned at random.
    """
    rng = site.rng
    surveyed = site.region.surveyed
    turn = rng.integers(2) * np.pi / 2 if surveyed else rng.uniform(0, np.pi)
    u, v = site.canvas.turned(turn)
    bent = v if surveyed else v + 0.02 * site.canvas.noise(rng, 2)
    cuts = _cuts(rng, width)
    strip = np.searchsorted(cuts, bent)
    index, edge = np.zeros(u.shape, np.intp), _nearest_cut(bent, cuts)
    count = 0
    for s in range(len(cuts) + 1):
        across = _cuts(rng, length)
        here = strip == s
        if here.any():
            inner = u[here]
            index[here] = np.searchsorted(across, inner) + count
            edge[here] = np.minimum(edge[here], _nearest_cut(inner, across))
        count += len(across) + 1
    return Parcels(index, count, edge, (u, bent))


def _cuts(rng: np.random.Generator, step: float) -> Grid:
    steps = step * rng.uniform(0.65, 1.35, int(1.6 / step) + 1)
    cuts: Grid = np.cumsum(steps) - steps.sum() / 2 + rng.uniform(-0.5, 0.5) * step
    return cuts.astype(np.float32)


def _nearest_cut(at: Grid, cuts: Grid) -> Grid:
    after = np.clip(np.searchsorted(cuts, at), 1, len(cuts) - 1)
    away: Grid = np.minimum(np.abs(at - cuts[after - 1]), np.abs(at - cuts[after]))
    return away
