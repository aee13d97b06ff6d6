"""The contract of a stage: a typed function whose signature is the schema of its YAML.

Parameters before ``*`` are inputs (artifacts of other stages), keyword-only parameters are literals, and the return
annotation names the outputs. The contract is checked when the module is imported, before anything is planned.

    @stage(version=1, software=("torch",))
    def train(data: LabelledImages, *, epochs: Count = 20, seed: Seed = 0, job: Job) -> Classifier: ...
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import (
    Annotated,
    Any,
    ClassVar,
    Generic,
    Literal,
    ParamSpec,
    Protocol,
    TypeVar,
    get_args,
    get_origin,
)

from annotated_types import Ge, Gt, Interval

from harness.artifact import Artifact, Json

__contract__ = "how stages talk to the harness, not what they compute: no part of a source digest"

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
V = TypeVar("V")


class Mark(Enum):
    """Roles that a parameter may have."""

    SEED = "seed"
    EXECUTION = "execution"
    READING = "reading"


Seed = Annotated[int, Mark.SEED, Ge(0)]
"""A random seed; 0 if the suite does not set it. If swept under ``seeds:``, it makes repeats and is not part of a
protocol. If fixed, it is part of the protocol, because it determines the data."""

Execution = Annotated[T, Mark.EXECUTION]
"""``Execution[int]``: how the work is done, not what it computes (batch size). Part of the key but not of the protocol:
a test shows in fp32 that the output does not depend on it."""

Reading = Annotated[T, Mark.READING]
"""``Reading[int | None]``: how external data is read for measuring (size, bands, columns), not what it is. Part of the
protocol even if the stage is the subject, because measuring is not under test."""

Count = Annotated[int, Ge(1)]
Fraction = Annotated[float, Interval(ge=0, le=1)]
Positive = Annotated[float, Gt(0)]
NonNegative = Annotated[float, Ge(0)]


class Choices(Generic[V]):
    """A table of which one entry is chosen: ``SCHEDULERS = Choices({"ddim": …, "pndm": …})``.

    A parameter annotated ``Annotated[…, SCHEDULERS]`` chooses by its value (for ``family:name``, by the family). The
    key of a task then includes the digest of that entry only, so adding or changing other entries reruns nothing. So
    code may only look up the chosen entry: ``TABLE[name]``, ``name in TABLE``, and ``TABLE.names`` for messages. For an
    input with this annotation, the stage that made it has chosen.
    """

    def __init__(self, entries: Mapping[str, V]) -> None:
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> V:
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all entries, for messages only: they must not affect a result."""
        return tuple(self._entries)

    __iter__ = None
    """Iteration is disabled, because iterating code depends on all entries."""


@dataclass(frozen=True)
class Direction:
    """The better direction of a value, the least |baseline| for a relative margin (``floor``), and its range."""

    better: Literal["higher", "lower"]
    floor: float = 0.0
    low: float | None = None
    """Least possible value; None if unbounded."""
    high: float | None = None
    """Largest possible value; None if unbounded."""


Higher = Annotated[float, Direction("higher")]
"""A score field that is better when higher. ``Annotated[float, Direction("higher", floor=0.1)]`` adds a floor."""
Lower = Annotated[float, Direction("lower")]
HigherShare = Annotated[float, Direction("higher", low=0.0, high=1.0)]
"""A share, such as an accuracy. A margin beyond its range is a mistake that plans and reports point out."""
LowerShare = Annotated[float, Direction("lower", low=0.0, high=1.0)]


