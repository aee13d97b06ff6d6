"""Generated images: samples along the points of the matrix, and those that are closest to a training image.

Samples stand next to the baseline's images from the same noise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from pathlib import Path

from harness.artifact import GeneratedImages
from harness.compare.wording import clean, counted, first_line, listed, number
from harness.errors import StageError, StoreError
from harness.formats.image_folder import Row, rows
from harness.formats.strict_json import canonical
from harness.report.html.context import Context
from harness.report.html.parts import REFERENCE, Block, Listing, Section, Strip, Thumbnail, thumbnail
from harness.report.pictures import (
    CARDS,
    PAIRS,
    ROWS,
    Drawn,
    chosen,
    closest_pairs,
    generated,
    real_images,
    shortest,
    where,
    words,
)
from harness.store.record import Run
from harness.store.run_artifacts import Made, Shelf

NAMED = 6
"""Maximum number of points named in a sentence."""


class Lack(Enum):
    """Why no images of the baseline are shown next to a point, as the end of a sentence."""

    NEW = "the baseline has no such images"
    SEEDS = "the baseline's images are of other seeds"
    GONE = "the baseline's images are no longer in the store"
    SAME = "the baseline's are these very images: nothing that they depend on has changed"


@dataclass(frozen=True)
class Opposite:
    """The baseline's counterpart of one of our folders."""

    made: Made | None
    lack: Lack | None
    """Why there is no counterpart to show; None if there is one, or no baseline."""

    @property
    def rows(self) -> dict[str, Row]:
        return {row.name: row for row in rows(self.made.artifact)} if self.made else {}


def opposite(baseline: Shelf | None, ours: Made) -> Opposite:
    """Find the baseline's counterpart of one of our folders, by its task."""
    if baseline is None:
        return Opposite(None, None)
    drawn = [t for t in baseline.run.tasks if t.node == ours.task.node and t.state != "failed"]
    if any(t.key == ours.task.key for t in drawn):
        return Opposite(None, Lack.SAME)
    point = [t for t in drawn if canonical(t.point) == canonical(ours.task.point)]
    keys = {t.key for t in point if canonical(t.seeds) == canonical(ours.task.seeds)}
    found = baseline.by_name(GeneratedImages).get(ours.name, ())
    theirs = next((m for m in found if m.task.key in keys), None)
    if theirs is not None:
        return Opposite(theirs, None)
    if keys or not baseline.run.tasks:  # a record without tasks does not list its artifacts
        return Opposite(None, Lack.GONE)
    return Opposite(None, Lack.SEEDS if point else Lack.NEW)


def told(opposites: Sequence[Opposite], heads: Mapping[str, Sequence[str]]) -> str:
    """Say what the baseline lacks, in sentences that name the points they apply to, unless to all.

    Args:
        opposites: one per point.
        heads: axis → its value at each point, the slowest axis first; empty if there is one point.
    """
    lacking = {lack: [i for i, o in enumerate(opposites) if o.lack is lack] for lack in Lack}
    lacking = {lack: at for lack, at in lacking.items() if at}
    sentences = []
    left = len(opposites)
    for lack, at in lacking.items():
        if len(at) == len(opposites):
            return f"{lack.value[0].upper()}{lack.value[1:]}."
        names = _names(at, heads)
        whom = "the others" if len(at) == left else listed(names, NAMED)
        if lack is Lack.NEW:
            sentences.append(f"{whom} {'is' if len(names) == 1 else 'are'} not in the baseline.")
        else:
            sentences.append(f"Of {whom} {lack.value}.")
        left -= len(at)
    return " ".join(sentences)


def _names(at: Sequence[int], heads: Mapping[str, Sequence[str]]) -> list[str]:
    """Name points by the values of one axis, if exactly these points have them; else by one name each."""
    for axis, values in heads.items():
        named = dict.fromkeys(values[i] for i in at)
        if sum(value in named for value in values) == len(at):
            return [v if any(map(str.isalpha, v)) else f"{axis}={v}" for v in named]
    columns = list(zip(*heads.values(), strict=True))
    return [" · ".join(columns[i]) for i in at]


SIDE_BY_SIDE = 2 * ROWS
"""Maximum number of items of a folder shown next to the baseline's or the real images."""


