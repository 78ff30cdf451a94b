"""The book's style, and the plots that more than one chapter draws."""

import itertools
from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from pandas import DataFrame
from torch import Tensor

# Okabe & Ito's palette: apart for colour-blind readers, and ordered so that neighbours differ in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
STYLE = {
    "figure.figsize": (6.4, 4.2),
    "figure.dpi": 150,  # twice the width of a column of text, for sharp screens
    "figure.constrained_layout.use": True,
    "font.size": 14.5,  # of a figure 6.4 inches wide: 11 pixels on a phone of 390; no label is smaller
    "axes.titlesize": "medium",
    "axes.formatter.min_exponent": 4,  # 0.6, not 6 times a power of ten
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": plt.cycler(color=COLOURS),
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "lines.markersize": 6,
}


def use_style() -> None:
    """Set matplotlib's defaults to the book's: sizes that stay readable on a phone, safe colours."""
    plt.rcParams.update(STYLE)


def show_images(
    images: Tensor, titles: Sequence[str] = (), *, columns: int = 8, highlight: Sequence[bool] = ()
) -> Figure:
    """Draw small images in a grid, without axes.

    Args:
        images: `[N, C, H, W]` in 0...1, with 1 channel (drawn grey) or 3.
        titles: one short text an image, or none.
        columns: images per row.
        highlight: where True the title is orange and bold; one an image, or none.

    Raises:
        ValueError: if there are no images, or not one title for each.
    """
    if not len(images) or (titles and len(titles) != len(images)):
        raise ValueError(
            f"{len(images)} images and {len(titles)} titles; give at least one image, and a title for each"
        )
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(6.4, (0.85 + 0.3 * bool(titles)) * rows), squeeze=False
    )
    room = 72 * 6.4 / columns / (0.6 * max(map(len, titles), default=1))  # or titles would overlap
    for axis in axes.flat:
        axis.axis("off")
    for i, (axis, image) in enumerate(zip(axes.flat, images.cpu(), strict=False)):
        axis.imshow(image.permute(1, 2, 0).squeeze(-1).numpy(), cmap="gray", vmin=0, vmax=1)
        if titles:
            marked = bool(highlight) and highlight[i]
            axis.set_title(
                titles[i],
                fontsize=min(STYLE["font.size"], room),
                pad=2,
                color=COLOURS[1] if marked else "black",
                weight="bold" if marked else "normal",
            )
    return figure


def class_labels(classes: Sequence[str], length: int = 10) -> list[str]:
    """Short names for axes and titles, each another one, as matplotlib shows them.

    A name that is too long keeps its beginning; where others begin alike, its beginning and its end; where
    that is not enough, a number. Dollar signs are escaped, or matplotlib would typeset what is between them.

    Args:
        classes: names of any length; two bars with one label would lie on each other.
        length: letters of a label at most, 5 or more; a number may add some.

    Returns:
        One label a class, in their order.

    Raises:
        ValueError: if the length is below 5.
    """
    if length < 5:
        raise ValueError(f"length is {length}; it has to be 5 or more")
    names = [" ".join(name.split()) for name in classes]  # on one line
    start = (length - 1) // 2
    whole = [name if len(name) <= length else name[: length - 1] + "…" for name in names]
    both = [name if len(name) <= length else f"{name[:start]}…{name[1 + start - length :]}" for name in names]
    labels = [both[i] if whole.count(whole[i]) > 1 else whole[i] for i in range(len(names))]
    for i, label in enumerate(labels):
        number = 2
        while labels[i] in labels[:i]:
            labels[i] = f"{label} {number}"
            number += 1
    return [label.replace("$", r"\$") for label in labels]


