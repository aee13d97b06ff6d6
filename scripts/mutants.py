"""Change the code of the verdict a little, in thousands of ways, and see whether the tests notice.

    python scripts/mutants.py [--sample N] [MODULE…]

mutmut makes the changes (`[tool.mutmut]` in pyproject.toml says in which modules, and which tests may notice) and runs
the tests that reach each. A table says how many were noticed. Those that were not and are listed as harmless, with the
reason, in tests/mutants/harmless.toml are let be; the others are printed. The exit code is 0 only if in every module at
least 95 of 100 were noticed and all others are listed. What is known from the last time is kept in mutants/.
All mutants take hours; ``--sample N`` runs N of each module, drawn at random but always the same.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

NOTICED = {"killed", "timeout", "segfault"}
ALIVE = {"survived", "no tests", "suspicious"}
"""In mutmut's words. The others were not run."""
LEAST = 0.95
FEW = "harness.engine.keys.x_*"
"""Mutants of a few functions."""
HARMLESS = Path("tests/mutants/harmless.toml")


@dataclass(frozen=True)
class Mutant:
    """One change of one function."""

    name: str
    module: str
    noticed: bool

    @property
    def change(self) -> tuple[str, str, str]:
        """The function, the lines that went and those that came: what does not depend on the other mutants."""
        from mutmut.mutation.diff_apply import get_diff_for_mutant

        lines = get_diff_for_mutant(self.name).splitlines()
        gone, come = (
            "\n".join(line[1:].strip() for line in lines if line[:1] == sign and line[:3] != 3 * sign)
            for sign in "-+"
        )
        mangled = self.name.partition("__mutmut_")[0].removeprefix(f"{self.module}.")
        function = mangled.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
        return f"{self.module}.{function}", gone, come


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Do the tests notice small changes of the code of the verdict?"
    )
    parser.add_argument("--sample", type=int, metavar="N", help="so many of each module, in place of all")
    parser.add_argument("modules", nargs="*", metavar="MODULE")
    given = parser.parse_args()
    modules: list[str] = given.modules
    if given.sample is None:
        _mutate([f"{module}.*" for module in modules])
    else:
        _mutate([FEW])  # which makes the mutants of all modules
        _mutate(sorted(_drawn(modules, given.sample)))
    listed = tomllib.loads(HARMLESS.read_text(encoding="utf-8")).get("harmless", [])
    harmless = {(entry["of"], entry["gone"].strip(), entry["come"].strip()) for entry in listed}
    by_module: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in _found(modules):
        by_module[mutant.module].append(mutant)
    unlisted: list[tuple[str, tuple[str, str, str]]] = []
    low = False
    print(f"{'module':32} {'mutants':>8} {'noticed':>8} {'share':>7} {'harmless':>9} {'neither':>8}")
    for module, mutants in sorted(by_module.items()):
        alive = [(m.name, m.change) for m in mutants if not m.noticed]
        neither = [(name, change) for name, change in alive if change not in harmless]
        share = 1 - len(alive) / len(mutants)
        low = low or share < LEAST
        unlisted += neither
        counts = f"{len(mutants):8} {len(mutants) - len(alive):8} {share:7.1%}"
        print(f"{module:32} {counts} {len(alive) - len(neither):9} {len(neither):8}")
    for name, (_, gone, come) in unlisted:
        print(f"\n{name}\n- {gone}\n+ {come}")
    return int(low or bool(unlisted) or not by_module)


def _mutate(names: list[str]) -> None:
    """Run the mutants of these names, or all."""
    subprocess.run([sys.executable, "-m", "mutmut", "run", "--max-children", "2", *names], check=True)


def _drawn(modules: list[str], count: int) -> list[str]:
    """So many mutants of each module, always the same."""
    drawn = []
    for module, codes in _made(modules).items():
        names = sorted(codes)
        drawn += random.Random(module).sample(names, min(count, len(names)))
    return drawn


def _made(modules: list[str]) -> dict[str, dict[str, int | None]]:
    """Module → name of each of its mutants → what its tests ended with, None where it was not run."""
    made = {}
    for file in Path("mutants").rglob("*.py.meta"):
        module = ".".join(file.relative_to("mutants").with_suffix("").with_suffix("").parts)
        module = module.removesuffix(".__init__")
        if not modules or module in modules:
            made[module] = json.loads(file.read_text(encoding="utf-8"))["exit_code_by_key"]
    return made


def _found(modules: list[str]) -> list[Mutant]:
    from mutmut.stats import status_by_exit_code as status

    ended = [(n, module, status[c]) for module, codes in _made(modules).items() for n, c in codes.items()]
    return [Mutant(name, module, s in NOTICED) for name, module, s in ended if s in NOTICED | ALIVE]


if __name__ == "__main__":
    sys.exit(main())
