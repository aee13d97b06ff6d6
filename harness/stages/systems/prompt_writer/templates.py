"""Prompts from templates: the baseline. Prompts written by a language model must be better than these.

Words with another everyday meaning (crowns, banks, plates, pools, a nursery) are avoided on purpose. So are mentions
of what is absent, because a text-to-image model draws it.

The words are code and not a data file, so that the prompts are made again when a word changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from typing import Annotated, NamedTuple

from harness.artifact import Prompts
from harness.compute.seeds import drawn
from harness.errors import StageError
from harness.formats.prompts import Prompt, check_classes, count, name, write
from harness.stage import Choices, Count, Job, Seed, stage
from harness.stages.systems.prompt_writer.drafting import Phrase, spoken


class Words(NamedTuple):
    """Words for one class. Any subject can be combined with any detail of its group."""

    subjects: tuple[tuple[str, ...], ...]
    """Groups of subjects; each names the class and what it consists of."""
    details: tuple[tuple[str, ...], ...]
    """For each group, details that may be visible with it."""


VIEWS = (
    "a satellite image of",
    "an aerial view of",
    "an overhead view of",
    "a high-resolution satellite image of",
    "a top-down view of",
    "a remote sensing image of",
)

LIGHTS = ("", ", in clear weather", ", under a low sun with long shadows", ", at midday")

GENERIC = Words(
    subjects=(("{class}", "{class} and its surroundings"),),
    details=(("sharp natural colours", "fine texture", "clear outlines", "soft contrast"),),
)
"""Words for every class that is not in ``LAND_COVER``."""

LAND_COVER: Choices[Words] = Choices(
    {
        "Bare Land": Words(
            subjects=(
                ("bare land of sand dunes", "bare land, a sandy desert"),
                ("bare land of rock and rubble", "bare land on a stony slope", "bare land cut by gullies"),
                ("bare land, an empty plain of dry soil", "bare land of cracked clay"),
            ),
            details=(
                ("long curved dune crests", "fine ripples in the sand", "shadows behind the crests"),
                ("steep eroded edges", "rough grey stone", "bare stony ground"),
                ("pale stains in the soil", "a wide empty surface", "wheel tracks on the ground"),
            ),
        ),
        "Crop Land": Words(
            subjects=(
                ("crop land of rectangular wheat fields", "crop land, many grain fields side by side"),
                ("crop land of ploughed fields", "crop land after the harvest"),
                ("crop land of round irrigated fields", "crop land under centre-pivot irrigation"),
            ),
            details=(
                ("green and golden parcels", "narrow tracks between the fields", "straight field boundaries"),
                (
                    "parallel furrows in brown soil",
                    "fine straight lines in the stubble",
                    "straight field boundaries",
                ),
                (
                    "green circles on dry ground",
                    "a thin line across each circle",
                    "pale corners between the fields",
                ),
            ),
        ),
        "Cultivated Vegetation": Words(
            subjects=(
                ("cultivated vegetation, an orchard of round trees", "cultivated vegetation, an olive grove"),
                ("cultivated vegetation, a vineyard of long rows", "cultivated vegetation, a tea plantation"),
                (
                    "cultivated vegetation, a dense oil palm plantation",
                    "cultivated vegetation, young trees in rows",
                ),
            ),
            details=(
                ("single trees on a regular grid", "bare ground between the rows", "neat straight edges"),
                (
                    "parallel green rows",
                    "narrow strips of soil between the rows",
                    "rows that follow the slope",
                ),
                ("a dense regular pattern", "a grid of narrow tracks", "a sharp straight edge"),
            ),
        ),
        "Natural Vegetation": Words(
            subjects=(
                ("natural vegetation, a wild meadow", "natural vegetation, open grassland"),
                (
                    "natural vegetation, low scrub on dry ground",
                    "natural vegetation, a heath of small shrubs",
                ),
                ("natural vegetation of a marsh", "natural vegetation, a wetland of reeds"),
            ),
            details=(
                ("a few shrubs in the grass", "patches of green and yellow grass", "soft uneven edges"),
                ("scattered dark shrubs", "bare soil between the shrubs", "irregular patches of green"),
                ("small ponds among the reeds", "winding channels", "dark wet ground"),
            ),
        ),
        "Snow Ice": Words(
            subjects=(
                ("snow and ice on a mountain", "snow and ice on steep ridges"),
                ("snow and ice of a glacier", "snow and ice on an ice sheet"),
                ("snow and ice floes on dark water", "snow and ice on a frozen sea"),
            ),
            details=(
                ("dark rock that sticks out of the snow", "blue shadows on the snow", "bright white slopes"),
                ("long blue crevasses", "curved lines of flow", "a smooth white surface"),
                ("broken white ice", "dark cracks of open water", "floes of many shapes"),
            ),
        ),
        "Water Body": Words(
            subjects=(
                ("a water body, a lake", "a water body, a reservoir"),
                ("a water body, a wide river", "a water body, a river delta"),
                ("a water body, the open sea at the coast", "a water body around small islands"),
            ),
            details=(
                ("a curved shoreline", "deep blue water in the middle", "a thin pale shore"),
                ("winding shores", "smooth dark water", "sandbanks in the water"),
                ("a long shoreline", "pale shallows near the land", "lines of waves"),
            ),
        ),
        "Woody Vegetation": Words(
            subjects=(
                ("woody vegetation, a forest of broad-leaved trees", "woody vegetation, a dense rainforest"),
                ("woody vegetation, a forest of conifers", "woody vegetation, a mixed forest"),
                ("woody vegetation, an open woodland", "woody vegetation, an open forest of pines"),
            ),
            details=(
                ("round treetops of many sizes", "a closed canopy", "dark gaps between the treetops"),
                ("small pointed treetops", "a clearing among the trees", "a dark green canopy"),
                ("gaps between the trees", "round shadows beside the trees", "dry grass under the trees"),
            ),
        ),
    }
)

Label = Annotated[str, LAND_COVER]
"""Name of a class; classes not in ``LAND_COVER`` get the generic words."""


WRITER = "templates"


@stage(version=1)
def from_templates(
    *,
    classes: tuple[Label, ...],
    per_class: Count,
    templates: tuple[Phrase, ...] | None = None,
    seed: Seed = 0,
    job: Job,
) -> Prompts:
    """Combine prompts from fixed words, all different within a class.

    Each depends only on seed, class and its number in the class; a larger ``per_class`` begins with the same prompts.

    Args:
        classes: names of the classes. The paper's seven have their own words: a view, what the class consists of, and
            visible details. All others have a view, their name and generic details.
        per_class: prompts of each class.
        templates: sentences with ``{class}`` to use instead of these words; a class has one prompt for each sentence.
        seed: seed for the draw.
        job: provides device, folders and log.

    Raises:
        StageError: no classes; fewer different prompts of a class than ``per_class``.
    """
    check_classes(classes)
    prompts = []
    for label in classes:
        every = _from(templates, label) if templates is not None else _curated(label)
        if len(every) < per_class:
            raise StageError(
                f"per_class: {per_class}, but there are {len(every)} different prompts of {label}; "
                "prompt_writer.select can use them repeatedly"
            )
        texts = drawn(every, seed)[:per_class]
        prompts += [Prompt(name(label, i), text, label, WRITER) for i, text in enumerate(texts)]
    folder = job.folder()
    write(folder, prompts)
    generic = [label for label in classes if label not in LAND_COVER and templates is None]
    return Prompts(folder, facts={**count(prompts), "generic": generic})


def _from(templates: Sequence[Phrase], label: str) -> list[str]:
    return list(dict.fromkeys(template.of(label) for template in templates))


def _curated(label: Label) -> list[str]:
    """All possible prompts of a class."""
    words = LAND_COVER[label] if label in LAND_COVER else GENERIC  # noqa: SIM401 - a table of choices
    return [
        f"{view} {subject}{detail}{light}".replace("{class}", spoken(label))
        for view, (subject, detail), light in product(VIEWS, _seen(words), LIGHTS)
    ]


def _seen(words: Words) -> list[tuple[str, str]]:
    """Subjects, each with one or two of its details."""
    return [
        (subject, detail)
        for subjects, details in zip(words.subjects, words.details, strict=True)
        for subject, detail in product(subjects, _details(details))
    ]


def _details(details: Sequence[str]) -> list[str]:
    return [f" with {one}" for one in details] + [f" with {a} and {b}" for a, b in combinations(details, 2)]
