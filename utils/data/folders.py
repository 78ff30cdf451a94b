"""A reader's own images: `folder/train/<class>/*` and `folder/test/<class>/*`."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.datasets import ImageFolder
from torchvision.datasets.folder import IMG_EXTENSIONS
from torchvision.transforms.v2 import functional as transforms

from utils.data.downloads import INSTEAD, DataError, Images

SIZE = 32  # pixels, height and width that the images are brought to


class _ClassFolders(ImageFolder):
    def find_classes(self, directory):
        names = _class_names(Path(directory))
        return names, {name: label for label, name in enumerate(names)}


def read_folder(folder: Path) -> Images:
    """Read a reader's own images: `folder/train/<class>/*` and `folder/test/<class>/*`.

    Args:
        folder: its images may be grey or colour and of any size; all become RGB of 32 x 32, stretched if
            they are not square.

    Returns:
        Images as uint8, in the order of their file names.

    Raises:
        DataError: if a folder or a class is missing or empty, or an image cannot be read.
    """
    if not folder.is_dir():
        raise DataError(
            f"There is no folder {folder}; give one with train/<class>/* and test/<class>/*, {INSTEAD}."
        )
    parts = {name: _open_part(folder / name) for name in ("train", "test")}
    train, test = (set(parts[name].classes) for name in ("train", "test"))
    for name, missing in (("train", test - train), ("test", train - test)):
        if missing:
            raise DataError(
                f"{folder / name} has no folder for {', '.join(sorted(missing))}, which the other part has; "
                "train and test need the same classes."
            )
    if len(train) < 2:
        raise DataError(f"{folder / 'train'} holds one class; make a folder for each of 2 or more.")
    labels = {name: torch.tensor(parts[name].targets) for name in parts}
    counts = labels["train"].bincount()
    if counts.min() < 2:
        alone = folder / "train" / parts["train"].classes[counts.argmin()]
        raise DataError(f"{alone} holds a single image; add a second one, for validation.")
    images = {name: torch.stack([_read_image(path) for path, _ in parts[name].samples]) for name in parts}
    classes = tuple(parts["train"].classes)
    origin = _origin(folder, [path for part in parts.values() for path, _ in part.samples])
    return Images(images["train"], labels["train"], images["test"], labels["test"], classes, origin)


def _origin(folder: Path, paths: list[str]) -> str:
    """A text that changes with the name or content of any image, but not with the place of the folder."""
    found = hashlib.sha256()
    for path in paths:
        content = Path(path).read_bytes()
        found.update(f"{Path(path).relative_to(folder)} {len(content)}".encode() + content)
    return found.hexdigest()


def _class_names(part: Path) -> list[str]:
    """The folders in `part`, but not hidden ones such as the `.ipynb_checkpoints` that Jupyter leaves."""
    return sorted(path.name for path in part.iterdir() if path.is_dir() and path.name[0] != ".")


def _open_part(part: Path) -> _ClassFolders:
    layout = f"put the images into {part / '<class>'}, one folder per class"
    if not part.is_dir():
        raise DataError(f"There is no folder {part}; {layout}.")

    def is_image(path: str) -> bool:
        return path.lower().endswith(IMG_EXTENSIONS) and not Path(path).name.startswith(".")

    loose = sorted(path.name for path in part.iterdir() if path.is_file() and is_image(str(path)))
    if loose:
        raise DataError(f"{part / loose[0]} is in no class ({len(loose)} such images in all); {layout}.")
    if not _class_names(part):
        raise DataError(f"{part} holds no class folders; {layout}.")
    found = _ClassFolders(part, is_valid_file=is_image, allow_empty=True)
    for label, name in enumerate(found.classes):
        if label not in found.targets:
            raise DataError(
                f"{part / name} holds no image ({', '.join(IMG_EXTENSIONS)}); add some or remove it."
            )
    return found


def _read_image(path: str) -> Tensor:  # [3, 32, 32] uint8
    try:
        with Image.open(path) as image:
            image = ImageOps.exif_transpose(image)  # phones store a turned photo and a note to turn it back
            if image.mode.startswith("I"):  # 16 bits per pixel, which Pillow would clip rather than scale
                image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
            pixels = np.array(image.convert("RGB"))
    except Exception as error:  # Pillow's decoders raise nearly anything on a damaged file
        raise DataError(f"{path} cannot be read as an image ({error}); replace or remove it.") from error
    size = [SIZE, SIZE]
    return transforms.resize(torch.from_numpy(pixels).permute(2, 0, 1), size, antialias=True)
