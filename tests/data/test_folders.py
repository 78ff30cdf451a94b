"""A reader's own images: against Pillow, images of known colours, and failures provoked one by one."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from utils import data
from utils.data import folders, loading, pixels, walking
from utils.data.downloads import DataError


@pytest.fixture
def pictures(tmp_path):
    """Two classes of unlike images: one grey, odd-sized, few; one in colour, many."""
    folder = tmp_path / "my pictures"
    for part, counts in (("train", {"grey": 4, "red": 20}), ("test", {"grey": 2, "red": 3})):
        for name, count in counts.items():
            (folder / part / name).mkdir(parents=True)
            for i in range(count):
                grey = Image.new("L", (17 + i, 40), 128)
                picture = grey if name == "grey" else Image.new("RGB", (60, 9 + i), (255, 0, 0))
                picture.save(folder / part / name / f"{i}.{'png' if i % 2 else 'bmp'}")
    return folder


def test_a_folder_becomes_32_pixels_of_red_green_blue(pictures):
    found = data.load(str(pictures), seed=100)
    assert (found.channels, found.size, found.classes) == (3, 32, ("grey", "red"))
    assert found.train.labels.bincount().tolist() == [3, 17]  # 15 % of 20 is 3; of 4 it rounds to 1
    assert found.validation.labels.bincount().tolist() == [1, 3]
    assert found.test.labels.tolist() == [0, 0, 1, 1, 1]
    for part in (found.train, found.validation, found.test):
        for image, label in zip(part.images, part.labels, strict=True):
            colour = [128 / 255] * 3 if label == 0 else [1.0, 0.0, 0.0]
            assert torch.allclose(image, torch.tensor(colour).view(3, 1, 1).expand(3, 32, 32), atol=1e-6)


def test_a_folder_is_resized_as_pillow_does_it(pictures):
    pixels = np.random.default_rng(100).integers(0, 256, (70, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(pictures / "test" / "grey" / "0.bmp")
    expected = np.asarray(Image.fromarray(pixels).resize((32, 32), Image.Resampling.BILINEAR)) / 255
    found = data.load(pictures).test.images[0].permute(1, 2, 0).numpy()
    assert np.abs(found - expected).max() <= 1.5 / 255


def test_sixteen_bits_and_turned_photos_are_read_right(pictures):
    deep = np.full((20, 20), 0x8000, np.uint16)
    Image.fromarray(deep).save(pictures / "test" / "grey" / "1.png")
    turned = Image.new("RGB", (40, 20), (0, 0, 0))
    turned.paste((255, 255, 255), (0, 0, 20, 20))  # left half white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees: the left half comes to the top
    turned.save(pictures / "test" / "red" / "1.png", exif=exif)
    found = data.load(pictures).test.images
    assert torch.allclose(found[1], torch.full((3, 32, 32), 128 / 255))
    assert found[3, :, :14].min() > 0.9 and found[3, :, 18:].max() < 0.1


def test_hidden_files_and_folders_are_passed_over(pictures):
    (pictures / "train" / ".ipynb_checkpoints").mkdir()
    (pictures / "train" / "red" / "._3.png").write_bytes(b"left by a file manager")
    (pictures / "train" / "red" / "notes.txt").write_text("not an image")
    assert len(data.load(pictures).train) == 20


def test_a_folder_needs_no_separator_when_it_exists(pictures, monkeypatch):
    monkeypatch.chdir(pictures.parent)
    assert data.load("my pictures").num_classes == 2


def refuse(folder, *words):
    with pytest.raises(DataError) as error:
        data.load(str(folder))
    message = str(error.value)
    assert all(word in message for word in words) and "\n" not in message, message


def test_a_missing_folder_is_named(tmp_path):
    refuse(tmp_path / "nowhere", str(tmp_path / "nowhere"), "train/<class>/*", '"glyphs"')


def test_a_missing_part_is_named(pictures):
    (pictures / "test").rename(pictures / "tests")
    refuse(pictures, str(pictures / "test"), "one folder per class")


@pytest.mark.parametrize("part", ["train", "test"])
def test_an_empty_part_is_named(pictures, part):
    (pictures / part).rename(pictures / "away")
    (pictures / part).mkdir()
    refuse(pictures, str(pictures / part), "no class folders")


@pytest.mark.parametrize("part, other", [("train", "test"), ("test", "train")])
def test_a_class_that_one_part_lacks_is_named(pictures, part, other):
    (pictures / other / "blue").mkdir()
    Image.new("RGB", (5, 5)).save(pictures / other / "blue" / "0.png")
    refuse(pictures, f"{pictures / part} has no folder for blue")


def test_an_empty_class_is_named(pictures):
    for path in (pictures / "test" / "red").iterdir():
        path.unlink()
    refuse(pictures, f"{pictures / 'test' / 'red'} holds no image", ".png")


def test_images_outside_a_class_are_named(pictures):
    Image.new("RGB", (5, 5)).save(pictures / "train" / "stray.png")
    refuse(pictures, f"{pictures / 'train' / 'stray.png'} is in no class")


def test_a_single_class_is_refused(pictures):
    for part in ("train", "test"):
        (pictures / part / "red").rename(pictures / f"red of {part}")
    refuse(pictures, "holds one class")


def test_a_single_training_image_is_refused(pictures):
    for i in (1, 2, 3):
        (pictures / "train" / "grey" / f"{i}.{'png' if i % 2 else 'bmp'}").unlink()
    refuse(pictures, f"{pictures / 'train' / 'grey'} holds 1 of the 2 images that are needed of each class")


@pytest.mark.parametrize("harm", ["no image", "truncated", "empty"])
def test_a_corrupt_image_is_named(pictures, harm):
    path = pictures / "train" / "red" / "1.png"
    noise = np.random.default_rng(100).integers(0, 256, (50, 50, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    content = path.read_bytes()
    path.write_bytes({"no image": b"hello", "truncated": content[: len(content) // 2], "empty": b""}[harm])
    refuse(pictures, f"{path} cannot be read as an image", "replace or remove it")


def count(folder):
    """The images of each class, training and validation together, in the order of the classes' names."""
    found = data.load(folder)
    return (found.train.labels.bincount() + found.validation.labels.bincount()).tolist()