@dataclass(frozen=True)
class Items:
    """Per-item rows behind a score.

    ``columns[f]`` holds one float per item for a score field ``f``. Its mean over the items *is* that field's value,
    which justifies an interval over items. A field that is not a mean of items (F1, a Fréchet distance) has
    pseudo-values: the field's value plus the influence of the item on it, which is n times the derivative by the item's
    weight (the infinitesimal jackknife). If a field has two samples, the row of an item of sample s is
    value + (n / n_s) · influence, and names must not collide.
    """

    item: Sequence[str]
    """One name per row, unique; the same item has the same name in every run."""
    columns: Mapping[str, Sequence[float]]
    cluster: Sequence[str] | None = None
    """The cluster of each row, if items are not independent (chunks of one document)."""


LARGEST = 1e150
"""Largest absolute value of a score. Beyond it, deviations cannot be squared and values cannot be compared."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Base class of a metric's result.

    Subclasses add float fields: ``Higher``, ``Lower``, or a plain float, which is reported but cannot be gated.
    """

    TIMED: ClassVar[bool] = False
    """Whether the values were read from a clock or a memory counter during the work. They are meaningful only if the
    work was done, not if its result came from the store."""

    items: Items | None = None
    conditions: Mapping[str, Json] = field(default_factory=dict)
    """Observations that determine comparability, mainly N per side. Become part of the protocol."""
    details: Mapping[str, Json] = field(default_factory=dict)
    """Small evidence for the report: per-class tables, a confusion matrix."""
    steps: Mapping[str, float] = field(default_factory=dict)
    """For fields with a coarse grid of values: the least amount by which one item can change them (accuracy of n items:
    1/n). No interval over repeats is narrower than the difference that such a grid can hide."""


BESIDE_VALUES = frozenset(f.name for f in fields(Scores))
"""Fields that a metric returns besides its values."""


class Job(Protocol):
    """The services that a running stage can use. Nothing here changes what the stage computes."""

    @property
    def device(self) -> str:
        """A torch device string: ``"cuda"`` if available, else ``"cpu"``."""

    @property
    def scratch(self) -> Path:
        """A folder for checkpoints. It survives a killed run and is passed to the next attempt."""

    def folder(self, output: str = "") -> Path:
        """Create a new, empty folder for one output (its field name if the stage returns several)."""

    def progress(self, done: int, total: int, what: str) -> None:
        """Report progress; cheap enough to call for every batch."""

    def log(self, line: str) -> None:
        """Write one line to the task's log, which is shown if the task fails."""


@dataclass(frozen=True)
class Input:
    kind: type[Artifact]
    many: bool = False
    """Whether it takes a list of ``stage.output`` (``tuple[Images, ...]``)."""
    optional: bool = False


@dataclass(frozen=True)
class Parameter:
    type: Any
    """The annotation without marks; used to parse the suite's text."""
    default: Any
    """``REQUIRED`` if the suite must set it."""
    mark: Mark | None = None


class _Required(Enum):
    REQUIRED = "required"


REQUIRED = _Required.REQUIRED


@dataclass(frozen=True)
class Resources:
    """What a stage needs of the machine that runs it. Part of no key."""

    gpu: Literal["none", "one", "all"] = "one"
    """``none``: it never uses an accelerator. ``one``: it uses one if there is one. ``all``: it uses every one."""
    memory_gb: float | None = None
    """Main memory that it is known to need, in GB; None if unknown. Tasks that together need more than the machine has
    do not run at the same time."""


Idle = Callable[[Mapping[str, Any]], Mapping[str, str]]
"""Function from all parameters of a stage to those without effect given the others, each with the reason."""


Unfit = Callable[[Mapping[str, Any], str], str]
"""Function from all parameters of a stage and a device (``cpu``, ``cuda``) to why it cannot work there; else empty."""


def _none_idle(_: Mapping[str, Any]) -> Mapping[str, str]:
    return {}


def _always_fit(_: Mapping[str, Any], __: str) -> str:
    return ""


