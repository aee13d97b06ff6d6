"""How plots look: one palette, one set of sizes, and bytes that depend on nothing but the data."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4D4D4D")
"""Okabe and Ito's colours, told apart with any kind of colour vision; without their yellow, which is too light."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
"""Another number of them than of colours, so that together they name 56 groups."""
INK, QUIET, FAINT = "#222222", "#6B6B6B", "#E4E4E4"

WIDTH_IN = 7.2
_SETTINGS: dict[RcKeyType, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same text everywhere
    "font.size": 9.0,
    "axes.labelsize": 9.0,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "text.color": INK,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "figure.facecolor": "white",  # a light card on a dark page
    "savefig.facecolor": "white",
    "svg.fonttype": "path",
    "svg.hashsalt": "harness",
}


@contextmanager
def settings() -> Iterator[None]:
    """Our settings and matplotlib's own defaults, whatever the user's ``matplotlibrc`` says."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        # A script that the font lacks is shown as boxes; the report has the text beside the picture.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def plot(height_in: float) -> tuple[Figure, Axes]:
    """A figure with one plot in it, whose legend will stand on its right."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, height_in), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)  # measures text without a screen
    return figure, figure.subplots()


def to_svg(figure: Figure) -> bytes:
    """Self-contained, without date or creator: equal figures are equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def colour(index: int) -> str:
    return PALETTE[index % len(PALETTE)]


def marker(index: int) -> str:
    return MARKERS[index % len(MARKERS)]


def plain_ticks(axis: Any, values: list[float], *, at_least: float) -> bool:
    """Make an axis logarithmic, with plain numbers, where positive values span a factor of ``at_least``."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = min(values), max(values)
    if low <= 0 or high < at_least * low:
        return False
    axis._set_axes_scale("log")
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 1e3 * low else (1.0,)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    return True
