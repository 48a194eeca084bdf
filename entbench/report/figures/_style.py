"""What the figures share: colours, grids, axes and the legend."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

from entbench.report._intervals import FEWEST

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.text import Text
    from numpy.typing import NDArray

Drawn = TypeVar("Drawn")

# Okabe and Ito's colours, ordered so that neighbours differ in lightness too, then two of Tol's, as
# one suite has nine estimators; each with a marker:
# the lines can be told apart in grey and by the colour-blind.
STYLES = [
    ("#0072B2", "o"),
    ("#E69F00", "s"),
    ("#000000", "^"),
    ("#CC79A7", "D"),
    ("#009E73", "v"),
    ("#56B4E9", "P"),
    ("#D55E00", "X"),
    ("#7F7F7F", "*"),
    ("#882255", "p"),
    ("#999933", "h"),
]
GREY = "#555555"
# what stands for 0 and infinity on a logarithmic axis, beyond every frame
_LEAST, _MOST = 1e-30, 1e30
# the frame around the lines, as factors: the most that is shown of bands beyond, and the margin
_BEYOND, _MARGIN = math.sqrt(10.0), 1.15
_PANEL_INCHES = 4.6
_TITLE_LETTERS = 54
_LEGEND_INCHES = 2.9
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def style_of(position: int) -> tuple[str, str]:
    """Return colour and marker of a line; when all are used, colours come with other markers."""
    count = len(STYLES)
    return STYLES[position % count][0], STYLES[(position + position // count) % count][1]


def panels_for(count: int) -> tuple[Figure, NDArray[Any]]:
    """Return a figure with a grid of that many panels and place for a legend; the rest is off."""
    columns = min(math.ceil(math.sqrt(count)), 3)
    lines = math.ceil(count / columns)
    figure = Figure(
        figsize=(_PANEL_INCHES * columns + _LEGEND_INCHES, 3.9 * lines + 0.3), layout="constrained"
    )
    grid = figure.subplots(lines, columns, squeeze=False)
    for axes in grid.flat[count:]:
        axes.set_axis_off()
    return figure, grid


def lowest(grid: NDArray[Any], count: int) -> Sequence[Axes]:
    """Return the panels that have none below."""
    columns = grid.shape[1]
    return list(grid.flat[max(0, count - columns) : count])


def draw_with_band(
    axes: Axes,
    x: Sequence[float],
    y: Sequence[float],
    intervals: Sequence[tuple[float, float] | None],
    label: str,
    position: int,
) -> None:
    """Draw a line with markers, and its intervals as a band where each of its points has one.

    The band goes from one end of an interval to the other, however far; it has no part in the
    limits of the axes, and the frame cuts it (see `frame_data`). A single point has a bar.
    """
    color, marker = style_of(position)
    axes.plot(
        x,
        y,
        color=color,
        marker=marker,
        markersize=5,
        markeredgecolor="white",
        markeredgewidth=0.5,
        linewidth=1.4,
        label=label,
        zorder=3.0 - 0.01 * position,  # the first lies on top
    )
    ends = [interval for interval in intervals if interval is not None]
    if not ends or len(ends) != len(x):
        return
    draw_intervals(axes, x, ends, color, joined=len(x) > 1)


def draw_intervals(
    axes: Axes,
    x: Sequence[float],
    ends: Sequence[tuple[float, float]],
    color: str,
    joined: bool = False,
) -> None:
    """Draw intervals as bars, or joined to a band, beyond the frame where they end there."""
    low = [max(end[0], _LEAST) for end in ends]
    high = [min(end[1], _MOST) for end in ends]
    if joined:
        axes.fill_between(x, low, high, color=color, alpha=0.2, linewidth=0)
    else:
        axes.vlines(x, low, high, color=color, alpha=0.4, linewidth=3)


def bands_legend(of: str, trials: int, called: str = "bands") -> str:
    """Return the legend's words for bands and bars: of which quantity the intervals are."""
    few = f",\nfewer than {FEWEST}: too few where\nerrors are skewed" if trials < FEWEST else ""
    return f"{called}: 95 % intervals of the\n{of},\nfrom {trials} trials{few}; cut at the frame"


