"""A figure as SVG inside a page: text as text, its own ids, and what each point's value is."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.patches import StepPatch

from entbench.report.html._page import UNSEEN

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Transform
    from numpy.typing import NDArray

_POINTS_PER_INCH = 72.0  # of SVG; what is drawn at another density is not where it says it is
_PIXELS_PER_INCH = 96.0  # of a browser
_STYLE: Any = {"svg.fonttype": "none", "svg.hashsalt": "entbench"}
_LINK = "{http://www.w3.org/1999/xlink}href"
_REFERRED = re.compile(r"url\(#([^)]+)\)")
# what the page's style sheet says once for all figures
_DROPPED = ("font-family", "white-space")
_MOST_OF_LINE, _MOST_OF_FIGURE = 200, 2000
_WIDE = 1700  # pixels: a wider figure is scrolled rather than made smaller still
_RADIUS = "5"


@dataclass(frozen=True)
class Drawing:
    """A figure's markup.

    Attributes
    ----------
    svg : str
        One element, with nothing in it that names anything outside.
    points : int
        How many of its points say their values.
    thinned : bool
        Whether there are more that do not.
    """

    svg: str
    points: int
    thinned: bool


def drawing_of(figure: Figure, prefix: str, title: str, description: str) -> Drawing:
    """Return a figure as an element of a page; its ids start with `prefix`."""
    figure.set_dpi(_POINTS_PER_INCH)
    text = io.BytesIO()
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # what matplotlib's font lacks, a browser finds in its own
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing", UserWarning)
        figure.savefig(text, format="svg", metadata=dict.fromkeys(("Date", "Creator")))
    svg = re.sub(r">\s+<", "><", _valid(text.getvalue().decode()))  # without its indents
    root = ElementTree.fromstring(svg)
    _clean(root, prefix)
    _describe(root, prefix, title, description)
    found, thinned = _hits(figure)
    group = ElementTree.SubElement(root, "g", {"class": "hits"})
    for (x, y), texts in found.items():
        at = {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": _RADIUS}
        hit = ElementTree.SubElement(group, "circle", at)
        ElementTree.SubElement(hit, "title").text = "\n".join(texts)
    return Drawing(_valid(ElementTree.tostring(root, encoding="unicode")), len(found), thinned)


def _valid(text: str) -> str:
    return UNSEEN.sub("\ufffd", text)


def _clean(root: ElementTree.Element, prefix: str) -> None:
    """Drop metadata, make ids the figure's own, and styles attributes.

    A page that forbids style attributes is one in which no text from data can be one.
    """
    for parent in list(root.iter()):
        for child in list(parent):
            if _bare(child.tag) in ("metadata", "style"):
                parent.remove(child)
    referred = {name for each in root.iter() for name in _references(each)}
    for each in root.iter():
        each.tag = _bare(each.tag)
        attributes = dict(each.attrib)
        each.attrib.clear()
        for name, value in attributes.items():
            for key, text in _attribute(name, value):
                _set(each, key, text, prefix, referred)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    width = float(root.attrib["viewBox"].split()[2])
    root.set("width", f"{width * _PIXELS_PER_INCH / _POINTS_PER_INCH:.0f}")


def _bare(tag: str) -> str:
    return tag.rpartition("}")[2]


def _references(each: ElementTree.Element) -> Iterator[str]:
    for name, value in each.attrib.items():
        if name == _LINK:
            yield value.removeprefix("#")
        yield from _REFERRED.findall(value)


def _attribute(name: str, value: str) -> Iterator[tuple[str, str]]:
    """Yield a style's parts as attributes of their own, any other as it is."""
    if name != "style":
        yield _bare(name), " ".join(value.split())
        return
    for part in value.split(";"):
        key, _, text = part.partition(":")
        if text and key.strip() not in _DROPPED:
            yield key.strip(), text.strip()


def _set(each: ElementTree.Element, key: str, text: str, prefix: str, referred: set[str]) -> None:
    if key == "id":
        if text in referred:
            each.set("id", prefix + text)
    elif key == "href" and text.startswith("#"):
        each.set("href", f"#{prefix}{text[1:]}")
    elif key == "transform" and text.startswith("rotate(-0"):
        return
    else:
        each.set(key, _REFERRED.sub(rf"url(#{prefix}\1)", text))