def strips(context: Context) -> Section | None:
    """Show strips and galleries of all generated images; None if there are none or the store has none of them."""
    blocks: list[Block] = []
    shown: list[Drawn] = []
    try:
        shelf = Shelf(context.run, context.store)
        baseline = Shelf(context.baseline.run, context.store) if context.baseline else None
        shown = list(generated(shelf))
        for drawn in shown:
            blocks.extend(_blocks(shelf, baseline, drawn))
    except (StoreError, StageError, OSError) as e:
        blocks.append(Listing("Not shown", (first_line(str(e)),)))
    lead = "The same prompt and the same noise, side by side." if _is_drawn(context.run, shown) else ""
    return Section("samples", "Samples", tuple(blocks), lead) if blocks else None


def _is_drawn(run: Run, shown: Sequence[Drawn]) -> bool:
    """Whether seeds determine all shown images; images read from a folder have no noise to share."""
    drawn = {node for score in run.scores for repeat in score.repeats for node in repeat.drawn}
    return bool(shown) and all(made.task.node in drawn for d in shown for made in d.points)


def _blocks(shelf: Shelf, baseline: Shelf | None, drawn: Drawn) -> Iterator[Block]:
    if len(drawn.points) > 1:
        parts = drawn.parts()
        for number_, part in enumerate(parts, start=1):
            title = f"{drawn.name} along {drawn.along}"
            title += f", {number_} of {len(parts)}" if len(parts) > 1 else ""
            yield _along(baseline, shortest(drawn.points), part, title)
        return
    (made,) = drawn.points
    found = list(rows(made.artifact))
    if not found:
        yield Listing(made.name, ("No images.",))
    elif any(source.is_a(GeneratedImages) for source in shelf.behind(made)):
        yield _gallery(made, found)  # selected from images that are shown elsewhere
    else:
        yield _beside(opposite(baseline, made), drawn, found)


def _along(baseline: Shelf | None, chosen_from: Made, part: Drawn, title: str) -> Strip:
    """Make a strip with a row per item and a column per point; if the baseline's images differ, its row is below."""
    indices = chosen(list(rows(chosen_from.artifact)), ROWS)
    columns = [dict(enumerate(rows(made.artifact))) for made in part.points]
    opposites = [opposite(baseline, made) for made in part.points]
    theirs = [o.rows for o in opposites]
    reals = real_images([columns[0].get(i) for i in indices], [r.path for r in part.reals])
    heads = [" · ".join(values) for values in zip(*part.heads.values(), strict=True)]
    heads = [f"{REFERENCE} {h}" if star else h for h, star in zip(heads, part.references, strict=True)]
    count = _Counter()
    lines: list[tuple[Thumbnail | None, ...]] = []
    labels: list[str] = []
    for i, real in zip(indices, reals, strict=True):
        line = [column.get(i) for column in columns]
        label, prompt = words(i, line)
        what = ": ".join(filter(None, (label, prompt)))
        ours = [count.of(row, f"{head}: {what}") for row, head in zip(line, heads, strict=True)]
        lines.append((count.at(real, f"real image: {what}"), *ours))
        labels.append(what)
        others = [of.get(row.name) if row else None for of, row in zip(theirs, line, strict=True)]
        if any(others):
            shown = [
                count.of(row, f"baseline, {head}: {what}") for row, head in zip(others, heads, strict=True)
            ]
            lines.append((None, *shown))
            labels.append("baseline")
    if not any(reals):
        lines = [line[1:] for line in lines]
    caption = _sentences(
        f"A row is an item, a column one of {len(heads)} points{where(part.points[0], point=False)}.",
        f"{REFERENCE} is the reference." if any(part.references) else "",
        told(opposites, part.heads),
        count.told,
    )
    return Strip(
        title, caption, ("real", *heads) if any(reals) else tuple(heads), tuple(lines), tuple(labels)
    )


def _beside(other: Opposite, drawn: Drawn, found: Sequence[Row]) -> Strip:
    """Make a strip with a column per item: real image, baseline's and ours, top to bottom. Else a gallery of ours."""
    (made,) = drawn.points
    theirs, lacking = other.rows, told([other], {})
    shown = [found[i] for i in chosen(found, SIDE_BY_SIDE)]
    reals = real_images(shown, [r.path for r in drawn.reals])
    if not any(reals) and not theirs:
        return _gallery(made, found, lacking)
    count = _Counter()
    names = [words(0, [row]) for row in shown]
    lines: dict[str, list[Thumbnail | None]] = {"real": [], "baseline": [], "candidate": []}
    for row, real, (label, prompt) in zip(shown, reals, names, strict=True):
        what = ": ".join(filter(None, (label, prompt)))
        lines["real"].append(count.at(real, f"real image: {what}"))
        before = theirs.get(row.name)
        lines["baseline"].append(count.of(before, f"baseline: {what}", note=_other_prompt(row, before)))
        lines["candidate"].append(count.of(row, f"candidate: {what}", note=prompt))
    kept = {name: tuple(line) for name, line in lines.items() if any(line)}
    if "baseline" not in kept and "candidate" in kept:
        kept["generated"] = kept.pop("candidate")
    caption = _sentences(f"A column is an item{where(made)}.", lacking, count.told)
    heads = tuple(label or row.name for row, (label, _) in zip(shown, names, strict=True))
    return Strip(made.name, caption, heads, tuple(kept.values()), tuple(kept))


