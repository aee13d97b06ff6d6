"""A run or a baseline, and a comparison, as objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness import compare
from harness.api import frames
from harness.api.artifacts import Artifact
from harness.artifact import Json
from harness.compare import Finding, Proposal, verdict
from harness.compare import baseline as baselines
from harness.compare.outcome import outcome
from harness.compare.sample import Side
from harness.errors import Exit, UsageError
from harness.evaluation import record_choice
from harness.evaluation.artifact_choice import find
from harness.evaluation.baseline_choice import Against, judge, side, within
from harness.report import streams
from harness.store.artifacts import Store
from harness.store.record import Run
from harness.store.run_artifacts import Shelf
from harness.store.tiers import open_store

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Comparison:
    """A run compared with a baseline, with another run, or with a point of its own."""

    data: compare.Comparison
    """All of it, as ``docs/run-json.md`` describes it."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """One for each field compared: verdict, estimate with interval, margin, reason."""
        return self.data.findings

    @property
    def outcome(self) -> str:
        """The result in a word: ``improved``, ``unchanged``, ``regressed``, ``inconclusive``, ``incomparable``,
        ``missing``, ``no baseline``, ``failed``, ``not gated``, ``proposed`` or ``worse`` (a proposal for the worse).
        """
        return outcome(self.data).word

    @property
    def exit(self) -> Exit:
        """The exit code that the command would end with, without ``--strict``."""
        return self.data.exit()

    @property
    def proposal(self) -> Proposal | None:
        """The baseline that the change under review brings; None if it brings none."""
        return self.data.proposal

    def to_frame(self) -> pd.DataFrame:
        """A row for each finding.

        Columns: ``metric``, ``field``, one for each axis (missing where the finding is a mean over it), ``against``
        (the reference point, or missing: the baseline), ``gated``, ``verdict``, ``baseline``, ``candidate``,
        ``change``, ``low``, ``high``, ``margin``, ``p``, ``unit``, ``repeats``, ``reason``.

        Raises:
            UsageError: pandas is not installed.
        """
        return frames.findings(self.findings)


@dataclass(frozen=True)
class Result:
    """A run, or a baseline: what was recorded, what it was compared with, and what is still in the store of it."""

    path: Path
    """The run's folder, or the baseline's file."""
    project: Path
    side: Side = field(repr=False)
    """The record and the reader of its per-item rows."""
    compared: compare.Comparison | None = field(repr=False)
    """The comparison that the run was recorded with; None for a baseline, and where the run ended before it."""
    store: Store = field(repr=False)
    warnings: tuple[str, ...] = ()
    """What a command would have printed on standard error."""

    @classmethod
    def read(cls, path: Path, project: Path, store: Path | None = None) -> Result:
        """Read a run's folder or a baseline's file.

        Raises:
            UsageError: it cannot be read, or is a baseline that was edited after it was accepted.
        """
        found = side(path)
        compared = None if path.is_file() else compare.stored(path, found.run)
        return cls(path, project, found, compared, open_store(store, project))

    @property
    def record(self) -> Run:
        """All that was recorded, as ``docs/run-json.md`` describes it."""
        return self.side.run

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def suite(self) -> str:
        """The suite's name."""
        return self.record.suite

    @property
    def label(self) -> str | None:
        """The label of a baseline; None for a run."""
        return self.record.accepted.label if self.record.accepted else None

    @property
    def report(self) -> Path | None:
        """``report.html``; None for a baseline, and where it was not written."""
        file = self.path / "report.html"
        return file if file.is_file() else None

    @property
    def comparison(self) -> Comparison | None:
        """The comparison that the run was recorded with."""
        return None if self.compared is None else Comparison(self.compared)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Those of the recorded comparison; empty for a baseline."""
        return () if self.compared is None else self.compared.findings

    @property
    def outcome(self) -> str:
        """As ``Comparison.outcome``, of the recorded comparison; ``not compared`` where there is none."""
        return "not compared" if self.compared is None else outcome(self.compared).word

    @property
    def exit(self) -> Exit | None:
        """The exit code of the recorded comparison, without ``--strict``; None where there is none."""
        return None if self.compared is None else self.compared.exit()

    def to_frame(self) -> pd.DataFrame:
        """All scores in long form, a row for each field of each metric at each point and repeat.

        Columns: ``metric``, ``field``, one for each axis of the matrix (``images.scheduler``), one for each swept seed
        (``images.seed``, Int64), and ``value``. An axis or a seed that does not reach a metric is missing in its rows.
        The value is missing where the task failed.

        Raises:
            UsageError: pandas is not installed.
        """
        return frames.scores(self.record)

    def items(self) -> pd.DataFrame:
        """The per-item rows in long form: the columns of ``to_frame``, and ``item`` and ``cluster`` before ``value``.

        Raises:
            UsageError: pandas is not installed, or the file of the rows is damaged.
        """
        return frames.items(self.record, self.side.items)

    def compare(self, other: Result | str | Path | None = None) -> Comparison:
        """Compare with another record.

        Args:
            other: a run or a baseline; a label of a baseline of the suite, or what ``harness.load`` takes; None: the
                baseline of the run's device class.

        Raises:
            UsageError: there is no such record.
        """
        if isinstance(other, str | Path):
            labelled = self.project / baselines.FOLDER / self.suite / f"{other}.json"
            path = labelled if labelled.is_file() else record_choice.record(str(other), self.project)
            other = Result.read(path, self.project)
        if not isinstance(other, Result | None):
            raise UsageError(f"compare: {other!r}: expected a run, a baseline, or the name of one")
        if other is not None:
            name = other.label or other.id
            return Comparison(verdict.compare(self.side, other.side, self.record.gates, name=name))
        if self.path.is_file():
            raise UsageError(f"{self.path}: a baseline; name what it shall be compared with")
        with streams.keeping():
            return Comparison(judge(self.path, self.project, Against()))

    def within(self, reference: Mapping[str, Json]) -> Comparison:
        """Compare the other points of axes with one point of the same run.

        Args:
            reference: axis → value.

        Raises:
            UsageError: an axis or a value that the run does not have.
        """
        with streams.keeping():
            return Comparison(within(self.path, reference))

    def artifact(self, stage: str, at: Mapping[str, Json] | None = None) -> Artifact:
        """Return what a stage made, from the store.

        Args:
            stage: name of the stage in the suite, or ``stage.output`` if it has several outputs.
            at: axis or seed → value: as much as is needed to select one task of the stage.

        Raises:
            UsageError: no stage or point matches, or several do; or the artifact is not in the store or is damaged.
        """
        wanted = {name: str(value) for name, value in (at or {}).items()}
        return Artifact.of(find(self.record, self.store, stage, wanted))

    def artifacts(self) -> list[Artifact]:
        """What the store still has of the run, in the order of its tasks. Their files are not checked.

        Raises:
            StoreError: the store cannot be read.
        """
        return [Artifact.on(made, self.store) for made in Shelf(self.record, self.store)]
