"""The drawn folder is read back with pillow."""

from PIL import Image

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
