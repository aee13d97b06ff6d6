"""``harness plan``: shows the tasks of a suite, and what its gates will be able to detect."""

from __future__ import annotations

from argparse import Namespace

from harness.cli.commands.run import prepare, requested
from harness.compare import baseline as baselines
from harness.compare.foresight import Outlook, outlooks
from harness.compare.sample import Side
from harness.engine.plan import Plan
from harness.engine.recording import gate_infos
from harness.errors import Exit, UsageError
from harness.report.console import ReportConsole
from harness.report.plan import print_gates, print_plan
from harness.store.environment import device_class, environment


def main(o: Namespace) -> Exit:
    """``harness plan``."""
    prepared = prepare(requested(o), download=False)
    console = ReportConsole()
    print_plan(console, prepared.plan, prepared.store, every=o.all)
    print_gates(console, foresee(prepared.plan))
    return Exit.OK


def foresee(plan: Plan) -> list[Outlook]:
    """Return an outlook per gate, based on the baseline of this device class if it can be read."""
    suite = plan.suite
    baseline: Side | None
    try:
        baseline = baselines.find(suite.project, suite.name, device_class(environment()))
    except UsageError:  # a plan needs no baseline; `harness run` reports what is wrong with it
        baseline = None
    repeats = {
        name: len({r.seeds[info.seeds[0]] for s in plan.scores if s.metric == name for r in s.repeats})
        for name, info in plan.metrics.items()
        if info.seeds
    }
    return list(outlooks(gate_infos(suite), plan.metrics, repeats, baseline))
