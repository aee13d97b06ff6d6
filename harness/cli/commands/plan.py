"""``harness plan``: what the gates of a suite will be able to see."""

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
    """An outlook per gate, from the baseline of this device class where there is one that can be read."""
    suite = plan.suite
    baseline: Side | None
    try:
        baseline = baselines.find(suite.project, suite.name, device_class(environment()))
    except UsageError:  # a plan needs none; `harness run` says what is wrong with it
        baseline = None
    repeats = {
        name: len({r.seeds[info.seeds[0]] for s in plan.scores if s.metric == name for r in s.repeats})
        for name, info in plan.metrics.items()
        if info.seeds
    }
    return list(outlooks(gate_infos(suite), plan.metrics, repeats, baseline))
