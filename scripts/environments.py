"""Run suites as other machines would, and print a table of their verdicts.

    python scripts/environments.py [--to DIR] [--jobs N] [--only SETTING] SUITE…

Each setting makes this machine compute as another one: a set of instructions (what ATen and oneDNN may use) and a
number of threads. A setting has a store of its own below DIR, so nothing that one computed is served to another. The
runs stay in DIR/<setting>/<suite>/, and `harness calibrate SUITE --environments DIR` makes margins of them. The exit
code is 0 only if every gate of every run is *unchanged*, else 6.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HARNESS = [sys.executable, "-m", "harness"]

ISA = {"default": "SSE41", "avx2": "AVX2"}
"""ATen's name of a set of instructions → oneDNN's."""
THREADS = (1, 2, 4)


@dataclass(frozen=True)
class Setting:
    """A machine to compute as."""

    capability: str
    threads: int

    @property
    def name(self) -> str:
        return f"{self.capability}-{self.threads}"

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "ATEN_CPU_CAPABILITY": self.capability,
            "ONEDNN_MAX_CPU_ISA": ISA[self.capability],
            "OMP_NUM_THREADS": str(self.threads),
            "MKL_NUM_THREADS": str(self.threads),
        }


SETTINGS = [Setting(capability, threads) for capability in ISA for threads in THREADS]


def main() -> int:
    options = _options()
    settings = [s for s in SETTINGS if not options.only or s.name in options.only]
    with ThreadPoolExecutor(options.jobs) as pool:
        columns = list(
            pool.map(lambda s: [_cell(s, suite, options.to) for suite in options.suites], settings)
        )
    print("| environment | " + " | ".join(_name(suite) for suite in options.suites) + " |")
    print("| --- |" + " --- |" * len(options.suites))
    for setting, cells in zip(settings, columns, strict=True):
        threads = f"{setting.threads} thread{'' if setting.threads == 1 else 's'}"
        print(f"| {setting.capability}, {threads} | " + " | ".join(cell.text for cell in cells) + " |")
    return 0 if all(cell.unchanged for cells in columns for cell in cells) else 6


@dataclass(frozen=True)
class Cell:
    """What one suite said in one setting."""

    text: str
    unchanged: bool


def _cell(setting: Setting, suite: Path, to: Path) -> Cell:
    """Run a suite in a setting and read the verdicts of its gates from the comparison."""
    out = to / setting.name / _name(suite)
    out.parent.mkdir(parents=True, exist_ok=True)
    environment = {**setting.environment(), "HARNESS_STORE": str(to / setting.name / "store")}
    with out.with_suffix(".log").open("w") as log:
        ran = subprocess.run(
            [*HARNESS, "run", str(suite), "--out", str(out)],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    told = subprocess.run(
        [*HARNESS, "compare", str(out), "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        findings = [f for f in json.loads(told.stdout)["findings"] if f["gated"]]
    except (ValueError, KeyError):
        return Cell(f"failed (exit code {ran.returncode})", False)
    print(f"{setting.name} {_name(suite)}: exit code {ran.returncode}", file=sys.stderr, flush=True)
    others = [f"{f['verdict']}: {f['metric']}.{f['field']}" for f in findings if f["verdict"] != "unchanged"]
    if not findings or others:
        return Cell("; ".join(others) or "no gate was judged", False)
    nearest = max((_share(f) for f in findings), default=0.0)
    return Cell(f"{len(findings)} unchanged, at most {nearest:.0%} of a margin", True)


def _share(finding: dict) -> float:
    """How much of its margin a change uses up."""
    margin = finding["margin"]
    return abs(finding["estimate"]["change"]) / margin if margin else 0.0


def _name(suite: Path) -> str:
    return f"{suite.parent.name}-{suite.stem}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suites", nargs="+", type=Path, metavar="SUITE")
    parser.add_argument("--to", type=Path, default=Path("build/environments"), metavar="DIR")
    parser.add_argument("--jobs", type=int, default=1, help="settings that run at the same time")
    parser.add_argument(
        "--only", action="append", choices=[s.name for s in SETTINGS], help="this setting alone (repeatable)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
