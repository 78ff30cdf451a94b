"""The drawn folder is read back with pillow."""

import pytest
from PIL import Image

from runner import sample_folder
from runner.sample_folder import COUNTS, SHAPES, make


def test_the_folder_holds_colour_images_of_odd_sizes(tmp_path):
    folder = make(tmp_path / "images")
    files = sorted(folder.rglob("*.png"))
    assert len(files) == sum(COUNTS.values()) * len(SHAPES)
    assert {file.parent.name for file in files} == set(SHAPES)
    images = [Image.open(file) for file in files[::40]]
    assert {image.mode for image in images} == {"RGB"} and len({image.size for image in images}) > 5
    assert all(len(image.getcolors()) == 2 for image in images)
    times = [file.stat().st_mtime_ns for file in files]
    assert make(folder) == folder and [file.stat().st_mtime_ns for file in files] == times


@pytest.mark.parametrize(
    "fill, counts, classes",
    [
        (sample_folder.make_few, {"train": 20, "test": 10}, 6),
        (sample_folder.make_easy, {"train": 60, "test": 30}, 2),
    ],
)
def test_few_images_and_easy_ones_have_odd_sizes_and_names(tmp_path, fill, counts, classes):
    folder = fill(tmp_path / "images")
    for part, count in counts.items():
        found = {path.name: list(path.glob("*.png")) for path in (folder / part).iterdir()}
        assert len(found) == classes and {len(files) for files in found.values()} == {count}
        assert any("$" in name for name in found) and any(not name.isascii() for name in found)
        assert any(" " in name for name in found) and len({name[:10] for name in found}) < classes
    images = [Image.open(file) for file in folder.rglob("*.png")]
    assert {image.mode for image in images} == {"RGB"} and len({image.size for image in images}) > 20


def test_the_colours_of_the_easy_classes_cannot_be_mistaken(tmp_path):
    folder = sample_folder.make_easy(tmp_path / "images")
    for file in folder.rglob("*.png"):
        red, green, blue = Image.open(file).getpixel((0, 0))
        assert green == 0 and (red > 150 > blue) == ("красный" in file.parent.name)
