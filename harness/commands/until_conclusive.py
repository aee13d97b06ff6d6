"""``harness run --until-conclusive``: which looks a run gets, and what is planned for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.assemble import gate_infos
from harness.commands.judge import Against, opponent
from harness.compare.looks import MOST_SEEDS, declare, useful
from harness.compare.sample import Side
from harness.environment import device_class, environment
from harness.errors import UsageError
from harness.plan import Plan, make
from harness.record import Looks
from harness.record_file import LABEL
from harness.report.numbers import counted
from harness.suite import Suite, continued


def looks_of(plan: Plan, against: Against, most: int) -> Looks:
    """The looks of a run, from what is known before it begins.

    Seeds that the baseline lacks would pair with nothing, so there is no look beyond those that it has: a look that
    can show nothing new would only cost the others their level.

    Raises:
        UsageError: ``most`` is less than the suite's own number, or the suite sweeps no seed.
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
    reach = useful(values, plan.metrics, gate_infos(suite), None if side is None else side.run)
    kept = max(own, reach)
    if kept == most or side is None:
        return declare(own, kept)
    return declare(own, kept, limit=_limit(suite, side, name, reach, most))


def _limit(suite: Suite, side: Side, name: str, reach: int, most: int) -> str:
    """Why more seeds than these would tell nothing."""
    if reach == 0:
        return "no seeds are added: nothing gated depends on a swept seed"
    has = f"no more than {counted(reach, 'seed')} pair with the baseline"
    accepted = side.run.accepted
    if accepted is None:
        return f"{has}: run it with {most} as well"
    is_label = LABEL.fullmatch(name) and name == accepted.label
    return f"{has}; first: harness extend {f'{suite.name}/{name}' if is_label else name} --seeds {most}"


def plans(plan: Plan, looks: Looks) -> Iterator[tuple[Plan, Looks]]:
    """What to run for each look, and the looks as they are recorded once it is taken."""
    for taken, seeds in enumerate(looks.seeds, start=1):
        yield make(continued(plan.suite, seeds), only=plan.only), replace(looks, taken=taken)
