"""Labels at points of a plot that overlap neither one another nor the points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.report.figures import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

Label = tuple[float, float, str, bool]
"""x and y in the plot's data, the text, and whether it stands out."""

_POINT_PX = 8.0
"""Half the side of the square that a point takes."""
_PLACES = ((1, 0), (0, 1), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))
"""Where a label may stand as seen from its point, the best first."""
_GAPS_PX = (11.0, 18.0, 28.0)
_LEADER_FROM_PX = 18.0


def place_labels(axes: Axes, labels: Sequence[Label]) -> None:
    """Put each label at the first free place around its point, nearest first.

    Those that come first choose first. One that does not stand out and finds no room is left out: colour,
    marker and axis tell its point. One that stands out is joined to its point where it had to move away.
    The plot's limits must be final, its figure drawn once.
    """
    from matplotlib.transforms import Bbox

    axes.autoscale(False)
    spots = [axes.transData.transform((x, y)) for x, y, _, _ in labels]
    r = _POINT_PX
    taken = [Bbox.from_extents(x - r, y - r, x + r, y + r) for x, y in spots]
    for (_, _, text, stands_out), (x, y) in zip(labels, spots, strict=True):
        width, height = _size(axes, text, stands_out)
        for gap, (dx, dy) in ((g, place) for g in _GAPS_PX for place in _PLACES):
            box = _box(x + dx * gap, y + dy * gap, dx, dy, width, height)
            if not _is_inside(box, axes.bbox) or any(box.overlaps(other) for other in taken):
                continue
            if gap >= _LEADER_FROM_PX and not stands_out:
                break
            _write(axes, text, box, stands_out, (x, y) if gap >= _LEADER_FROM_PX else None)
            taken.append(box)
            break


def _size(axes: Axes, text: str, stands_out: bool) -> tuple[float, float]:
    """In pixels."""
    probe = axes.text(0, 0, text, **_look(stands_out))
    box = probe.get_window_extent()
    probe.remove()
    return box.width, box.height


def _look(stands_out: bool) -> dict[str, Any]:
    return {"fontsize": 8.5, "color": style.INK} if stands_out else {"fontsize": 7.5, "color": style.QUIET}


def _box(x: float, y: float, dx: int, dy: int, width: float, height: float) -> Bbox:
    """The label's rectangle whose side (or corner) that faces the point lies at (x, y)."""
    from matplotlib.transforms import Bbox

    left = x - width * (1 - dx) / 2
    bottom = y - height * (1 - dy) / 2
    return Bbox.from_bounds(left, bottom, width, height)


def _is_inside(box: Bbox, frame: Bbox) -> bool:
    return bool(box.x0 >= frame.x0 and box.x1 <= frame.x1 and box.y0 >= frame.y0 and box.y1 <= frame.y1)


def _write(axes: Axes, text: str, box: Bbox, stands_out: bool, leader_to: tuple[float, float] | None) -> None:
    to_data = axes.transData.inverted()
    card = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.5}  # legible on lines
    x, y = to_data.transform(((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2))
    axes.text(x, y, text, ha="center", va="center", zorder=6, bbox=card, **_look(stands_out))
    if leader_to is not None:
        near = min(max(leader_to[0], box.x0), box.x1), min(max(leader_to[1], box.y0), box.y1)
        line = to_data.transform((near, leader_to))
        axes.plot(line[:, 0], line[:, 1], color=style.QUIET, linewidth=0.6, zorder=2)