def draw_bound(axes: Axes, points: dict[float, float], label: str, dashes: Any) -> None:
    """Draw a theoretical line through its points, if there are any."""
    if points:
        x = sorted(points)
        marker = "_" if len(x) == 1 else None
        axes.plot(
            x,
            [points[key] for key in x],
            color=GREY,
            linestyle=dashes,
            linewidth=1.2,
            marker=marker,
            label=label,
        )


def wrapped(title: str) -> str:
    """Return a title in lines that a panel has room for, broken after commas."""
    lines: list[str] = []
    for line in title.splitlines():
        lines.append("")
        for part in line.replace(",", ",\0").split("\0"):
            if lines[-1] and len(lines[-1]) + len(part) > _TITLE_LETTERS:
                lines.append("")
            lines[-1] += part
    return "\n".join(lines)


def dress_log_log(axes: Axes, title: str) -> None:
    """Make both axes logarithmic, and finish them."""
    axes.set_xscale("log")
    drawn = [np.asarray(line.get_xdata(), dtype=np.float64) for line in axes.lines]
    x = np.unique(np.concatenate(drawn)) if drawn else np.empty(0)
    # less than a decade: no power of ten may lie within, and all between are too crowded to read
    if len(x) > 0 and x[-1] < 10.0 * x[0]:
        axes.set_xticks(x, [f"{value:g}" for value in x])
        axes.xaxis.set_minor_locator(NullLocator())
    dress_log(axes, title)


def dress_log(axes: Axes, title: str) -> None:
    """Make the vertical axis logarithmic, set the limits by the lines, and finish both."""
    axes.set_yscale("log")
    frame_data(axes)
    axes.set_title(wrapped(title), fontsize="medium", loc="left")
    axes.yaxis.set_minor_locator(LogLocator(subs=range(2, 10)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    plain(axes)


def frame_data(axes: Axes) -> None:
    """Set the limits of a logarithmic vertical axis by the lines; bands are cut at the frame.

    Half a decade of bands is seen beyond the lines, where they go so far.
    """
    drawn = [np.asarray(line.get_ydata(), dtype=np.float64) for line in axes.lines]
    y = np.concatenate(drawn) if drawn else np.empty(0)
    y = y[np.isfinite(y) & (y > 0.0)]
    if not len(y):
        return
    low, high = y.min(), y.max()
    ends = [band.get_datalim(axes.transData).intervaly for band in axes.collections]
    wanted = np.clip([end for pair in ends for end in pair], low / _BEYOND, high * _BEYOND)
    axes.set_ylim(min([low, *wanted]) / _MARGIN, max([high, *wanted]) * _MARGIN)


def plain(axes: Axes) -> None:
    """Give a panel a light grid, and two spines."""
    axes.grid(which="major", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def add_legend(figure: Figure, grid: Any, title: str) -> None:
    """Name every line once, beside the panels."""
    entries: dict[str, Artist] = {}
    for axes in grid.flat:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside right upper",
        frameon=False,
        fontsize="small",
        title=title,
        title_fontsize="small",
        alignment="left",
    )


def as_written(draw: Callable[[Drawn], Figure]) -> Callable[[Drawn], Figure]:
    """Return the function with every text of its figures, but numbers at ticks, taken as it is.

    Names come from users: a dollar sign in one is no formula, and a control character no glyph.
    """

    @wraps(draw)
    def drawn(data: Drawn) -> Figure:
        figure = draw(data)
        for text in _texts(figure):
            text.set_parse_math(False)
            text.set_text(_CONTROL.sub("\ufffd", text.get_text()))
        return figure

    return drawn


def _texts(figure: Figure) -> Iterator[Text]:
    yield from figure.texts  # the figure's own title among them
    legends = list(figure.legends)
    for axes in figure.axes:
        yield from (axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts)
        yield from (getattr(axes, f"_{side}_title") for side in ("left", "right"))
        own = axes.get_legend()
        legends += [own] if own is not None else []
    for legend in legends:
        yield from (*legend.get_texts(), legend.get_title())
