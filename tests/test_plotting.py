"""Oracles: what the drawn figure holds, read back from matplotlib."""

import io
import struct

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

from utils import plotting


@pytest.fixture(autouse=True)
def no_window():
    before = mpl.get_backend()
    plt.switch_backend("agg")
    with mpl.rc_context():
        yield
    plt.close("all")
    plt.switch_backend(before)


def test_use_style_sets_the_defaults():
    plotting.use_style()
    assert mpl.rcParams["font.size"] == plotting.STYLE["font.size"]


@pytest.mark.parametrize("channels", [1, 3])
def test_every_image_is_drawn_with_its_title(channels):
    images = torch.rand(5, channels, 6, 6)
    figure = plotting.show_images(images, list("abcde"), columns=3, highlight=[False] * 4 + [True])
    drawn = [axis for axis in figure.axes if axis.images]
    assert [axis.get_title() for axis in drawn] == list("abcde")
    assert drawn[4].title.get_color() == plotting.COLOURS[1]
    expected = images[3].permute(1, 2, 0).squeeze(-1).numpy()
    np.testing.assert_array_equal(drawn[3].images[0].get_array(), expected)


def test_images_and_titles_have_to_match():
    with pytest.raises(ValueError, match="3 images and 2 titles"):
        plotting.show_images(torch.rand(3, 1, 4, 4), ["a", "b"])
    with pytest.raises(ValueError, match="at least one"):
        plotting.show_images(torch.rand(0, 1, 4, 4))


def test_passes_follow_each_other_with_their_percentiles():
    careless, careful = np.array([9.0, 2.0]), np.arange(1.0, 102.0)
    (axis,) = plotting.plot_passes(careless, careful).axes
    np.testing.assert_array_equal(axis.lines[1].get_xdata()[[0, -1]], [2, 102])
    levels = [segment[0][1] for segment in axis.collections[0].get_segments()]
    assert levels == [51, 96]  # of 1, 2, ... 101


def test_log_scale_has_plain_labels():
    _, axis = plt.subplots()
    axis.plot([0.01, 20], [1, 2])
    plotting.log_scale(axis.xaxis)
    assert axis.get_xscale() == "log"
    assert axis.xaxis.get_major_formatter()(0.05) == "0.05"
    assert axis.xaxis.get_minor_formatter()(0.03) == ""


FEW = [((0.023, 0.09), {"0.03", "0.05"}), ((220, 1300), {"300", "500", "1000"})]
FEW += [((1, 30), {"1", "2", "5", "10", "20"}), ((1, 1000), {"1", "10", "100", "1000"})]


@pytest.mark.parametrize(("values", "labels"), FEW)
def test_a_log_scale_has_few_labels(values, labels):
    figure, axis = plt.subplots()
    axis.plot(values, values)
    plotting.log_scale(axis.xaxis)
    figure.canvas.draw()
    low, high = axis.get_xlim()
    shown = {tick.label1.get_text() for tick in axis.xaxis.get_major_ticks() if low <= tick.get_loc() <= high}
    assert shown == labels


def test_the_map_marks_what_it_is_asked_to():
    figure = plotting.book_map(["pruning"])
    bold = [text.get_text() for text in figure.axes[0].texts if text.get_weight() == "bold"]
    assert bold == ["pruning · 3"]
    with pytest.raises(ValueError, match="magic is not on the map"):
        plotting.book_map(["magic"])


def test_costs_are_drawn_in_the_units_of_the_axes():
    points = {"base": {"accuracy": 80, "bytes": 2e6, "macs": 5e6, "latency": 0.5}}
    figure = plotting.plot_costs(points)
    *panels, names = figure.axes
    assert [axis.lines[0].get_xdata()[0] for axis in panels] == pytest.approx([2000, 5, 0.5])
    assert all(axis.get_xscale() == "log" for axis in panels)
    assert [text.get_text() for text in names.get_legend().get_texts()] == list(points)
    assert len({round(axis.get_position().x0, 1) for axis in panels}) == 2  # two columns, for a phone


def test_a_missing_cost_is_named():
    with pytest.raises(ValueError, match="'base' has no macs and no latency"):
        plotting.plot_costs({"base": {"accuracy": 80, "bytes": 2e6}})


def test_intervals_show_means_reaches_and_this_run():
    sweep = pd.DataFrame({"at": [0, 1], "mean": [5.0, 7.0], "low": [4.0, 6.5], "high": [6.0, 7.5]})
    figure, axis = plt.subplots()
    plotting.plot_intervals(axis, ["one", "two"], sweep, {"two": 7.2})
    bars = axis.containers[0]
    assert [float(x) for x in bars.lines[0].get_xdata()] == [5, 7]
    (segments,) = bars.lines[2]
    ends = [[float(x) for x, _ in part] for part in segments.get_segments()]
    assert ends == [[4, 6], [6.5, 7.5]]
    np.testing.assert_allclose(axis.lines[-1].get_xydata(), [[7.2, 1]])
    assert [label.get_text() for label in axis.get_yticklabels()] == ["one", "two"]
    with pytest.raises(ValueError, match="1 names for 2 points"):
        plotting.plot_intervals(axis, ["one"], sweep)