# what a folder may hold


@pytest.mark.parametrize("suffix", [".gif", ".jfif", ".jpe", ".ico", ".tga", ".avif", ".GIF", ".JPG"])
def test_whatever_pillow_reads_counts(pictures, suffix):
    picture = Image.new("RGB", (32, 32), (0, 0, 255))
    picture.save((pictures / "train" / "red" / "new").with_suffix(suffix))
    assert count(pictures) == [4, 21]


def test_files_that_are_no_images_are_counted_by_their_kind(pictures, capsys):
    for name in ("notes.txt", "more.TXT", "labels.csv", "README"):
        (pictures / "train" / "red" / name).write_text("no image")
    assert count(pictures) == [4, 20]
    assert f"Passed over in {pictures}, as no images: 1 .csv, 2 .txt, 1 without a suffix." in (
        capsys.readouterr().out
    )


def test_images_that_pillow_cannot_read_are_refused_with_their_number(pictures):
    for name in ("1.heic", "2.HEIC", "3.svg"):
        (pictures / "test" / "grey" / name).write_bytes(b"of a phone")
    refuse(pictures, f"{pictures / 'test' / 'grey'} holds images", "2 .heic, 1 .svg", "save them as .png")
    (pictures / "test" / "1.heic").write_bytes(b"in no class")
    refuse(pictures, f"{pictures / 'test' / '1.heic'} is in no class")


def test_a_kind_that_a_plugin_reads_counts(pictures, monkeypatch):
    """As `pillow_heif.register_heif_opener()` adds .heic; here the new kind is a BMP under another name."""
    monkeypatch.setitem(Image.EXTENSION, ".heic", "BMP")
    Image.new("RGB", (5, 5)).save(pictures / "train" / "red" / "new.heic", format="BMP")
    assert count(pictures) == [4, 21]


def test_each_image_counts_once_whatever_links_lead_back(pictures, capsys):
    """Of two classes with a link to the folder above in each, 24 images became thousands."""
    for name in ("grey", "red"):
        (pictures / "train" / name / "above").symlink_to("..", target_is_directory=True)
        (pictures / "train" / name / "root").symlink_to(pictures.parent, target_is_directory=True)
        (pictures / "train" / name / "itself").symlink_to(".", target_is_directory=True)
    assert count(pictures) == [4, 20]
    assert "6 links to folders that are read already" in capsys.readouterr().out
    (pictures / "train" / "all").symlink_to("..", target_is_directory=True)
    refuse(pictures, f"{pictures / 'train' / 'all'} is a link to a folder above it")


