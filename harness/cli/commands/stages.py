"""``harness stages``: prints the stages that a suite can use, as read from their signatures."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from harness.errors import Exit
from harness.report import streams
from harness.report.console import ReportConsole
from harness.stage import REQUIRED, Parameter, Stage
from harness.suite import registry
from harness.suite.typed import describe, to_json


def main(o: Namespace) -> Exit:
    """``harness stages``."""
    if o.json:
        streams.document(to_document(o.name))
    else:
        print_stages(ReportConsole(), o.name)
    return Exit.OK


SCHEMA = "harness.stages/1"


def to_document(name: str | None) -> dict[str, Any]:
    """Return one stage, or all stages, JSON-safe.

    Raises:
        UsageError: there is no stage of that name.
    """
    broken: list[str] = []
    found = registry.all_stages(broken) if name is None else [registry.find(name)]
    return {"schema": SCHEMA, "stages": [_described(stage) for stage in found], "broken": broken}


def _described(stage: Stage) -> dict[str, Any]:
    return {
        "name": stage.name,
        "version": stage.version,
        "about": stage.about,
        "is_metric": stage.is_metric,
        "inputs": {
            n: {"kind": spec.kind.__name__, "many": spec.many, "optional": spec.optional}
            for n, spec in stage.inputs.items()
        },
        "parameters": {
            n: {
                "type": describe(p.type),
                "required": p.default is REQUIRED,
                "default": None if p.default is REQUIRED else to_json(p.default),
                "mark": p.mark.value if p.mark else None,
            }
            for n, p in stage.parameters.items()
        },
        "outputs": {n: kind.__name__ for n, kind in stage.outputs.items()},
        "scores": None
        if stage.scores is None
        else {n: direction.better if direction else None for n, direction in stage.scores.items()},
    }


def print_stages(console: Console, name: str | None) -> None:
    """Print one stage in full, or all stages with their inputs and parameters.

    Raises:
        UsageError: there is no stage of that name.
    """
    if name is not None:
        _print_one(console, registry.find(name))
        return
    broken: list[str] = []
    stages = registry.all_stages(broken)
    for title, metrics in (("Stages", False), ("Metrics", True)):
        console.print(f"[bold]{title}[/bold]")
        for stage in stages:
            if stage.is_metric is metrics:
                console.print(f"  [bold cyan]{stage.name}[/bold cyan] → {_returns(stage)}", highlight=False)
                words = [*(_input(stage, n) for n in stage.inputs), *stage.parameters]
                for text, style in ((stage.about.partition("\n")[0], ""), (", ".join(words), "dim")):
                    console.print(Padding(Text(text, style), (0, 0, 0, 6), expand=False))
        console.print()
    for problem in broken:
        streams.warn(problem)
    console.print("harness stages NAME shows one in full.", style="dim", highlight=False)


def _print_one(console: Console, stage: Stage) -> None:
    console.print(
        f"[bold cyan]{stage.name}[/bold cyan] (version {stage.version}) → {_returns(stage)}", highlight=False
    )
    console.print(stage.about, markup=False, highlight=False)
    console.print("\n[bold]inputs[/bold]" if stage.inputs else "", highlight=False)
    for name in stage.inputs:
        console.print(f"  {_input(stage, name)}", markup=False, highlight=False)
    console.print("[bold]parameters[/bold]")
    for name, parameter in stage.parameters.items():
        console.print(
            f"  {name}: {describe(parameter.type)}{_default(parameter)}", markup=False, highlight=False
        )


def _input(stage: Stage, name: str) -> str:
    spec = stage.inputs[name]
    return (
        f"{name}: {spec.kind.__name__}{' list' if spec.many else ''}{' (optional)' if spec.optional else ''}"
    )


def _default(parameter: Parameter) -> str:
    mark = f" [{parameter.mark.value}]" if parameter.mark else ""
    if parameter.default is REQUIRED:
        return f"{mark} (required)"
    return f" = {json.dumps(to_json(parameter.default), ensure_ascii=False)}{mark}"


def _returns(stage: Stage) -> str:
    if stage.scores is not None:
        return ", ".join(f"{f} ({d.better} is better)" if d else f for f, d in stage.scores.items())
    return ", ".join(f"{n}: {k.__name__}" if n else k.__name__ for n, k in stage.outputs.items())
