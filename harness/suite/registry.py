"""Find the stage function that a name in ``use: module.function`` refers to.

The module is below ``harness.stages.data``, ``harness.stages.systems`` or ``harness.stages.metrics``, or another
package registers it in the entry-point group ``harness.stages`` (entry name = the word in ``use:``). Only the module
that is asked for is imported.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from importlib import metadata
from types import ModuleType

from harness.errors import HarnessError, UsageError, described, nearest, text_of
from harness.stage import Stage

GROUP = "harness.stages"
OURS = "this harness"
PACKAGES = ("harness.stages.data", "harness.stages.systems", "harness.stages.metrics")


class UnknownStageError(UsageError):
    """No stage has the name; the message gives the nearest names."""


class BrokenModuleError(UsageError):
    """A module of stages cannot be imported; the message names the package, the module and the cause."""


@dataclass(frozen=True)
class _Home:
    module: str
    """Name of the module to import."""
    origin: str
    """The package that it belongs to, for messages."""


def find(name: str) -> Stage:
    """The stage that ``use: name`` refers to.

    Raises:
        UnknownStageError: no such module, or the module has no such stage.
        UsageError: two packages claim the module's word, or the module cannot be imported.
    """
    word, _, function = name.partition(".")
    if not word or not function or "." in function:
        raise UnknownStageError(f"{name!r} is not of the form module.function, as in 'scenes.draw'")
    homes = _homes()
    if word in homes:
        stages = _stages(word, homes[word])
        if function in stages:
            return stages[function]
        raise UnknownStageError(f"no stage {name!r}; {word!r} has {_list(stages)}{_nearest(name, stages)}")
    similar = {
        s.name: s
        for guess in get_close_matches(word, homes, n=1)
        for s in _stages(guess, homes[guess]).values()
    }
    close = _nearest(name, similar) or nearest(word, homes)
    raise UnknownStageError(f"no stage {name!r}, for there is no module {word!r}{close}")


def all_stages(skipped: list[str] | None = None) -> list[Stage]:
    """All stages and metrics, by name.

    Args:
        skipped: list that gets a line for each module of another package that cannot be imported; without it, the
            first such module is an error.

    Raises:
        UsageError: two packages claim one word, or a module cannot be imported.
    """
    found: list[Stage] = []
    for word, home in _homes().items():
        try:
            found += _stages(word, home).values()
        except BrokenModuleError as e:
            if skipped is None or home.origin == OURS:
                raise
            skipped.append(str(e))
    return sorted(found, key=lambda s: s.name)


def is_taken(word: str) -> bool:
    """Whether a module of stages is known by this word, as in ``use: word.function``.

    Raises:
        UsageError: two packages claim one word.
    """
    return word in _homes()


def _homes() -> Mapping[str, _Home]:
    return _homes_on(tuple(sys.path))


@lru_cache(maxsize=8)
def _homes_on(_path: tuple[str, ...]) -> dict[str, _Home]:
    """Module words and their modules; installed packages are looked up once for each ``sys.path``."""
    homes: dict[str, _Home] = {}
    for package in PACKAGES:
        for info in pkgutil.iter_modules(importlib.import_module(package).__path__):
            if not info.name.startswith("_"):
                _claim(homes, info.name, _Home(f"{package}.{info.name}", OURS))
    for entry in metadata.entry_points(group=GROUP):
        origin = entry.dist.name if entry.dist else "an unnamed package"
        if not entry.name.isidentifier():
            raise UsageError(
                f"entry point {entry.name!r} of {origin} in {GROUP!r}: the name must be one word"
            )
        _claim(homes, entry.name, _Home(entry.value.strip(), origin))
    return homes


def _claim(homes: dict[str, _Home], word: str, home: _Home) -> None:
    other = homes.setdefault(word, home)
    if other != home:
        raise UsageError(
            f"two packages claim stages '{word}.…': {other.module} ({other.origin}) and "
            f"{home.module} ({home.origin}); uninstall one or rename its entry point"
        )


def _stages(word: str, home: _Home) -> dict[str, Stage]:
    """The stages that are defined in a module (or below it, if it is a package), by function name."""
    try:
        return _defined(word, importlib.import_module(home.module))
    except KeyboardInterrupt:
        raise
    except BaseException as e:  # the module is third-party code and may raise anything
        what = text_of(e) if isinstance(e, HarnessError) else ""
        raise BrokenModuleError(_broken(word, home, what or described(e))) from e


def _defined(word: str, module: ModuleType) -> dict[str, Stage]:
    found: dict[str, Stage] = {}
    for name, value in vars(module).items():
        declared = getattr(value, "__stage__", None)
        if not isinstance(declared, Stage) or value.__name__ != name:
            continue
        if f"{value.__module__}.".startswith(f"{module.__name__}."):
            found[name] = replace(declared, name=f"{word}.{name}")
    return found


def _broken(word: str, home: _Home, cause: str) -> str:
    return f"stages '{word}.…' of {home.origin}: {home.module} does not import: {cause}"


def _nearest(name: str, stages: Mapping[str, Stage]) -> str:
    return nearest(name, (s.name for s in stages.values()))


def _list(stages: Mapping[str, Stage]) -> str:
    return ", ".join(sorted(stages)) or "no stages"