def log_scale(axis: Axis) -> None:
    """Make `axis` (an `xaxis` or `yaxis`) logarithmic, with few plain numbers: 1, 2 and 5 of each decade.

    Call it when all is drawn: within a single decade 3 is labelled as well, or too little would be, and
    over more than two and a half only the powers of ten. Matplotlib's own labels run into each other on
    small panels.
    """
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    low, high = getattr(axis.axes, f"get_{axis.axis_name}lim")()
    subs = (1, 2, 3, 5) if high < 10 * low else (1, 2, 5) if high < 300 * low else (1,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=5))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def plot_passes(careless: np.ndarray, careful: np.ndarray) -> Figure:
    """Draw milliseconds of successive passes, measured carelessly first and carefully afterwards.

    Args:
        careless: `[A]` milliseconds.
        careful: `[B]` milliseconds; its p50 and p95 are drawn as lines.
    """
    figure, axis = plt.subplots(figsize=(6.4, 3.2))
    start, end = len(careless), len(careless) + len(careful)
    axis.plot(careless, ".", color=COLOURS[1], label="careless")
    axis.plot(np.arange(start, end), careful, ".", color=COLOURS[0], label="careful")
    axis.hlines(np.percentile(careful, [50, 95]), start, end, color="black", linewidth=1, label="p50, p95")
    log_scale(axis.yaxis)
    axis.set(xlabel="pass", ylabel="ms")
    figure.legend(loc="outside upper center", ncols=3)  # within the axes it would lie on passes
    return figure


def plot_costs(points: Mapping[str, Mapping[str, float]], *, unit: str = "points") -> Figure:
    """The book's common plot: accuracy against bytes, MACs and measured latency, each on a log axis.

    Two panels side by side and one below, with the names beside it: a phone has no room for three in a row.

    Args:
        points: name to `accuracy` (points), `bytes`, `macs` per image and `latency` in ms per image.
        unit: of the accuracy.

    Raises:
        ValueError: if a point lacks one of the four, or a cost is not above 0.
    """
    panels = {"bytes": ("file (kB)", 1e-3), "macs": ("million MACs per image", 1e-6)}
    panels["latency"] = ("ms per image", 1)
    for name, point in points.items():
        missing = [key for key in ("accuracy", *panels) if not point.get(key, 0) > 0]
        if missing:
            raise ValueError(f"{name!r} has no {' and no '.join(missing)} above 0")
    figure, grid = plt.subplots(2, 2, figsize=(6.4, 6.2), sharey=True)
    axes, rest = grid.flat[:3], grid.flat[3]
    for axis, (key, (label, scale)) in zip(axes, panels.items(), strict=True):
        for i, (name, point) in enumerate(points.items()):
            x, marker = point[key] * scale, MARKERS[i % len(MARKERS)]
            axis.plot(x, point["accuracy"], marker, color=COLOURS[i % len(COLOURS)], label=name)
        log_scale(axis.xaxis)
        axis.set_xlabel(label)
    for axis in (axes[0], axes[2]):
        axis.set_ylabel(f"test accuracy ({unit})")
    handles, labels = axes[0].get_legend_handles_labels()
    rest.axis("off")
    rest.legend(handles, labels, loc="center", title="cheaper is left,\nbetter is up", handletextpad=0.2)
    return figure


def plot_intervals(
    axis: Axes, names: Sequence[str], sweep: DataFrame, live: Mapping[str, float] | None = None
) -> None:
    """Draw one row a name: the mean over seeds as a dot, its 95 % interval as a bar, this run as a ring.

    Args:
        axis: drawn on, the first name on top.
        names: in the order of the sweep's points; underscores are shown as spaces.
        sweep: DataFrame with the columns at, mean, low, high, as `Stored.sweep` gives it.
        live: what this run measured, by name; a name may be missing.

    Raises:
        ValueError: if there are points, but not as many as names.
    """
    if len(sweep) and len(names) != len(sweep):
        raise ValueError(f"{len(names)} names for {len(sweep)} points; give one name a point")
    rows = np.arange(len(names))
    reach = [sweep["mean"] - sweep["low"], sweep["high"] - sweep["mean"]]
    axis.errorbar(sweep["mean"], rows[: len(sweep)], xerr=reach, fmt="o", capsize=3, label="five runs")
    if live:
        shown = [(value, list(names).index(name)) for name, value in live.items()]
        axis.plot(*zip(*shown, strict=True), "s", color=COLOURS[1], fillstyle="none", label="this run")
    axis.set_yticks(rows, [name.replace("_", " ") for name in names])
    axis.invert_yaxis()


def plot_sweeps(axis: Axes, sweeps: Mapping[str, DataFrame]) -> None:
    """Draw sweeps as lines with a marker a point: means over seeds, with their 95 % intervals.

    Args:
        axis: drawn on.
        sweeps: label to DataFrame with the columns at, mean, low, high, as `Stored.sweep` gives it.
    """
    for (label, sweep), marker in zip(sweeps.items(), itertools.cycle(MARKERS)):
        reach = [sweep["mean"] - sweep["low"], sweep["high"] - sweep["mean"]]
        axis.errorbar(sweep["at"], sweep["mean"], reach, marker=marker, markersize=4, capsize=2, label=label)


