"""The numerical summary of all ratings, its texts, and ``review.json``, described in ``docs/expert-review.md``.

The texts are the same on the terminal and on the page.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.artifact import Json
from harness.compare.sample import Side
from harness.compare.wording import counted, number, together
from harness.errors import UsageError
from harness.formats import files
from harness.formats.strict_json import checked
from harness.review import SCALES, TAGS, TRAIN, agreement, key, rating_table
from harness.review.agreement import Alpha, Consistency, Correlation, correlations
from harness.review.rating_table import Level, Rated, Ratings, of, units


@dataclass(frozen=True)
class Reviewer:
    """The work of one reviewer."""

    name: str
    ratings: int
    share: float
    """Share of the page that was rated."""
    minutes: float
    consistency: Consistency | None
    """Over all scales."""


@dataclass(frozen=True)
class SystemSummary:
    """Ratings of one system."""

    name: str
    control: bool
    point: Mapping[str, Json]
    images: int
    ratings: int
    scores: Mapping[str, Level]
    """Scale → level, 1 to 5."""
    below_real: Mapping[str, Level]
    """Scale → the real images' score minus this one's; empty for the real images, and if there are none."""
    artefacts: Mapping[str, float]
    """Artefact → share of the ratings that name it."""
    train: Mapping[str, float]
    """Answer → share of the ratings."""


@dataclass(frozen=True)
class Remark:
    """A reviewer's comment on an image."""

    rater: str
    system: str
    label: str
    item: str
    text: str


@dataclass(frozen=True)
class Summary:
    """The whole review."""

    review: str
    run: str
    images: int
    """Number of different images on the page."""
    scales: tuple[str, ...]
    reviewers: tuple[Reviewer, ...]
    systems: tuple[SystemSummary, ...]
    agreement: Mapping[str, Alpha | None]
    """Scale → α; None if there is only one rater, or only one answer."""
    consistency: Mapping[str, Consistency | None]
    """Scale → consistency."""
    correlations: tuple[Correlation, ...]
    remarks: tuple[Remark, ...]


def summarise(ratings: Ratings, shares: Mapping[str, float], images: int, side: Side) -> Summary:
    """Summarise the ratings.

    Args:
        ratings: at least one rating.
        shares: rater → share of the page that was rated.
        images: number of different images on the page.
        side: the run, for its metrics.
    """
    values = {
        scale: rating_table.centred(ratings.first, rating_table.answer(scale)) for scale in ratings.scales
    }
    pairs = {scale: _twice(ratings.rated, scale) for scale in ratings.scales}
    generated = [r for r in ratings.first if not r.shown.control]
    return Summary(
        review=ratings.review,
        run=ratings.run,
        images=images,
        scales=ratings.scales,
        reviewers=tuple(_reviewer(ratings, name, shares[name]) for name in ratings.raters),
        systems=tuple(_system(ratings, name, values) for name in ratings.systems),
        agreement={
            scale: agreement.alpha(list(units(ratings.first, scale).values())) for scale in ratings.scales
        },
        consistency={scale: agreement.consistency(found) for scale, found in pairs.items()},
        correlations=tuple(
            correlations(
                side, generated, _means(values, generated, by_image), _means(values, generated, by_system)
            )
        ),
        remarks=tuple(
            Remark(r.rater, r.shown.system, r.shown.label, r.shown.item, r.answers.comment)
            for r in ratings.rated
            if r.answers.comment
        ),
    )


def by_image(rated: Rated) -> str:
    return rated.image


def by_system(rated: Rated) -> str:
    return rated.shown.system


def _reviewer(ratings: Ratings, name: str, share: float) -> Reviewer:
    own = [r for r in ratings.rated if r.rater == name]
    pairs = [pair for scale in ratings.scales for pair in _twice(own, scale)]
    minutes = sum(r.answers.seconds for r in own) / 60
    return Reviewer(name, len(own), share, minutes, agreement.consistency(pairs))


def _system(ratings: Ratings, name: str, values: Mapping[str, dict[tuple[str, str], float]]) -> SystemSummary:
    own = of(ratings.first, name)
    real = [r for r in ratings.first if r.shown.control]
    shown = own[0].shown
    scores, below = {}, {}
    for scale, of_scale in values.items():
        ours = {(r.rater, r.image): of_scale[r.rater, r.image] for r in own}
        theirs = {(r.rater, r.image): of_scale[r.rater, r.image] for r in real}
        scores[scale] = rating_table.level(ours)
        if theirs and not shown.control:
            below[scale] = rating_table.difference(theirs, ours)
    return SystemSummary(
        name=name,
        control=shown.control,
        point=shown.point,
        images=len({r.image for r in own}),
        ratings=len(own),
        scores=scores,
        below_real=below,
        artefacts={tag.name: _share(tag.name in r.answers.artefacts for r in own) for tag in TAGS},
        train={word: _share(r.answers.train == word for r in own) for word in TRAIN},
    )


def _share(told: Iterable[bool]) -> float:
    answers = list(told)
    return sum(answers) / len(answers)


def _twice(rated: Sequence[Rated], scale: str) -> list[tuple[int, int]]:
    """Return first and second answers of one person about one image."""
    first = {(r.rater, r.image): r.answers.scales[scale] for r in rated if not r.shown.again}
    second = {(r.rater, r.image): r.answers.scales[scale] for r in rated if r.shown.again}
    return [(first[who], value) for who, value in second.items() if who in first]


