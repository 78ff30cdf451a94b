"""Small folders of colour images of odd sizes, as a reader's own would be, to try the chapters on."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SHAPES = ("circle", "cross", "square", "stripes")
COUNTS = {"train": 120, "test": 40}  # images of each class
FEW = {  # names as readers have them: alike at their beginning, with signs of mathematics, Cyrillic
    "Tomato___Late_blight": "circle",
    "Tomato___Leaf_Mold": "cross",
    "price in $": "square",
    "from $_ to $_": "stripes",
    "треугольник": "triangle",
    "треугольник, полный": "full triangle",
}
FEW_COUNTS = {"train": 20, "test": 10}
EASY = {"Leaf, side $_$ (красный)": (1, 0, 0), "Leaf, side $_$ (синий)": (0, 0, 1)}
EASY_COUNTS = {"train": 60, "test": 30}


def make(folder):
    """Draw four shapes, in random colours on random backgrounds, as `folder/train/SHAPE/*.png` and `test`.

    Args:
        folder: where to; what a complete earlier call left there is kept as it is.

    Returns:
        The folder, as an absolute Path.
    """
    return _fill(folder, COUNTS, {shape: shape for shape in SHAPES}, _draw)


def make_few(folder):
    """Draw six classes of few images and with odd names; otherwise as `make`."""
    return _fill(folder, FEW_COUNTS, FEW, _draw)


def make_easy(folder):
    """Fill images with one of two colours, which nobody mistakes; otherwise as `make`."""
    return _fill(folder, EASY_COUNTS, EASY, _fill_with_colour)


def _fill(folder, counts, classes, draw):
    """Save `counts` images a part of each class, drawn by `draw(what, generator)`."""
    folder, complete = Path(folder).resolve(), Path(folder).resolve() / "complete"
    if complete.exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    generator = np.random.default_rng(0)
    for part, count in counts.items():
        for name, what in classes.items():
            target = folder / part / name
            target.mkdir(parents=True)
            for index in range(count):
                draw(what, generator).save(target / f"{index:03d}.png")
    complete.touch()
    return folder


def _size(generator):
    return tuple(int(side) for side in generator.integers(24, 90, 2))  # width and height


def _fill_with_colour(channels, generator):
    shade = int(generator.integers(160, 256))
    return Image.new("RGB", _size(generator), tuple(shade * channel for channel in channels))


def _draw(shape, generator):
    width, height = _size(generator)
    background, ink = (tuple(int(c) for c in generator.integers(*span, 3)) for span in ((0, 120), (136, 256)))
    image = Image.new("RGB", (width, height), background)
    pen, line = ImageDraw.Draw(image), max(2, min(width, height) // 8)
    left, top = (int(generator.integers(0, side // 4)) for side in (width, height))
    right, bottom = (int(generator.integers(3 * side // 4, side)) for side in (width, height))
    corners = ((left + right) // 2, top), (left, bottom), (right, bottom)
    if shape == "circle":
        pen.ellipse((left, top, right, bottom), outline=ink, width=line)
    elif shape == "square":
        pen.rectangle((left, top, right, bottom), outline=ink, width=line)
    elif shape == "cross":
        pen.line((left, top, right, bottom), fill=ink, width=line)
        pen.line((left, bottom, right, top), fill=ink, width=line)
    elif shape == "triangle":
        pen.line((*corners, corners[0]), fill=ink, width=line)
    elif shape == "full triangle":
        pen.polygon(corners, fill=ink)
    else:
        for x in range(left, right, 3 * line):
            pen.line((x, top, x, bottom), fill=ink, width=line)
    return image
