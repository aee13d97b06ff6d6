"""Five sentences about a scene, in the manner of RSICD's: short, plain, about what can be seen."""

from __future__ import annotations

import numpy as np

from harness.data.scenes.site import Drawn

_OPENINGS = ("an aerial view of", "a satellite image of", "a view from above of", "this image shows")


def captions(drawn: Drawn, things: list[str], light: str, rng: np.random.Generator) -> list[str]:
    """Five different captions; the last one tells what else lies in the scene, where anything does."""
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
