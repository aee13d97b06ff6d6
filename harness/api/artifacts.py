"""What stages made, as paths and in the forms of numpy, pandas and datasets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import artifact as kinds
from harness.api.frames import needed
from harness.artifact import Json
from harness.errors import HarnessError, StageError, UsageError
from harness.evaluation.artifact_choice import Stored
from harness.formats import corpus, features, image_folder, likelihoods
from harness.formats.strict_json import objects
from harness.store.artifacts import Store
from harness.store.entries import ONLY
from harness.store.run_artifacts import Made, is_kind

if TYPE_CHECKING:
    import datasets
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

PREDICTIONS = "predictions.parquet"
TABLES: Mapping[type[kinds.Artifact], str] = {
    kinds.Predictions: PREDICTIONS,
    kinds.Corpus: corpus.TABLE,
    kinds.Likelihoods: likelihoods.TABLE,
    kinds.Index: "passages.parquet",
}
"""Kinds that are one parquet table → its file."""
ROWS = (kinds.Images, kinds.Captions, kinds.Features, kinds.Texts, kinds.EncodedPrompts)
"""Kinds with a row for each item in ``metadata.jsonl``."""


@dataclass(frozen=True)
class Artifact:
    """What one task of a stage made. The folder belongs to the store: read it, and copy what is to be changed."""

    name: str
    """The stage's name in the suite, or ``stage.output``."""
    kind: str
    """Name of its kind in ``harness.artifact`` (which says what the folder holds), or in another package."""
    path: Path
    """Its folder."""
    at: Mapping[str, Json]
    """The point and the seeds that it was made at."""
    facts: Mapping[str, Json] = field(default_factory=dict)
    """What it says of itself: counts, class names, what was left out."""

    @classmethod
    def of(cls, stored: Stored) -> Artifact:
        """An artifact whose files were checked."""
        return cls(stored.name, stored.kind, stored.folder, stored.at, stored.facts)

    @classmethod
    def on(cls, made: Made, store: Store) -> Artifact:
        """An artifact on a run's shelf."""
        entry = store.get(made.task.key)
        facts = entry.outputs[made.output or ONLY].facts if entry else {}
        return cls(made.name, made.kind, made.path, {**made.task.point, **made.task.seeds}, facts)

    def to_numpy(self) -> NDArray[np.float32]:
        """Feature vectors as float32 of shape (N, D), a read-only memory map; logits of predictions as (N, C).

        The rows are in the order of ``to_frame``.

        Raises:
            UsageError: another kind of artifact; or its files are damaged.
        """
        if self._is_a(kinds.Features):
            with _readable():
                return features.read(kinds.Features(self.path, self.facts)).values
        if self._is_a(kinds.Predictions):
            import numpy as np

            logits = self._table(PREDICTIONS)["logits"].combine_chunks()
            width = len(logits[0]) if len(logits) else 0
            values: NDArray[np.float32] = np.asarray(logits.flatten()).reshape(len(logits), width)
            return values
        raise self._no("numbers", "features and predictions have them")

    def to_frame(self) -> pd.DataFrame:
        """The table of predictions, likelihoods, a corpus or an index; the rows of ``metadata.jsonl`` of images,
        captions, prompts, features and texts.

        Raises:
            UsageError: another kind of artifact; its files are damaged; or pandas is not installed.
        """
        pandas = needed("pandas")
        if file := self._file():
            frame: pd.DataFrame = self._table(file).to_pandas()
            return frame
        if any(map(self._is_a, ROWS)):
            rows: pd.DataFrame = pandas.DataFrame(self._rows())
            return rows
        raise self._no("table", "see harness.artifact for what its folder holds")

    def to_dataset(self) -> datasets.Dataset:
        """A data set of the library ``datasets``: images are decoded when they are asked for (column ``image``), a
        table has its columns, and a data set that a stage packed is as it would be published.

        Raises:
            UsageError: another kind of artifact; its files are damaged; or datasets is not installed.
        """
        library: Any = needed("datasets")
        if file := self._file():
            return library.Dataset(self._table(file))
        if self._is_a(kinds.DataSet):
            import pyarrow as pa

            shards = sorted((self.path / "data").glob("*.parquet"))
            return library.Dataset(pa.concat_tables([self._table(f"data/{shard.name}") for shard in shards]))
        if not any(map(self._is_a, ROWS)):
            raise self._no("rows", "see harness.artifact for what its folder holds")
        rows = self._rows()
        if not self._is_a(kinds.Images):
            return library.Dataset.from_list(rows)
        pictures = [{"image": str(self.path / str(row["file_name"])), **row} for row in rows]
        return library.Dataset.from_list(pictures).cast_column("image", library.Image())

    def _rows(self) -> list[dict[str, Any]]:
        with _readable():
            return [row for _, row in objects(self.path / image_folder.METADATA)]

    def _table(self, name: str) -> Any:
        import pyarrow as pa
        from pyarrow import parquet

        file = self.path / name
        try:
            with file.open("rb") as content:
                return parquet.ParquetFile(content).read()
        except (OSError, pa.ArrowException) as e:
            problem = str(e).partition("\n")[0]
            raise UsageError(f"{file}: cannot be read ({problem})") from None

    def _file(self) -> str | None:
        return next((file for kind, file in TABLES.items() if self._is_a(kind)), None)

    def _is_a(self, kind: type[kinds.Artifact]) -> bool:
        return is_kind(self.kind, kind)

    def _no(self, what: str, more: str) -> UsageError:
        return UsageError(
            f"{self.name}: no {what} in the kind {self.kind}; its folder is {self.path} ({more})"
        )


class _readable:  # noqa: N801
    """Turns what readers raise while a task runs into what a caller of the Python interface expects."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: object) -> None:
        if isinstance(error, StageError):
            raise UsageError(str(error)) from None
        assert error is None or isinstance(error, HarnessError | OSError), error
