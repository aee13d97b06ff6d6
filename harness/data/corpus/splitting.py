"""A part of a corpus that is held out from training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from harness.artifact import Corpus, Json
from harness.data.corpus import table
from harness.data.corpus.overlap import overlap as overlap_of
from harness.data.corpus.table import Row
from harness.data.order import drawn
from harness.errors import StageError
from harness.stage import Count, Fraction, Job, Seed, stage


class Split(NamedTuple):
    train: Corpus
    held_out: Corpus


@stage(version=1)
def split(
    corpus: Corpus,
    *,
    held_out: Count | Fraction,
    by: Literal["document", "row"] = "document",
    overlap: Count = 13,
    seed: Seed = 0,
    job: Job,
) -> Split:
    """Hold out a part of a corpus, at random, and count what it repeats of the rest.

    By document, no document is on both sides, and a low perplexity is not a memory of it. By row, as in much of the
    literature, the chunks before and after a held-out one are trained on: they share its names, its subject
    and, where a page repeats itself, its words, so the score is too good.

    Args:
        corpus: rows keep their order on both sides.
        held_out: how many rows, or which part of them (0 to 1). By document it is reached as nearly as whole
            documents allow: they are drawn one after the other, and one that would be too much is passed over.
        by: what is drawn.
        overlap: words in the n-grams that are counted (``facts["overlap"]``); it changes no row.
        seed: which ones. A document more or less leaves the order in which the others are drawn as it was.

    Raises:
        StageError: a side would be empty.
    """
    rows = table.read(corpus.path)
    wanted = held_out if isinstance(held_out, int) else round(held_out * len(rows))
    names = [row.document if by == "document" else f"{row.document}\n{row.row}" for row in rows]
    sizes = Counter(names)
    if not 0 < wanted < len(rows):
        raise StageError(f"held_out: {wanted} of {len(rows)} rows leaves one side empty")
    if len(sizes) < 2:
        raise StageError(f"by: document cannot divide {len(rows)} rows of one document; by: row can")
    taken = _taken(sizes, wanted, seed)
    sides: dict[str, list[Row]] = {"train": [], "held_out": []}
    for name, row in zip(names, rows, strict=True):
        sides["held_out" if name in taken else "train"].append(row)
    texts = {side: [row.text for row in members] for side, members in sides.items()}
    shared = overlap_of(texts["train"], texts["held_out"], overlap).to_json()
    return Split(**{side: _written(members, len(rows), shared, side, job) for side, members in sides.items()})


def _taken(sizes: Mapping[str, int], wanted: int, seed: int) -> set[str]:
    """Names whose sizes add up to nearly ``wanted``: at least one, and not all."""
    taken, count = set[str](), 0
    order = drawn(sizes, seed)
    for name in order:
        if count + sizes[name] <= wanted:
            taken.add(name)
            count += sizes[name]
    rest = [name for name in order if name not in taken]
    smallest = min(rest, key=lambda name: sizes[name])
    brings_closer = len(rest) > 1 and abs(count + sizes[smallest] - wanted) < wanted - count
    return taken | {smallest} if brings_closer or not taken else taken


def _written(rows: Sequence[Row], total: int, shared: Json, side: str, job: Job) -> Corpus:
    folder = job.folder(side)
    table.write(folder, rows)
    return Corpus(folder, {**table.count(rows), "share": len(rows) / total, "overlap": shared})
