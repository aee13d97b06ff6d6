"""Five sentences about a scene, in the manner of RSICD's: short, plain, about what can be seen."""

from __future__ import annotations

import numpy as np

from harness.data.scenes.site import Drawn

_OPENINGS = ("an aerial view of", "a satellite image of", "a view from above of", "this image shows")


def captions(drawn: Drawn, things: list[str], light: str, rng: np.random.Generator) -> list[str]:
    """Five different captions; together they tell everything that was drawn."""
    opening = _OPENINGS[int(rng.integers(len(_OPENINGS)))]
    first, second, *rest = (drawn.details[int(i)] for i in rng.permutation(len(drawn.details)))
    around = [*things, *([light] if light else [])]
    beside = _listed(around) if around else _listed(rest)
    sentences = [
        f"{opening} {drawn.subject}",
        f"{drawn.subject} with {first}",
        f"{drawn.statement}, with {first} and {second}",
        f"{drawn.statement}, seen from above",
        f"{drawn.subject} with {beside}" if beside else f"{drawn.subject} with {second}",
    ]
    return [s[0].upper() + s[1:] + "." for s in sentences]


def _listed(phrases: list[str]) -> str:
    """``"a, b and c"``."""
    return " and ".join([", ".join(phrases[:-1]), phrases[-1]] if len(phrases) > 1 else phrases)