def plot_paths(height: Callable, paths: Mapping[str, np.ndarray], window: Sequence[float]) -> Figure:
    """Draw paths over the contours of a surface with its minimum at 0, one small map each.

    Args:
        height: called as `height(x, y)` on arrays.
        paths: name to `[steps, 2]`; the title adds the height of the last point.
        window: left, right, bottom and top of the maps.
    """
    x, y = np.meshgrid(np.linspace(*window[:2], 120), np.linspace(*window[2:], 120))
    rows = -(-len(paths) // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(6.4, 1.9 * rows), sharex=True, sharey=True, squeeze=False)
    for axis in axes.flat[len(paths) :]:
        axis.axis("off")
    for axis, (name, path) in zip(axes.flat, paths.items(), strict=False):
        axis.contour(x, y, height(x, y), levels=[0.1, 0.5, 2, 6, 15, 40], colors="grey", linewidths=0.7)
        axis.plot(*np.transpose(path), ".-", markersize=4, linewidth=1)
        axis.plot(0, 0, "*", color=COLOURS[1], markersize=11)
        axis.set_title(f"{name}: {height(*path[-1]):.1g}")
        axis.set(xlim=window[:2], ylim=window[2:])
    figure.supxlabel("$x$")
    figure.supylabel("$y$")
    return figure


MAP = {  # the families of techniques, and the chapter of each
    "optimization:\nmake it cheaper": (
        "better training · 2",
        "pruning · 3",
        "merging or replacing · 3",
        "quantization · 4",
        "distillation · 5",
    ),
    "fine-tuning:\nmake it fit": ("transfer learning · 6", "multi-task learning · 7"),
}
GREY = {"color": "grey", "linewidth": 1}


def book_map(highlight: Sequence[str] = ()) -> Figure:
    """Draw how the techniques of this book belong together: two families side by side.

    Args:
        highlight: techniques to mark, by their name on the map, such as "pruning".

    Raises:
        ValueError: if a name is not on the map.
    """
    known = [leaf.split(" · ")[0] for leaves in MAP.values() for leaf in leaves] + ["combining"]
    if unknown := set(highlight) - set(known):
        raise ValueError(f"{', '.join(sorted(unknown))} is not on the map; it holds {', '.join(known)}")
    figure, axis = plt.subplots(figsize=(6.4, 5.6))
    axis.axis("off")
    axis.set(xlim=(0, 6.4), ylim=(-1.5, 8.4))
    for (family, leaves), left in zip(MAP.items(), (0.1, 3.55), strict=True):
        axis.plot([3, left + 1, left + 1], [8, 7.5, 6.5], **GREY)
        axis.plot([left, left, 2.5], [6.5, 0.2, 0.2], **GREY)
        _box(axis, left, 6.5, family, ha="left")
        for i, leaf in enumerate(leaves):
            axis.plot([left, left + 0.3], [5.3 - i, 5.3 - i], **GREY)
            _box(axis, left + 0.3, 5.3 - i, leaf, highlight, ha="left")
    _box(axis, 3, 8, "trained network")
    _box(axis, 2.4, 0.2, "combining · 8", highlight)
    axis.annotate("", (6.3, -0.5), (0.1, -0.5), arrowprops={"arrowstyle": "<->", "color": "dimgrey"})
    axis.text(0.1, -0.7, "global: one choice\nfor all layers", color="dimgrey", va="top")
    axis.text(6.3, -0.7, "partial: a choice\nper layer", color="dimgrey", va="top", ha="right")
    return figure


def _box(
    axis: Axes, x: float, y: float, text: str, highlight: Sequence[str] | None = None, ha: str = "center"
) -> None:
    """Write `text` in a box; techniques are white, or orange where highlighted, and all else is blue."""
    marked = highlight is not None and text.split(" · ")[0] in highlight
    colour = "#DCEBF7" if highlight is None else COLOURS[5] if marked else "white"
    box = {"boxstyle": "round,pad=0.3", "facecolor": colour, "edgecolor": "dimgrey"}
    weight = "bold" if marked else "normal"
    axis.text(x, y, text, ha=ha, va="center", weight=weight, bbox=box, zorder=3)