@dataclass(frozen=True)
class Stage:
    """A stage function and the content of its signature."""

    name: str
    """``module.function``, as in ``use:``."""
    function: Callable[..., Any]
    version: int
    software: tuple[str, ...]
    inputs: Mapping[str, Input]
    parameters: Mapping[str, Parameter]
    outputs: Mapping[str, type[Artifact]]
    """Output name → type; a single unnamed output is ``""``. Empty for a metric."""
    scores: Mapping[str, Direction | None] | None
    """For a metric: its value fields and the better direction of each (None: cannot be gated)."""
    takes_job: bool
    idle: Idle = _none_idle
    """Finds parameters without effect. A suite that sets such a parameter, or sweeps such a seed, is refused."""
    timed: bool = False
    """For a metric: see ``Scores.TIMED``."""
    resources: Resources = Resources()
    unfit: Unfit = _always_fit
    """Finds parameters that cannot work on a device. A run that has no other device is refused before it begins."""

    def draws(self, parameters: Mapping[str, Any]) -> bool:
        """Whether it has a seed that affects the output under these parameters."""
        idle = self.idle(parameters)
        return any(spec.mark is Mark.SEED and name not in idle for name, spec in self.parameters.items())

    @property
    def is_metric(self) -> bool:
        return self.scores is not None

    @property
    def about(self) -> str:
        return inspect.getdoc(self.function) or ""


