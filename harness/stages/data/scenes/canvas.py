"""The drawing surface: ground coordinates, smooth noise, soft edges, light and the sensor.

All lengths are in scene widths, never in pixels, so a scene keeps its content at any resolution.
The canvas is twice as fine as the image; ``expose`` reduces it with the blur of an optical sensor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
