"""Ratings given by people, as an artifact, so that they can be gated like any other metric."""

from __future__ import annotations

from harness.artifact import Json, Ratings
from harness.errors import StageError, UsageError
from harness.review import rating_table
from harness.sources.hub import Source
from harness.stage import Job, stage


@stage(version=1)
def read(*, source: Source, job: Job) -> Ratings:
    """The ratings of one review, from the ``ratings.json`` that ``harness review collect`` wrote.

    Args:
        source: that file, or the folder of the run that has it.
        job: gives the output folder.

    Raises:
        StageError: no such file, a damaged file, or a file without ratings.
    """
    file = source.path / rating_table.FILE if source.path.is_dir() else source.path
    try:
        found = rating_table.read(file)
    except UsageError as e:
        raise StageError(str(e)) from None
    if not found.first:
        raise StageError(f"{file}: nothing is rated in it")
    folder = job.folder()
    rating_table.write(folder / rating_table.FILE, found)
    facts: dict[str, Json] = {
        "raters": len(found.raters),
        "images": len({r.image for r in found.first}),
        "ratings": len(found.first),
        "systems": list(found.systems),
        "asked": found.asked,
    }
    return Ratings(folder, facts)
