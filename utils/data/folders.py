"""A reader's own images: `folder/train/<class>/*` and `folder/test/<class>/*`."""

import hashlib
import os
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from utils.data import pixels
from utils.data.downloads import INSTEAD, DataError, Images
from utils.data.walking import files_below, is_above, visible
from utils.source import code_digest

USUAL = ".jpg, .png, .webp, .gif, .bmp, .tif and others"
STUBS = ("BUFR", "GRIB", "HDF5", "MPEG", "WMF", "EPS")  # Pillow knows their names, but not how to read them
FOREIGN = {  # images, but not for Pillow alone
    *(".heic", ".heif", ".avif", ".jxl", ".svg", ".eps", ".wmf", ".emf", ".dcm"),
    *(".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2"),
}


@dataclass(frozen=True)
class Part:
    """The files of `train` or `test`: class to the paths of its images, in the order of their names.

    `others` counts files that are no images by their suffix, and links to a folder above.
    """

    folder: Path
    images: dict[str, list[str]]
    others: Counter


def read_folder(folder: Path, *, least: int = 2) -> Images:
    """Read a reader's own images: `folder/train/<class>/*` and `folder/test/<class>/*`.

    Args:
        folder: its images may be grey or colour and of any size; all become RGB of 32 x 32, stretched if
            they are not square.
        least: training images that each class has to have, and half as many to test on; 2 or more.

    Returns:
        Images as uint8, in the order of their file names.

    Raises:
        DataError: if a folder or a class is missing or has too few images, or an image cannot be read.
    """
    try:
        if not folder.is_dir():
            raise DataError(
                f"There is no folder {folder}; give one with train/<class>/* and test/<class>/*, {INSTEAD}."
            )
        train, test = _list_part(folder / "train"), _list_part(folder / "test")
        _check_classes(train, test)
        _check_counts(train, least)
        _check_counts(test, least // 2)
        return _read(folder, train, test)
    except OSError as error:
        raise DataError(
            f"{error.filename} cannot be opened ({error.strerror}); mend its permissions, or remove it."
        ) from error


def _read(folder: Path, train: Part, test: Part) -> Images:
    others = train.others + test.others
    if others:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(others.items()))
        print(f"Passed over in {folder}, as no images: {kinds}.")
    paths = [path for part in (train, test) for files in part.images.values() for path in files]
    images = pixels.read_images(paths)  # both parts at once, so that white is the same in both
    labels = [
        torch.tensor([label for label, files in enumerate(part.images.values()) for _ in files])
        for part in (train, test)
    ]
    count = len(labels[0])
    origin = _origin(folder, paths)
    return Images(images[:count], labels[0], images[count:], labels[1], tuple(train.images), origin)


def _origin(folder: Path, paths: list[str]) -> str:
    """A text that changes with the name or content of any image and with how they are read.

    The place of the folder is not in it.
    """
    found = hashlib.sha256(code_digest(pixels.__file__).encode())
    for path in paths:
        content = Path(path).read_bytes()
        found.update(f"{Path(path).relative_to(folder)} {len(content)}".encode() + content)
    return found.hexdigest()


def _check_classes(train: Part, test: Part) -> None:
    for part, other in ((train, test), (test, train)):
        missing = other.images.keys() - part.images.keys()
        if missing:
            raise DataError(
                f"{part.folder} has no folder for {', '.join(sorted(missing))}, which the other part has; "
                "train and test need the same classes."
            )
    if len(train.images) < 2:
        raise DataError(f"{train.folder} holds one class; make a folder for each of 2 or more.")


def _check_counts(part: Part, least: int) -> None:
    name, files = min(part.images.items(), key=lambda item: len(item[1]))
    if len(files) < least:
        raise DataError(
            f"{part.folder / name} holds {len(files)} of the {least} images that are needed of each class; "
            f"add some, or {INSTEAD.removeprefix('or ')}."
        )


def _list_part(part: Path) -> Part:
    layout = f"put the images into {part / '<class>'}, one folder per class"
    if not part.is_dir():
        raise DataError(f"There is no folder {part}; {layout}.")
    folders, loose = {}, []
    for entry in visible(part):
        if entry.is_dir():
            if is_above(entry.path, part):
                raise DataError(f"{entry.path} is a link to a folder above it; remove it.")
            folders[unicodedata.normalize("NFC", entry.name)] = entry.path  # as é can be written in two ways
        elif entry.is_symlink() and not os.path.exists(entry.path):
            raise DataError(f"{entry.path} is a link to a place that does not exist; mend or remove it.")
        elif _suffix(entry.name) in _readable() | FOREIGN:
            loose.append(entry.path)
    if loose:
        raise DataError(f"{min(loose)} is in no class ({len(loose)} such images in all); {layout}.")
    if not folders:
        raise DataError(f"{part} holds no class folders; {layout}.")
    images, others = {}, Counter()
    for name in sorted(folders):
        images[name] = _list_class(folders[name], others)
    return Part(part, images, others)


def _list_class(folder: str, others: Counter) -> list[str]:
    """The images in `folder` and the folders in it; what is none is counted in `others`."""
    readable, images, foreign = _readable(), [], Counter()
    for path in files_below(folder, others):
        suffix = _suffix(path)
        if suffix in readable:
            images.append(path)
        elif suffix in FOREIGN:
            foreign[suffix] += 1
        else:
            others[suffix or "without a suffix"] += 1
    if foreign:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(foreign.items()))
        raise DataError(
            f"{folder} holds images that Pillow cannot read ({kinds}); save them as .png or .jpg."
        )
    if not images:
        raise DataError(f"{folder} holds no image ({USUAL}); add some or remove it.")
    return images


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _readable() -> set[str]:
    """The suffixes of images that Pillow reads, with those of a plugin that the reader has registered."""
    Image.init()
    return {
        suffix
        for suffix, kind in Image.registered_extensions().items()
        if kind in Image.OPEN and kind not in STUBS
    }
