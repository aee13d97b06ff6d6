"""Change the code of the verdict a little, in thousands of ways, and see whether the tests notice.

    python scripts/mutants.py [MODULE…]

mutmut makes the changes (`[tool.mutmut]` in pyproject.toml says in which modules, and which tests may notice) and runs
the tests that reach each. A table says how many were noticed. Those that were not and are listed as harmless, with the
reason, in tests/mutants/harmless.toml are let be; the others are printed. The exit code is 0 only if in every module at
least 95 of 100 were noticed and all others are listed. What is known from the last time is kept in mutants/.
"""

from __future__ import annotations

import json
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
    modules = sys.argv[1:]
    patterns = [f"{module}.*" for module in modules]
    subprocess.run([sys.executable, "-m", "mutmut", "run", "--max-children", "2", *patterns], check=True)
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


def _found(modules: list[str]) -> list[Mutant]:
    from mutmut.stats import status_by_exit_code as status

    found = []
    for file in Path("mutants").rglob("*.py.meta"):
        module = ".".join(file.relative_to("mutants").with_suffix("").with_suffix("").parts)
        module = module.removesuffix(".__init__")
        codes = json.loads(file.read_text(encoding="utf-8"))["exit_code_by_key"]
        if not modules or module in modules:
            ended = {name: status[code] for name, code in codes.items()}
            found += [Mutant(n, module, s in NOTICED) for n, s in ended.items() if s in NOTICED | ALIVE]
    return found


if __name__ == "__main__":
    sys.exit(main())
