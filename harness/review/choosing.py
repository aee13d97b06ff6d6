"""Selects and orders the images that people rate: balanced, mixed with real images, some shown twice.

Deterministic: the same pool, counts and seed give the same selection.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.artifact import EncodedPrompts, GeneratedImages, Images, Json
from harness.compare import wording
from harness.errors import UsageError, nearest
from harness.formats.image_folder import Row, rows
from harness.formats.strict_json import canonical
from harness.store.artifacts import Store
from harness.store.record import Run
from harness.store.run_artifacts import Made, Shelf

REAL = "real images"
"""Name of the system of the controls."""

Asked = Literal["class", "sentence", ""]
"""What reviewers see as the request for an image; empty if not all images have a class, or all a sentence."""


@dataclass(frozen=True)
class System:
    """A source of images: a stage at a point of the matrix, or real images."""

    name: str
    """Display name, such as ``"images (scheduler=ddim, steps=10)"``."""
    stage: str
    point: Mapping[str, Json]
    control: bool = False


@dataclass(frozen=True)
class Picture:
    """An image of a system."""

    system: System
    seeds: Mapping[str, int]
    """Seeds of the repeat in which it was made."""
    row: Row

    @property
    def name(self) -> str:
        """Name of the image, the same in every review of the run."""
        return canonical([self.system.stage, self.system.point, self.seeds, self.row.name])


@dataclass(frozen=True)
class Pool:
    """All images to choose from."""

    systems: Mapping[str, Sequence[Picture]]
    """System name → its images."""
    controls: Sequence[Picture]
    """Real images; empty if the run has none."""
    asked: Asked


def pool(run: Run, store: Store, stages: Sequence[str], controls: str | None) -> Pool:
    """Collect the images of ``stages`` (by default of all that generate images), and real images as controls.

    Args:
        run: run whose images are used.
        store: store with the images.
        stages: ``stage`` or ``stage.output`` names; empty: generated images that were not selected from others.
        controls: the stage with the real images; None: those that the prompts are from, else the nearest.

    Raises:
        UsageError: a name does not match any stage with such images, or the store has no images to rate.
        StageError: an image folder cannot be read.
    """
    shelf = Shelf(run, store)
    generated = shelf.by_name(GeneratedImages)
    chosen = _named(stages, generated, "generated") if stages else _first_hand(shelf, generated)
    if not chosen:
        raise UsageError(
            f"{run.id}: no generated images in the store {store.root}; run the suite again, or name the store "
            "it ran with (--store)"
        )
    systems: dict[str, list[Picture]] = {}
    for made in (m for name in chosen for m in generated[name]):
        system = System(_called(made), made.name, made.task.point)
        systems.setdefault(system.name, []).extend(_pictures(made, system))
    systems = {name: pictures for name, pictures in systems.items() if pictures}
    if not systems:
        raise UsageError(f"{run.id}: {', '.join(chosen)}: no images in it")
    real = _controls(shelf, [generated[name][0] for name in chosen], controls)
    everything = [p for pictures in systems.values() for p in pictures] + real
    return Pool(systems, real, _asked(everything))


def _named(names: Sequence[str], there: Mapping[str, Sequence[Made]], what: str) -> list[str]:
    for name in names:
        if name not in there:
            known = ", ".join(there) or "none in the store"
            raise UsageError(
                f"{name}: no {what} images of the run (there are: {known}){nearest(name, there)}"
            )
    return list(dict.fromkeys(names))


def _first_hand(shelf: Shelf, generated: Mapping[str, Sequence[Made]]) -> list[str]:
    """Return the stages that generate images themselves, without filters and data sets that only pass them on."""
    return [
        name
        for name, made in generated.items()
        if not any(m.is_a(GeneratedImages) for m in shelf.behind(made[0]))
    ]


def _called(made: Made) -> str:
    place = wording.point(made.task.point)
    return f"{made.name} ({place})" if place else made.name


def _pictures(made: Made, system: System) -> list[Picture]:
    return [Picture(system, made.task.seeds, row) for row in rows(Images(made.path))]


def _controls(shelf: Shelf, made: Sequence[Made], named: str | None) -> list[Picture]:
    """Return the real images of one stage."""
    real = {
        name: found
        for name, found in shelf.by_name(Images).items()
        if not any(m.is_a(GeneratedImages) for m in (found[0], *shelf.behind(found[0])))
    }
    if named is not None:
        _named([named], real, "real")
        source = real[named][0]
    else:
        nearest_first = [m for one in made for m in _behind_prompts(shelf, one) if m.name in real]
        if not nearest_first:
            return []
        source = next((m for m in nearest_first if _is_origin(m, made[0])), nearest_first[0])
    return _pictures(source, System(REAL, source.name, source.task.point, control=True))


def _behind_prompts(shelf: Shelf, made: Made) -> list[Made]:
    """List upstream folders, nearest first. If prompts were encoded, their sources precede training images."""
    prompts = next((m for m in shelf.behind(made) if m.is_a(EncodedPrompts)), made)
    return [*shelf.behind(prompts), *shelf.behind(made)]


def _is_origin(real: Made, made: Made) -> bool:
    """Whether the prompts of ``made`` are from the images of ``real``."""
    of = {str(row.columns.get("of")) for row in rows(Images(made.path))}
    return any(row.name in of for row in rows(Images(real.path)))


def _asked(pictures: Sequence[Picture]) -> Asked:
    if all(p.row.label for p in pictures):
        return "class"
    return "sentence" if all(p.row.captions for p in pictures) else ""


def asked_for(picture: Picture, asked: Asked) -> str:
    """Return what the image should show, for the reviewer."""
    if asked == "class":
        return str(picture.row.label)
    return picture.row.captions[0] if asked == "sentence" else ""


CONTROLS = 0.2
"""Share of real images."""
REPEATS = 10
"""One in ``REPEATS`` images is shown twice, at least a third of the review apart."""
LEAST = 6


@dataclass(frozen=True)
class Showing:
    """One position in the order."""

    picture: Picture
    again: bool
    """Whether it is the second showing."""


def choose(pool: Pool, count: int, seed: int) -> list[Showing]:
    """Choose ``count`` different images in page order, and a tenth of them a second time.

    The numbers of images per system differ by at most one; within a system, so do those per class.

    Raises:
        UsageError: there are fewer images than ``count``, or ``count`` is too small to rate every system.
    """
    rng = random.Random(seed)
    real = min(max(round(CONTROLS * count), 1), len(pool.controls)) if pool.controls else 0
    least = max(LEAST, len(pool.systems) + real)
    if count < least:
        raise UsageError(
            f"--count {count}: {len(pool.systems)} systems and {real} real images need {least} at least"
        )
    queues = [_by_class(pictures, rng, turn) for turn, pictures in enumerate(pool.systems.values())]
    rng.shuffle(queues)
    chosen = _in_turn(queues, count - real) + _by_class(pool.controls, rng, 0)[:real]
    if len(chosen) < count:
        raise UsageError(f"--count {count}: the run has {len(chosen)} images to rate")
    rng.shuffle(chosen)
    return _with_repeats(chosen, rng)


def _by_class(pictures: Sequence[Picture], rng: random.Random, turn: int) -> list[Picture]:
    """Shuffle pictures so that the classes take turns; ``turn`` is the index of the first class."""
    shuffled = list(pictures)
    rng.shuffle(shuffled)
    seen: Counter[str] = Counter()
    labels = sorted({p.row.label or "" for p in pictures})
    rank = {label: (i - turn) % len(labels) for i, label in enumerate(labels)}
    placed = []
    for picture in shuffled:
        label = picture.row.label or ""
        placed.append((seen[label], rank[label], picture))
        seen[label] += 1
    return [picture for *_, picture in sorted(placed, key=lambda p: p[:2])]


def _in_turn(queues: Sequence[Sequence[Picture]], count: int) -> list[Picture]:
    """Return the first of every queue, then the second of every queue, and so on."""
    longest = max(map(len, queues), default=0)
    return [queue[i] for i in range(longest) for queue in queues if i < len(queue)][:count]


def _with_repeats(order: Sequence[Picture], rng: random.Random) -> list[Showing]:
    """Add second showings: images of the first third are repeated in the last third."""
    third = len(order) // 3
    again = rng.sample(list(order[:third]), -(-len(order) // REPEATS))
    late = [Showing(p, False) for p in order[2 * third :]] + [Showing(p, True) for p in again]
    rng.shuffle(late)
    return [Showing(p, False) for p in order[: 2 * third]] + late
