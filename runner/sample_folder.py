"""A small folder of colour images of odd sizes, as a reader's own would be, to try the chapters on."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SHAPES = ("circle", "cross", "square", "stripes")
COUNTS = {"train": 120, "test": 40}  # images of each class


def make(folder):
    """Draw four shapes, in random colours on random backgrounds, as `folder/train/SHAPE/*.png` and `test`.

    Args:
        folder: where to; what a complete earlier call left there is kept as it is.

    Returns:
        The folder, as an absolute Path.
    """
    folder, complete = Path(folder).resolve(), Path(folder).resolve() / "complete"
    if complete.exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    generator = np.random.default_rng(0)
    for part, count in COUNTS.items():
        for shape in SHAPES:
            target = folder / part / shape
            target.mkdir(parents=True)
            for index in range(count):
                _draw(shape, generator).save(target / f"{index:03d}.png")
    complete.touch()
    return folder


def _draw(shape, generator):
    width, height = (int(side) for side in generator.integers(24, 90, 2))
    background, ink = (tuple(int(c) for c in generator.integers(*span, 3)) for span in ((0, 120), (136, 256)))
    image = Image.new("RGB", (width, height), background)
    pen, line = ImageDraw.Draw(image), max(2, min(width, height) // 8)
    left, top = (int(generator.integers(0, side // 4)) for side in (width, height))
    right, bottom = (int(generator.integers(3 * side // 4, side)) for side in (width, height))
    if shape == "circle":
        pen.ellipse((left, top, right, bottom), outline=ink, width=line)
    elif shape == "square":
        pen.rectangle((left, top, right, bottom), outline=ink, width=line)
    elif shape == "cross":
        pen.line((left, top, right, bottom), fill=ink, width=line)
        pen.line((left, bottom, right, top), fill=ink, width=line)
    else:
        for x in range(left, right, 3 * line):
            pen.line((x, top, x, bottom), fill=ink, width=line)
    return image