def _describe(root: ElementTree.Element, prefix: str, title: str, description: str) -> None:
    texts = {"title": title, "desc": description}
    for name, text in reversed(texts.items()):
        child = ElementTree.Element(name, {"id": f"{prefix}{name}"})
        child.text = text
        root.insert(0, child)
    root.set("role", "img")
    root.set("aria-labelledby", f"{prefix}title")
    root.set("aria-describedby", f"{prefix}desc")
    root.set("class", "figure wide" if float(root.attrib["width"]) > _WIDE else "figure")


def _hits(figure: Figure) -> tuple[dict[tuple[float, float], list[str]], bool]:
    """Return what is said at which places of the picture, and whether more could be."""
    found: dict[tuple[float, float], list[str]] = {}
    thinned = False
    height = figure.get_figheight() * _POINTS_PER_INCH
    named = _names_by_color(figure)
    for axes in figure.axes:
        for label, places, values in _series(axes, named):
            chosen = _spread(len(places), _MOST_OF_LINE)
            thinned |= len(chosen) < len(places)
            for i in chosen:
                if len(found) >= _MOST_OF_FIGURE:
                    return found, True
                key = (round(float(places[i][0]), 1), round(height - float(places[i][1]), 1))
                texts = found.setdefault(key, [])
                said = f"{label}: {values[i]}" if label else values[i]
                if not any(text.endswith(said) for text in texts):
                    texts.append(said)
    return found, thinned


def _spread(count: int, most: int) -> NDArray[np.intp]:
    """Return at most that many of `count` places, the ends among them."""
    if count <= most:
        return np.arange(count)
    return np.unique(np.linspace(0, count - 1, most).round().astype(np.intp))


def _names_by_color(figure: Figure) -> dict[str, str]:
    """Return what a colour stands for, where all that is named in it has one name."""
    names: dict[str, set[str]] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            color = _color(handle)
            if color is not None:
                names.setdefault(color, set()).add(label)
    return {color: labels.pop() for color, labels in names.items() if len(labels) == 1}


def _color(artist: Artist) -> str | None:
    if isinstance(artist, mpl.lines.Line2D):
        return to_hex(artist.get_color())
    if isinstance(artist, StepPatch):
        return to_hex(artist.get_edgecolor())
    return None


def _series(
    axes: Axes, named: dict[str, str]
) -> Iterator[tuple[str, NDArray[np.float64], list[str]]]:
    """Yield name, places and values of all that shows single points."""
    if axes.name == "3d" or not axes.axison:
        return
    for line in axes.lines:
        points = np.asarray(line.get_xydata(), dtype=np.float64)
        yield from _seen(axes, _name(line, named), points, line.get_transform())
    for stairs in (patch for patch in axes.patches if isinstance(patch, StepPatch)):
        heights, edges, _ = stairs.get_data()
        middle = 0.5 * (np.asarray(edges)[1:] + np.asarray(edges)[:-1])
        points = np.column_stack([middle, np.asarray(heights, dtype=np.float64)])
        yield from _seen(axes, _name(stairs, named), points, axes.transData)
    for dots in (each for each in axes.collections if isinstance(each, PathCollection)):
        points = np.asarray(np.ma.filled(dots.get_offsets(), np.nan), dtype=np.float64)
        yield from _seen(axes, _name(dots, named), points, dots.get_offset_transform())


def _name(artist: Artist, named: dict[str, str]) -> str:
    label = str(artist.get_label())
    if label and not label.startswith("_"):
        return label
    return named.get(_color(artist) or "", "")


def _seen(
    axes: Axes, label: str, points: NDArray[np.float64], transform: Transform
) -> Iterator[tuple[str, NDArray[np.float64], list[str]]]:
    """Yield those points that lie in the panel, with values where they are of the data."""
    x_told, y_told = transform.contains_branch_seperately(axes.transData)
    if not (x_told or y_told) or not len(points):
        return
    with np.errstate(invalid="ignore", divide="ignore"):
        places = np.ma.filled(transform.transform(points), np.nan)
    low, high = np.asarray(axes.bbox.min) - 0.5, np.asarray(axes.bbox.max) + 0.5
    inside = np.isfinite(places).all(axis=1)
    inside &= ((places >= low) & (places <= high)).all(axis=1)
    if not inside.any():
        return
    told = [_told(point, x_told, y_told) for point in points[inside]]
    yield label, places[inside], told


def _told(point: Sequence[Any] | NDArray[Any], x_told: bool, y_told: bool) -> str:
    parts = [f"x = {point[0]:.4g}"] if x_told else []
    return ", ".join([*parts, f"y = {point[1]:.4g}"] if y_told else parts)