def _gallery(made: Made, found: Sequence[Row], lacking: str = "") -> Strip:
    """Make a gallery of images with their prompts, and why each was removed or kept, if known."""
    count = _Counter()
    pictures = []
    for row in (found[i] for i in chosen(found, CARDS)):
        label, prompt = words(0, [row])
        note = " — ".join(filter(None, (_why(row), prompt)))
        what = ": ".join(filter(None, (label, prompt))) or clean(row.name)
        pictures.append(count.of(row, what, label=label or clean(row.name), note=note))
    size = f"{len(found):,} images{where(made)}" + (f", {CARDS} of them here" if len(found) > CARDS else "")
    return Strip(made.name, _sentences(f"{size}.", lacking, count.told), (), (tuple(pictures),))


def _why(row: Row) -> str:
    """Return a filter's comment on an image."""
    rule, value, like = (row.columns.get(name) for name in ("removed_by", "value", "like"))
    if isinstance(rule, str) and isinstance(value, int | float):
        if isinstance(like, str):
            return clean(f"removed as {rule} of {like}: {counted(int(value), 'bit')} differ")
        return clean(f"removed by {rule}: {number(value)}")
    sure = row.columns.get("confidence")
    return f"confidence {number(sure)}" if isinstance(sure, int | float) else ""


def _other_prompt(ours: Row, theirs: Row | None) -> str:
    """Return the baseline's prompt if it differs from ours."""
    if theirs is None or theirs.captions == ours.captions:
        return ""
    return f"another prompt: {words(0, [theirs])[1]}"


class _Counter:
    """Makes thumbnails, and counts the images that could not be read."""

    def __init__(self) -> None:
        self._unreadable = 0

    def of(self, row: Row | None, alt: str, *, label: str = "", note: str = "") -> Thumbnail | None:
        return self.at(row.path if row else None, alt, label=label, note=note)

    def at(self, path: Path | None, alt: str, *, label: str = "", note: str = "") -> Thumbnail | None:
        made = thumbnail(path, alt, label=label, note=note)
        self._unreadable += path is not None and made is None
        return made

    @property
    def told(self) -> str:
        return f"{counted(self._unreadable, 'image')} cannot be read." if self._unreadable else ""


def _sentences(*parts: str) -> str:
    return " ".join(filter(None, parts))


def memorised(context: Context) -> Section | None:
    """Show the closest pairs with their distance; None if no stage searched for them or the store has none."""
    blocks: list[Block] = []
    try:
        for made in closest_pairs(Shelf(context.run, context.store)):
            blocks.append(_pairs(made))
    except (StoreError, StageError, OSError) as e:
        blocks.append(Listing("Not shown", (first_line(str(e)),)))
    lead = "A copy of a training image would stand here first, at a distance near 0."
    return Section("memorisation", "Memorisation", tuple(blocks), lead) if blocks else None


def _pairs(made: Made) -> Strip:
    shown = list(islice(rows(made.artifact), PAIRS))
    pictures = [thumbnail(r.path, _alt(r), label=_distance(r), note=_sides(r)) for r in shown]
    unreadable = sum(p is None for p in pictures)
    caption = f"Left generated, right the nearest training image; nearest first{where(made)}."
    caption += f" {unreadable} of {len(shown)} cannot be read." if unreadable else ""
    return Strip(made.name, caption, (), (tuple(pictures),))


def _distance(row: Row) -> str:
    distance = row.columns.get("distance")
    return f"distance {number(distance)}" if isinstance(distance, int | float) else "distance unknown"


def _sides(row: Row) -> str:
    names = (row.columns.get(side) for side in ("generated", "training"))
    return clean(" | ".join(str(name) for name in names if name is not None), most=120)


def _alt(row: Row) -> str:
    return f"Pair at {_distance(row)}: {_sides(row)}"