def test_links_that_lead_nowhere_are_named(pictures):
    for target in ("nowhere", "blue"):  # to nothing, and to itself
        link = pictures / "train" / "blue"
        link.symlink_to(target, target_is_directory=True)
        refuse(pictures, str(link))
        link.unlink()
    (pictures / "train" / "red" / "gone.png").symlink_to("nowhere.png")
    refuse(pictures, str(pictures / "train" / "red" / "gone.png"))


@pytest.mark.parametrize("place", ["train", "train/red", "train/red/nested"])
def test_a_folder_without_permission_is_named(pictures, monkeypatch, place):
    closed = pictures / place
    closed.mkdir(exist_ok=True)
    scandir = os.scandir

    def refuses(folder):  # as the system does, but for its administrator
        if os.fspath(folder) == os.fspath(closed):
            raise PermissionError(13, "Permission denied", os.fspath(folder))
        return scandir(folder)

    monkeypatch.setattr(walking.os, "scandir", refuses)
    refuse(pictures, f"{closed} cannot be opened (Permission denied)", "permissions")


def test_an_image_without_permission_is_named(pictures, monkeypatch):
    closed = str(pictures / "train" / "red" / "1.png")
    opened = Image.open

    def refuses(path):
        if path == closed:
            raise PermissionError(13, "Permission denied", path)
        return opened(path)

    monkeypatch.setattr(pixels.Image, "open", refuses)
    refuse(pictures, f"{closed} cannot be opened (Permission denied)")


def test_names_in_two_spellings_are_one_class(pictures):
    """An archive made on another system may write the same letter as one character or as two."""
    (pictures / "train" / "red").rename(pictures / "train" / "caf\u00e9")
    (pictures / "test" / "red").rename(pictures / "test" / "cafe\u0301")
    assert data.load(pictures).classes == ("caf\u00e9", "grey")


def test_spaces_cyrillic_nested_and_linked_class_folders_are_read(pictures, tmp_path):
    for part in ("train", "test"):
        away = tmp_path / f"away {part}"
        (pictures / part / "red").rename(away)
        (pictures / part / "красный лист").symlink_to(away, target_is_directory=True)
        nested = pictures / part / "grey" / "first half" / "b"
        nested.mkdir(parents=True)
        (pictures / part / "grey" / "0.bmp").rename(nested / "0.BMP")
    assert count(pictures) == [4, 20]
    assert data.load(pictures).classes == ("grey", "красный лист")


def test_too_few_images_for_the_reader_of_them_are_refused_before_any_is_read(pictures, monkeypatch):
    monkeypatch.setattr(pixels, "read_images", lambda paths: pytest.fail("the images have been read"))
    with pytest.raises(DataError, match="grey holds 4 of the 10 images that are needed of each class; add"):
        data.load(pictures, least=10)
    for i in range(4, 6):
        Image.new("L", (5, 5)).save(pictures / "train" / "grey" / f"{i}.png")
    with pytest.raises(DataError, match="grey holds 2 of the 3 images that are needed of each class; add"):
        data.load(pictures, least=6)


def test_the_origin_of_a_folder_follows_its_images_and_how_they_are_read(pictures, monkeypatch):
    before = data.load(pictures).train.origin
    assert data.load(pictures.rename(pictures.with_name("moved"))).train.origin == before
    monkeypatch.setattr(folders, "code_digest", lambda *files: "other code")
    assert data.load(pictures.with_name("moved")).train.origin != before


@pytest.mark.parametrize("name", ["~/my pictures", "my pictures", "./my pictures"])
def test_a_folder_is_found_at_home_and_beside_the_readme(pictures, monkeypatch, tmp_path, name):
    elsewhere = tmp_path / "notebooks"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("HOME", str(pictures.parent))
    monkeypatch.setattr(loading, "ROOT", pictures.parent)
    assert data.load(name).num_classes == 2
