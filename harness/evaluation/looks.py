"""The looks of a run that adds seeds until it is conclusive, and the plan of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from harness.compare.planning import MOST_SEEDS, declare, useful
from harness.compare.sample import Side
from harness.compare.wording import counted
from harness.engine.plan import Plan, make
from harness.errors import UsageError
from harness.evaluation.approved_suite import gates_of
from harness.evaluation.baseline_choice import Against, opponent
from harness.store.environment import device_class, environment
from harness.store.record import Looks
from harness.store.record_file import LABEL
from harness.suite import Suite, continued


def looks_of(plan: Plan, against: Against, most: int, suite_file: Path) -> Looks:
    """Choose the looks of a run from what is known before it begins.

    There is no look beyond the baseline's seeds, since further seeds would have no pair. A look without new evidence
    would only reduce the level of the others.

    Raises:
        UsageError: ``most`` is less than the suite's own number of seeds, or the suite sweeps no seed.
    """
    suite = plan.suite
    if not suite.seeds:
        raise UsageError("--until-conclusive adds seeds, and the suite sweeps none")
    own = len(suite.seeds[0].values)
    if not own <= most <= MOST_SEEDS:
        raise UsageError(f"--max-seeds {most}: the suite has {own} already, and {MOST_SEEDS:,} are the most")
    label = against.baseline or device_class(environment())
    side, name = opponent(suite.project, against, suite.name, label)
    values = {axis.field: axis.values for axis in continued(suite, most).seeds}
    reach = useful(
        values, plan.metrics, gates_of(suite, against.ref, suite_file), None if side is None else side.run
    )
    kept = max(own, reach)
    if kept == most or side is None:
        return declare(own, kept)
    return declare(own, kept, limit=_limit(suite, side, name, reach, most))


def _limit(suite: Suite, side: Side, name: str, reach: int, most: int) -> str:
    """Explain why more seeds would add no evidence."""
    if reach == 0:
        return "no seeds are added: nothing gated depends on a swept seed"
    has = f"no more than {counted(reach, 'seed')} pair with the baseline"
    accepted = side.run.accepted
    if accepted is None:
        return f"{has}: run it with {most} as well"
    is_label = LABEL.fullmatch(name) and name == accepted.label
    return f"{has}; first: harness extend {f'{suite.name}/{name}' if is_label else name} --seeds {most}"


def plans(plan: Plan, looks: Looks) -> Iterator[tuple[Plan, Looks]]:
    """Yield for each look the plan to run, and the looks as recorded once it is taken."""
    for taken, seeds in enumerate(looks.seeds, start=1):
        yield make(continued(plan.suite, seeds), only=plan.only, code=plan.code), replace(looks, taken=taken)
