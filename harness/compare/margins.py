"""Which margin a verdict used, where the suite's file or the accepted run has another one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.compare.comparison import Finding
from harness.record import GateInfo


def beside(
    finding: Finding, used: Sequence[GateInfo], file: Sequence[GateInfo], accepted: Sequence[GateInfo]
) -> Finding:
    """The finding, with a sentence where its margin is not the only one there is.

    Args:
        finding: of a comparison with a baseline.
        used: the gates that were judged; those of the merge base under ``--baseline-ref``.
        file: the gates of the suite as it was run.
        accepted: the gates that the baseline was accepted with.
    """
    mine, files, theirs = (_of(finding, gates) for gates in (used, file, accepted))
    told = []
    if mine != files:
        told.append(f"judged with {_said(mine)} of the merge base, not with {_said(files)} of the file")
    elif mine is not None and theirs is not None and mine != theirs:
        told.append(f"judged with {_said(mine)}; the baseline was accepted with {_said(theirs)}")
    return replace(finding, beside=(*finding.beside, *told))


def _of(finding: Finding, gates: Sequence[GateInfo]) -> tuple[float, bool] | None:
    """Margin, and whether it is relative; None where nothing gates what the finding is about."""
    for gate in gates:
        at = dict(finding.at) if finding.gated and finding.against is None else {}
        is_here = (gate.metric, gate.field) == (finding.metric, finding.field)
        if is_here and dict(gate.at) == at and gate.against_reference == (finding.against is not None):
            return gate.margin, gate.relative
    return None


def _said(margin: tuple[float, bool] | None) -> str:
    if margin is None:
        return "no margin"
    value, relative = margin
    return f"the margin {100 * value:g} %" if relative else f"the margin {value:g}"