def test_sweeps_are_lines_with_intervals():
    sweep = pd.DataFrame({"at": [2, 4], "mean": [5.0, 7.0], "low": [4.0, 6.5], "high": [6.5, 7.0]})
    _, axis = plt.subplots()
    plotting.plot_sweeps(axis, {f"line {i}": sweep + i for i in range(8)})
    assert axis.get_legend_handles_labels()[1] == [f"line {i}" for i in range(8)]
    for i, bars in enumerate(axis.containers):
        np.testing.assert_allclose(bars.lines[0].get_xydata(), [[2 + i, 5 + i], [4 + i, 7 + i]])
        ends = bars.lines[2][0].get_segments()
        np.testing.assert_allclose(
            ends, [[[2 + i, 4 + i], [2 + i, 6.5 + i]], [[4 + i, 6.5 + i], [4 + i, 7 + i]]]
        )
    markers = [bars.lines[0].get_marker() for bars in axis.containers]
    assert len(set(markers[:7])) == 7 and markers[7] == markers[0]


def test_paths_show_every_step_and_the_height_of_the_last():
    paths = {"down": np.array([[2.0, 0.0], [1.0, 0.0]]), "stay": np.array([[0.0, 1.0]])}
    figure = plotting.plot_paths(lambda x, y: x**2 + 4 * y**2, paths, (-3, 3, -2, 2))
    titled = {axis.get_title(): axis for axis in figure.axes if axis.get_title()}
    assert list(titled) == ["down: 1", "stay: 4"]
    np.testing.assert_allclose(titled["down: 1"].lines[0].get_xydata(), paths["down"])
    assert titled["down: 1"].get_xlim() == (-3, 3)


def test_names_that_begin_alike_get_labels_of_their_own():
    """Bars are drawn at their labels: two classes with one label would be one bar."""
    classes = ["Tomato___Late_blight", "Tomato___Leaf_Mold", "Tomato___Leaf_Mold_2", "Apple", "Tomato___L"]
    classes += ["a" * 30 + "b" * 30, "a" * 30 + "c" + "b" * 30, "треугольник", "треугольники", "two\nlines"]
    labels = plotting.class_labels(classes)
    assert len(set(labels)) == len(classes) and labels[3] == "Apple" and labels[4] == "Tomato___L"
    assert all(len(label) <= 12 and "\n" not in label for label in labels)
    _, axis = plt.subplots()
    axis.barh(labels, range(len(labels)))
    assert len(axis.get_yticks()) == len(classes)


def test_labels_of_short_names_are_the_names():
    assert plotting.class_labels(list("0123456789")) == list("0123456789")
    assert plotting.class_labels(("Sandal", "Ankle boot")) == ["Sandal", "Ankle boot"]
    assert plotting.class_labels(("Sandals, brown",), length=8) == ["Sandals…"]
    with pytest.raises(ValueError, match="length is 4; it has to be 5 or more"):
        plotting.class_labels(("a",), length=4)


def test_dollars_are_shown_and_typeset_nothing():
    """Two of them make matplotlib read mathematics, and raise where it is none."""
    classes = ["$_$", "price in $", "$x_1$ or $x_2$", "$\\nothing$"]
    figure, axis = plt.subplots()
    axis.barh(plotting.class_labels(classes, length=20), range(4))
    figure.canvas.draw()
    shown = [label._preprocess_math(label.get_text()) for label in axis.get_yticklabels()]
    assert shown == [(name, False) for name in classes]


def test_letters_are_eleven_pixels_on_a_phone():
    """A phone of 390 pixels leaves 358 to a figure; notebooks cut its rim to 0.1 inches."""
    file = io.BytesIO()
    with plt.rc_context(plotting.STYLE):
        figure, axis = plt.subplots()
        axis.set_ylabel("accuracy")
        figure.savefig(file, bbox_inches="tight", dpi=100)
        plt.close(figure)
    width = struct.unpack(">I", file.getvalue()[16:20])[0]  # of a PNG, where its header says so
    assert plotting.STYLE["font.size"] / 72 * 100 * 358 / width >= 11


def test_ticks_are_plain_numbers():
    with plt.rc_context(plotting.STYLE):
        figure, axis = plt.subplots()
        axis.semilogy([0.4, 0.9])
        figure.canvas.draw()
        shown = [label.get_text() for label in axis.get_yticklabels(which="both")]
        plt.close(figure)
    assert any("{0.6}" in text for text in shown) and not any("times" in text for text in shown)


def test_long_titles_of_images_get_smaller():
    short, long = (plotting.show_images(torch.rand(8, 1, 4, 4), [text] * 8) for text in ("a", "a long name"))
    sizes = [figure.axes[0].title.get_size() for figure in (short, long)]
    assert sizes[0] == plotting.STYLE["font.size"] and sizes[1] == pytest.approx(72 * 0.8 / (0.6 * 11))