def _means(
    values: Mapping[str, dict[tuple[str, str], float]], rated: Sequence[Rated], name: Callable[[Rated], str]
) -> dict[str, dict[str, float]]:
    """Return scale → name → mean."""
    found: dict[str, dict[str, float]] = {}
    for scale, of_scale in values.items():
        groups: dict[str, list[float]] = {}
        for r in rated:
            groups.setdefault(name(r), []).append(of_scale[r.rater, r.image])
        found[scale] = {group: sum(given) / len(given) for group, given in groups.items()}
    return found


FILE = "review.json"
SCHEMA = "harness.review/1"


def write(folder: Path, summary: Summary) -> None:
    """Write ``review.json``. Raises OSError if it cannot be written."""
    text = json.dumps(to_document(summary), indent=1, ensure_ascii=False, allow_nan=False)
    files.write(folder / FILE, f"{text}\n")


def to_document(summary: Summary) -> dict[str, Any]:
    """Return the content of ``review.json``, JSON-safe."""
    return {"schema": SCHEMA, **asdict(summary)}


def read(folder: Path) -> Summary | None:
    """Read the review of the run in ``folder``; None if there is none.

    Raises:
        UsageError: the file is damaged or of another version.
    """
    file = folder / FILE
    body = key.read_json(file, SCHEMA, "a review that harness review collect wrote")
    if body is None:
        return None
    try:
        summary = Summary(
            **{
                **body,
                "scales": tuple(body["scales"]),
                "reviewers": tuple(
                    Reviewer(**{**r, "consistency": _maybe(Consistency, r["consistency"])})
                    for r in body["reviewers"]
                ),
                "systems": tuple(_read_system(s) for s in body["systems"]),
                "agreement": {n: _maybe(Alpha, a) for n, a in body["agreement"].items()},
                "consistency": {n: _maybe(Consistency, c) for n, c in body["consistency"].items()},
                "correlations": tuple(Correlation(**c) for c in body["correlations"]),
                "remarks": tuple(Remark(**r) for r in body["remarks"]),
            }
        )
    except (KeyError, TypeError, AttributeError) as e:
        raise UsageError(f"{file}: damaged ({type(e).__name__}: {e})") from None
    return checked(summary, str(file))


def _read_system(body: Mapping[str, Any]) -> SystemSummary:
    of_scales = {
        name: {scale: Level(**level) for scale, level in body[name].items()}
        for name in ("scores", "below_real")
    }
    return SystemSummary(**{**body, **of_scales})


def _maybe(kind: Any, body: Mapping[str, Any] | None) -> Any:
    return None if body is None else kind(**body)


TITLES = {scale.name: scale.title for scale in SCALES}


def level_text(given: Level) -> str:
    """Return a level as ``"3.42 [3.10, 3.74]"``."""
    if given.low is None or given.high is None:
        return f"{given.mean:.2f}"
    mean, low, high = (round(v, 2) + 0.0 for v in (given.mean, given.low, given.high))  # no negative zero
    return f"{mean:.2f} [{low:.2f}, {high:.2f}]"


def unit_text(given: Level) -> str:
    """Return the unit that the interval is over."""
    if not given.unit:
        return f"{counted(given.images, 'image')}: no interval"
    n = given.images if given.unit == "images" else given.raters
    return f"over {counted(n, given.unit.removesuffix('s'))}"


def alpha_text(given: Alpha | None) -> str:
    """Return α as ``"0.61 [0.48, 0.74]"``."""
    if given is None:
        return "not defined"
    mean, *ends = together([v for v in (given.alpha, given.low, given.high) if v is not None], scale=1.0)
    return f"{mean} [{ends[0]}, {ends[1]}]" if ends else mean


def consistency_text(given: Consistency | None) -> str:
    """Return ``"70 % the same, 100 % within one point, mean difference 0.30 (10 pairs)"``."""
    if given is None:
        return "nothing was rated twice"
    return (
        f"{given.exact:.0%} the same, {given.within_one:.0%} within one point, mean difference "
        f"{given.difference:.2f} ({counted(given.pairs, 'pair')})"
    )


def caveats(summary: Summary) -> Sequence[str]:
    """Return the limitations that a reader of the figures must know."""
    raters = len(summary.reviewers)
    found = []
    if raters == 1:
        found.append("One rater: the figures are this person's, and nobody can say whether others agree.")
    elif raters == 2:
        found.append("Two raters: intervals are over images, and about these two people only.")
    elif raters < 6:
        found.append(
            f"{raters} raters: an interval over so few people is wide; where it is over images, it is about these "
            "people."
        )
    if not any(s.control for s in summary.systems):
        found.append("No real images were mixed in: there is nothing to hold the scores against.")
    return found


def lines(summary: Summary) -> list[str]:
    """Return the lines of the review for a terminal."""
    told = [
        f"{counted(len(summary.reviewers), 'rater')}, {counted(summary.images, 'image')}",
        *caveats(summary),
    ]
    for system in summary.systems:
        scores = ", ".join(f"{TITLES[s].lower()} {level_text(v)}" for s, v in system.scores.items())
        told.append(f"{system.name}: {scores}; would train on {system.train['yes']:.0%}")
    told += [
        f"agreement on {TITLES[scale].lower()}: α {alpha_text(summary.agreement[scale])}; "
        f"with themselves: {consistency_text(summary.consistency[scale])}"
        for scale in summary.scales
    ]
    told += [_correlation(c, c.rho) for c in summary.correlations if c.rho is not None]
    return told


def _correlation(found: Correlation, rho: float) -> str:
    over = counted(found.n, found.over.removesuffix("s"))
    scale = TITLES[found.scale].lower()
    return f"{found.metric}.{found.field} with {scale}: ρ {number(rho)}{_bounds(found)} over {over}"


def _bounds(found: Correlation) -> str:
    if found.low is None or found.high is None:
        return ""
    return f" [{number(found.low)}, {number(found.high)}]"