def stage(
    *,
    version: int,
    software: tuple[str, ...] = (),
    idle: Idle = _none_idle,
    resources: Resources | None = None,
    unfit: Unfit = _always_fit,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Declare a function as a stage.

    Args:
        version: increased by the author if the *meaning* of the result changes; part of the protocol.
        software: distributions (import names) whose versions the result may depend on; part of the key.
        idle: finds parameters without effect given the others, such as a seed if nothing is drawn.
        resources: what it needs of the machine. By default a stage that declares ``torch`` as software uses an
            accelerator if there is one, and others use none.
        unfit: finds parameters that cannot work on a device, such as a precision that a CPU does not train in.

    Raises:
        TypeError: the signature breaks the contract.
    """

    def declare(function: Callable[P, R]) -> Callable[P, R]:
        needs = resources or Resources("one" if "torch" in software else "none")
        function.__stage__ = _inspect(function, version, software, idle, needs, unfit)  # type: ignore[attr-defined]
        return function

    return declare


def _inspect(
    function: Callable[..., Any],
    version: int,
    software: tuple[str, ...],
    idle: Idle,
    resources: Resources,
    unfit: Unfit,
) -> Stage:
    name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
    hints = typing.get_type_hints(function, include_extras=True)
    inputs: dict[str, Input] = {}
    parameters: dict[str, Parameter] = {}
    takes_job = False
    for p in inspect.signature(function).parameters.values():
        if p.name not in hints:
            raise TypeError(f"stage {name}: parameter {p.name!r} has no type")
        if p.kind is p.POSITIONAL_OR_KEYWORD:
            inputs[p.name] = _input(name, p.name, hints[p.name], optional=p.default is not p.empty)
        elif p.kind is not p.KEYWORD_ONLY:
            raise TypeError(f"stage {name}: {p.name!r} must be a named parameter")
        elif hints[p.name] is Job:
            takes_job = True
        else:
            default = REQUIRED if p.default is p.empty else p.default
            parameters[p.name] = _parameter(name, p.name, hints[p.name], default)
    clash = {"use", "image"} & (inputs.keys() | parameters.keys())
    if clash:
        raise TypeError(f"stage {name}: {clash.pop()!r} is a word of the suite file, not a parameter name")
    result = hints.get("return")
    scores = _scores(name, result) if _is(result, Scores) else None
    outputs = {} if scores is not None else _outputs(name, result)
    timed = _is(result, Scores) and bool(getattr(result, "TIMED", False))
    return Stage(
        name,
        function,
        version,
        software,
        inputs,
        parameters,
        outputs,
        scores,
        takes_job,
        idle,
        timed,
        resources,
        unfit,
    )


def _is(t: object, base: type) -> bool:
    return isinstance(t, type) and issubclass(t, base)


def _input(stage_name: str, name: str, hint: Any, optional: bool) -> Input:
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    args = get_args(hint)
    if get_origin(hint) is tuple and len(args) == 2 and args[1] is Ellipsis and _is(args[0], Artifact):
        return Input(args[0], many=True, optional=optional)
    if get_origin(hint) in (typing.Union, types.UnionType):
        kinds = [a for a in args if a is not type(None)]
        if len(kinds) == 1 and _is(kinds[0], Artifact) and len(args) == 2:
            return Input(kinds[0], optional=True)
    if _is(hint, Artifact):
        return Input(hint, optional=optional)
    raise TypeError(f"stage {stage_name}: input {name!r} must be a kind of artifact (literals go after *)")


def _parameter(stage_name: str, name: str, hint: Any, default: Any) -> Parameter:
    mark = None
    if any(isinstance(e, Mark) for alternative in get_args(hint) for e in get_args(alternative)[1:]):
        raise TypeError(
            f"stage {stage_name}: {name!r}: Seed, Execution and Reading mark a whole parameter, "
            "as in Execution[int | None]"
        )
    if get_origin(hint) is Annotated:
        base, *extras = get_args(hint)
        marks = [e for e in extras if isinstance(e, Mark)]
        rest = [e for e in extras if not isinstance(e, Mark)]
        if marks:
            mark = marks[0]
            hint = Annotated[(base, *rest)] if rest else base
    if mark is Mark.SEED and default is REQUIRED:
        default = 0
    return Parameter(hint, default if default is REQUIRED else _as_read(hint, default), mark)


def _as_read(hint: Any, default: Any) -> Any:
    """Return a default as if read from a suite's text, so that ``1`` and ``1.0`` for a float have the same key."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is float and type(default) in (int, float):
        return float(default) + 0.0  # -0.0 and 0.0 are one value
    if origin is Annotated:
        return _as_read(args[0], default)
    if origin in (typing.Union, types.UnionType):
        if type(default) is int and any(int in (a, *get_args(a)[:1]) for a in args):
            return default
        for member in args:
            default = _as_read(member, default)
    elif origin is tuple and isinstance(default, tuple):
        items = args[:1] * len(default) if args[-1] is Ellipsis else args
        return tuple(_as_read(item, value) for item, value in zip(items, default, strict=True))
    elif origin is list and isinstance(default, list):
        return [_as_read(args[0], value) for value in default]
    elif _is(origin, Mapping) and isinstance(default, Mapping):
        return {name: _as_read(args[1], value) for name, value in default.items()}
    return default


def _outputs(stage_name: str, result: Any) -> dict[str, type[Artifact]]:
    if _is(result, Artifact):
        return {"": result}
    if _is(result, tuple) and hasattr(result, "_fields"):
        kinds = typing.get_type_hints(result)
        if kinds and all(_is(k, Artifact) for k in kinds.values()):
            return kinds
    raise TypeError(f"stage {stage_name}: must return an artifact, a NamedTuple of artifacts, or Scores")


def _scores(stage_name: str, result: Any) -> dict[str, Direction | None]:
    if not is_dataclass(result):
        raise TypeError(f"stage {stage_name}: {result.__name__} must be a dataclass")
    assert isinstance(result, type)
    hints = typing.get_type_hints(result, include_extras=True)
    found: dict[str, Direction | None] = {}
    for f in fields(result):
        if f.name in BESIDE_VALUES:
            continue
        hint = hints[f.name]
        base = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        if base is not float:
            raise TypeError(f"stage {stage_name}: score field {f.name!r} must be a float (the rest: details)")
        extras = get_args(hint)[1:] if base is not hint else ()
        found[f.name] = next((e for e in extras if isinstance(e, Direction)), None)
    if not found:
        raise TypeError(f"stage {stage_name}: {result.__name__} has no value")
    return found
